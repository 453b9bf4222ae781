"""The business date that a question is about: what was in force, whenever it became known."""

from contextlib import suppress
from datetime import date, datetime
from typing import Annotated, NamedTuple

from litestar.params import QueryParameter

from api.visits import require_day
from ledger.errors import Invalid
from projections.standpoint import Standpoint
from projections.structure import On, instant_of

OnParameter = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        description="What was in force: a business date (its end), or an instant; absent: now",
    ),
]


def parse_on(text: str | None) -> On:
    """A date, or an instant with its offset; `Invalid` for anything else."""
    if not text:
        return None
    found: date | datetime | None = None
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
    with suppress(ValueError):
        found = date.fromisoformat(text)
    if isinstance(found, datetime) and found.tzinfo is None:
        found = None
    if found is not None:
        require_day("on", found.date() if isinstance(found, datetime) else found)
        return found
    raise Invalid.field("on", f"{text!r} is neither a date (2026-04-01) nor a time with its offset")


class Business(NamedTuple):
    """The business instant that a question is about, and as it was asked: null for now."""

    at: datetime
    on: datetime | None


def business(text: str | None, here: Standpoint) -> Business:
    """What `on` means at a standpoint; what nobody asked for is not repeated in the answer.

    So the answer of now says the same from one instant to the next, while nothing changes.
    """
    asked = parse_on(text)
    at = instant_of(asked, here)
    return Business(at, None if asked is None else at)
