"""What commands print: tables for people, JSON for programs."""

import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec

if TYPE_CHECKING:
    from api.citable import Answer
    from projections.standpoint import AsOf

A = TypeVar("A", bound="Answer")

LOCAL_ZONE: Final = ZoneInfo("Asia/Shanghai")
PIPE_WIDTH: Final = 200
"""Characters a line where no terminal says how many it has."""


def print_json(answer: object) -> None:
    """The whole answer as one JSON document."""
    document = msgspec.json.format(msgspec.json.encode(answer), indent=2)
    sys.stdout.buffer.write(document + b"\n")
    sys.stdout.buffer.flush()


def print_line(answer: object) -> None:
    """The whole answer as one line of JSON."""
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def print_answer(found: A, tell: Callable[[A], None], *, as_json: bool) -> None:
    """An answer with the hash that it is cited by: as JSON, or told, and then cited in one line."""
    from api.citable import cited  # noqa: PLC0415  (a fast start)

    hashed = cited(found)
    if as_json:
        print_json(hashed)
        return
    tell(hashed)
    print_whole(f"[dim]{citation(hashed.as_of)}[/dim]")


def citation(as_of: "AsOf") -> str:
    """What an answer is cited by: ledger, moment, state, versions of the views, hash."""
    from api.citable import moment_text  # noqa: PLC0415  (a fast start)

    state = "settled" if as_of.settled else "not settled: later facts may still join"
    views = ", ".join(f"{name} {version}" for name, version in sorted(as_of.views.items()))
    return (
        f"as of position {as_of.position:,} of ledger {as_of.ledger}, {local(as_of.instant)} "
        f"({state}); --as-of {moment_text(as_of)}; views: {views}; sha256 {as_of.hash}"
    )


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """Rows under headings; never cut off where the output is not a terminal."""
    from rich.table import Table  # noqa: PLC0415  (slow to import)

    table = Table(*columns, title=title, title_justify="left", header_style="bold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console().print(table)


def print_text(text: str) -> None:
    """A line of text, with rich's markup."""
    console().print(text, highlight=False)


def print_whole(text: str) -> None:
    """The same never broken in two, however long: what is copied, searched and cut by lines."""
    console().print(text, highlight=False, soft_wrap=True)


def console() -> Any:  # noqa: ANN401  (rich is imported only here)
    """Standard output as rich sees it."""
    from rich.console import Console  # noqa: PLC0415  (slow to import)

    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def local(instant: datetime | None) -> str:
    """An instant on the wall clock of Shanghai, to the minute; empty for none."""
    return f"{instant.astimezone(LOCAL_ZONE):%Y-%m-%d %H:%M}" if instant else ""


def escape(text: str) -> str:
    """Text that rich must not read as markup."""
    from rich.markup import escape as escaped  # noqa: PLC0415  (slow to import)

    return escaped(text)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return local(value)
    return escape(str(value))
