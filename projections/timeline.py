"""A subject's timeline: every fact about one unit, post, person, duty or obligation, in order.

It comes straight from the log by the subject's tag, so it needs no view, is never behind, and
shows each entry exactly as it is stored and hashed.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from ledger.codec import decode
from ledger.errors import Invalid
from ledger.recorder import Item, PostgresRecorder, Stored
from ledger.vocabulary import TAG_PREFIXES
from projections.citing import Citation, cited
from projections.standpoint import AsOf, Questions

PAGE_MAX: Final = 500
PREFIXES: Final = frozenset(TAG_PREFIXES.values())
LOOKED_AT: Final = 256
"""Facts read at once while those that were found may not be seen."""

Sees = Callable[[Sequence[str]], bool]
"""Whether somebody may see a fact with these tags."""

_KEY: Final = re.compile(r"[^\x00-\x20\x7f]{1,200}")


class Told(Citation, frozen=True, kw_only=True):
    """An event of the timeline: its citation, and the entry as it stands in the log.

    `erased` is filled in by a door: the persons whose sealed values in the entry were erased, each
    with the position of the fact that says so.
    """

    entry: msgspec.Raw
    erased: dict[str, int] = msgspec.field(default_factory=dict)


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a subject's facts; `next` is the position that the following page begins beyond."""

    as_of: AsOf
    subject: str
    events: tuple[Told, ...]
    next: int | None


def timeline(  # noqa: PLR0913  (what a page can be asked for)
    questions: Questions,
    as_of: AsOf,
    subject: str,
    *,
    types: tuple[str, ...] = (),
    beyond: int | None = None,
    limit: int = PAGE_MAX,
    backwards: bool = False,
    sees: Sees | None = None,
) -> Timeline:
    """The facts tagged with `subject` (`unit:X`, `obligation:Y` ...) that are known at `as_of`.

    `types` leaves out all others, `sees` what somebody may not see. `beyond` is the `next` of the
    page before.
    """
    check_subject(subject)
    if not 0 < limit <= PAGE_MAX:
        raise Invalid.field("limit", f"a page has 1 to {PAGE_MAX} events")
    after, until = 0, as_of.position
    if beyond is not None and backwards:
        until = min(until, beyond - 1)
    elif beyond is not None:
        after = beyond
    # One more than asked tells whether another page follows.
    found = read_seen(
        questions.recorder,
        (Item(types=types, tags=(subject,)),),
        after=after,
        until=until,
        limit=limit + 1,
        backwards=backwards,
        sees=sees,
    )
    return Timeline(
        as_of=as_of,
        subject=subject,
        events=tuple(told(one) for one in found[:limit]),
        next=found[limit - 1].position if len(found) > limit else None,
    )


def read_seen(  # noqa: PLR0913  (what can be asked for)
    recorder: PostgresRecorder,
    items: Sequence[Item],
    *,
    after: int,
    until: int,
    limit: int,
    backwards: bool,
    sees: Sees | None,
) -> list[Stored]:
    """The first facts after one position and until another that match, of those that may be seen.

    Reads on until there are so many, or no more.
    """
    found: list[Stored] = []
    count = limit
    while after < until and len(found) < limit:
        page = recorder.read(items, after=after, until=until, limit=count, backwards=backwards)
        found += [one for one in page.events if sees is None or sees(decode(one.entry).tags)]
        if len(page.events) < count:
            break
        last = page.events[-1].position
        after, until = (after, last - 1) if backwards else (last, until)
        count = max(limit, LOOKED_AT)
    return found[:limit]


def with_erased(found: Timeline, erased_in: Callable[[bytes], dict[str, int]]) -> Timeline:
    """The same with what was erased in each entry."""
    marked = (replace(one, erased=erased_in(bytes(one.entry))) for one in found.events)
    return replace(found, events=tuple(marked))


def told(stored: Stored) -> Told:
    """An entry with its citation."""
    citation = cited(decode(stored.entry), stored)
    return Told(**msgspec.structs.asdict(citation), entry=msgspec.Raw(stored.entry))


def check_subject(subject: str) -> None:
    """`Invalid` when this is no tag that a fact can have."""
    prefix, _, key = subject.partition(":")
    if prefix not in PREFIXES or not _KEY.fullmatch(key):
        raise Invalid.field(
            "subject",
            f"{subject!r} is no subject; write one of {', '.join(sorted(PREFIXES))}, "
            "a colon, and its code: unit:X",
        )
