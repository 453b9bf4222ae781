"""How far long work is: a bar on a terminal, JSON lines on standard error otherwise."""

import sys
import time
from types import TracebackType
from typing import Any, Final, Self

import msgspec

SECONDS_BETWEEN_LINES: Final = 1.0
SECONDS_BETWEEN_REDRAWS: Final = 0.1


class Progress:
    """Shows `done` of `total`; `total` None while nobody knows. A context manager."""

    def __init__(self, doing: str, total: int | None = None) -> None:
        self.doing = doing
        self.total = total
        self.done = 0
        self._shown_at = 0.0
        self._began_at = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task(self.doing, total=self.total)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._show(finished=kind is None)
        if self._bar:
            self._bar.stop()

    def advance(self, count: int = 1) -> None:
        """So many more are done."""
        self.reach(self.done + count)

    def reach(self, done: int) -> None:
        """So many are done altogether."""
        self.done = done
        pause = SECONDS_BETWEEN_REDRAWS if self._bar else SECONDS_BETWEEN_LINES
        if time.monotonic() - self._shown_at >= pause:
            self._show(finished=False)

    def _show(self, *, finished: bool) -> None:
        self._shown_at = time.monotonic()
        if self._bar:
            self._bar.update(self._task, completed=self.done, total=self.total)
            return
        line = {
            "doing": self.doing,
            "done": self.done,
            "total": self.total,
            "seconds": round(self._shown_at - self._began_at, 1),
            "finished": finished,
        }
        sys.stderr.write(msgspec.json.encode(line).decode() + "\n")
        sys.stderr.flush()


def _bar() -> Any:  # noqa: ANN401  (rich is slow to import, and is imported only here)
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
