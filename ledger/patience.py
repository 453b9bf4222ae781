"""Connections that take silence for loss, so that nobody waits for ever.

A network may swallow packets and break nothing: no error comes, and no answer. Where a machine is
gone, the kernel's keepalives tell; but a proxy or a server process that stands still goes on
acknowledging what it will never answer. So whoever has to know in time counts the seconds, and
silence that lasts ends the connection as a broken line would.
Read next: `ledger/database.py`, which opens connections.
"""

import time
from collections.abc import Generator
from typing import Any, Final, NoReturn, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

SILENCE_SECONDS: Final = 30.0
"""What is taken for loss unless the settings say otherwise."""

_IDLE_SECONDS, _INTERVAL_SECONDS, _COUNT, _UNACKNOWLEDGED_SECONDS = 10, 5, 3, 30
OUR_KEEPALIVES: Final = {
    "keepalives_idle": str(_IDLE_SECONDS),
    "keepalives_interval": str(_INTERVAL_SECONDS),
    "keepalives_count": str(_COUNT),
    "tcp_user_timeout": str(_UNACKNOWLEDGED_SECONDS * 1000),
}
"""libpq's parameters: we notice within half a minute that a server's machine is gone."""

THEIR_KEEPALIVES: Final = (
    f"-c tcp_keepalives_idle={_IDLE_SECONDS} -c tcp_keepalives_interval={_INTERVAL_SECONDS} "
    f"-c tcp_keepalives_count={_COUNT} -c tcp_user_timeout={_UNACKNOWLEDGED_SECONDS * 1000}"
)
"""The server's own: it notices as soon that we are gone, and lets go of our locks."""

Result = TypeVar("Result")
Waiting = Generator[Any, Any, Result]
"""What psycopg drives: it yields what to wait for, and is sent what happened (0: nothing yet)."""


class Impatient(psycopg.Connection[TupleRow]):
    """A connection that is lost when no answer comes for `silence_seconds` (None: it waits on)."""

    silence_seconds: float | None = None

    def wait(self, gen: Waiting[Result], *given: Any, **named: Any) -> Result:  # noqa: ANN401
        """Whatever psycopg waits for on this connection comes through here."""
        if self.silence_seconds is None:
            return super().wait(gen, *given, **named)
        return super().wait(self._heard(gen, self.silence_seconds), *given, **named)

    def lose(self) -> NoReturn:
        """End a connection on which nothing comes any more."""
        self.pgconn.finish()
        raise psycopg.OperationalError(f"nothing was heard for {self.silence_seconds:.0f} seconds")

    def _heard(self, gen: Waiting[Result], seconds: float) -> Waiting[Result]:
        heard_at = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                happened = yield wanted
                now = time.monotonic()
                if happened:
                    heard_at = now
                elif now > heard_at + seconds:
                    self.lose()
                wanted = gen.send(happened)
        except StopIteration as end:
            result: Result = end.value
            return result


def conninfo_with_keepalives(url: str, **given: str) -> str:
    """The address with these parameters, and with keepalives unless it has its own."""
    own = conninfo_to_dict(url)
    keepalives = {name: value for name, value in OUR_KEEPALIVES.items() if name not in own}
    return make_conninfo(url, **keepalives, **given)
