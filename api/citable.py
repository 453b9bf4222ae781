"""An answer on its way out of a door: the bytes that are sent, and the hash that they are cited by.

An auditor writes down a figure with ledger, position, time and hash; whoever asks again as of the
same moment gets the same bytes, and can prove it without our program: the hash is the SHA-256 of
the answer as compact JSON without `as_of` and without the page's cursor. This is the only place
that computes it; every door (routes, pages, commands) goes through here.
Read next: `projections/standpoint.py` (`AsOf`), docs/time-travel.md ("Citing an answer").
"""

import hashlib
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from projections.standpoint import AsOf

BESIDE_THE_CONTENT: Final = ("as_of", "next", "next_cursor")
"""The fields of an answer that its hash leaves out: what it is as of, and where to go on."""


class Answer(Protocol):
    """A struct that says what it is as of."""

    @property
    def as_of(self) -> AsOf:
        """What it is as of."""


A = TypeVar("A", bound=Answer)


class Cited(msgspec.Struct, frozen=True):
    """An answer as it is sent, and what it is as of with the hash filled in."""

    body: bytes
    as_of: AsOf


def cite(content: object, as_of: AsOf) -> Cited:
    """A struct, or the JSON of one, as an answer that says first what it is as of.

    The content need not have a field `as_of`; if it has one, it is replaced.
    """
    fields = _fields(content)
    hashed = replace(as_of, hash=_hash(fields))
    told = {"as_of": msgspec.Raw(msgspec.json.encode(hashed))}
    return Cited(msgspec.json.encode(told | {**fields, **told}), hashed)


def cited(answer: A) -> A:
    """The same answer with its hash, for doors that print it."""
    hashed = replace(answer.as_of, hash=_hash(_fields(answer)))
    return replace(answer, as_of=hashed)  # type: ignore[type-var]  # every answer is a struct


def moment_text(as_of: AsOf) -> str:
    """The moment as `as_of` takes it again: the position, and the instant that was judged at."""
    return f"{as_of.position}@{instant_text(as_of.instant)}"


def citation(as_of: AsOf) -> str:
    """One line to cite an answer by, in no language: ledger, moment, versions, hash."""
    views = ",".join(f"{name}:{version}" for name, version in sorted(as_of.views.items()))
    said = f"ledger={as_of.ledger} as_of={moment_text(as_of)} views={views}"
    return f"{said} sha256={as_of.hash}" if as_of.hash else said


def instant_text(instant: datetime) -> str:
    """An instant in UTC, to the microsecond."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _fields(content: object) -> dict[str, msgspec.Raw]:
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return msgspec.json.decode(body, type=dict[str, msgspec.Raw])


def _hash(fields: dict[str, msgspec.Raw]) -> str:
    content = {name: raw for name, raw in fields.items() if name not in BESIDE_THE_CONTENT}
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()
