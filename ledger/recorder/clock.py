"""The gate's clock, watched: a wall clock that jumps is noticed before it is believed.

Between two calls the wall clock may move as far as a clock that nobody can set has moved; when it
has moved further than the limit, somebody set it. Read next: `ledger/recorder/writer.py`.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from ledger.errors import ClockJumped


def _steady_seconds() -> float:
    """Seconds since the machine started, its sleep included where the system can tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class WatchedClock:
    """The time now, or ClockJumped; owned by the writer thread."""

    def __init__(
        self,
        limit_seconds: float,
        wall_seconds: Callable[[], float] = time.time,
        steady_seconds: Callable[[], float] = _steady_seconds,
    ) -> None:
        self._limit_seconds = limit_seconds
        self._wall_seconds = wall_seconds
        self._steady_seconds = steady_seconds
        self._wall_before = wall_seconds()
        self._steady_before = steady_seconds()

    def now(self) -> datetime:
        """The wall clock's time, if it moved with the steady clock since it was last believed."""
        wall, steady = self._wall_seconds(), self._steady_seconds()
        jumped_seconds = (wall - self._wall_before) - (steady - self._steady_before)
        if abs(jumped_seconds) > self._limit_seconds:
            raise ClockJumped(
                f"the clock of this machine jumped by {jumped_seconds:+.0f} seconds (limit "
                f"{self._limit_seconds:.0f}); correct it, or confirm the time"
            )
        self._wall_before, self._steady_before = wall, steady
        return datetime.fromtimestamp(wall, UTC)

    def confirm(self) -> None:
        """Believe the wall clock as it stands."""
        self._wall_before = self._wall_seconds()
        self._steady_before = self._steady_seconds()
