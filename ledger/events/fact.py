"""What a fact is: a frozen struct with a permanent name, tagged with every id it carries."""

import types
from functools import cache
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

import msgspec
from eventsourcing.dcb.domain import Decision

from ledger.vocabulary import TAG_PREFIXES


class Fact(msgspec.Struct, Decision, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened.

    `TOPIC` is the permanent dotted name, written by hand; `VERSION` counts the shapes it has had.
    """

    TOPIC: ClassVar[str]
    VERSION: ClassVar[int] = 1
    DOSSIERS: ClassVar[tuple[str, ...]] = ()
    """Prefixes of the entities whose dossier (`ledger/model/`) this fact belongs to.

    A unit's tag gathers every report it ever made; the few facts that say what the unit *is* carry
    `dossier:unit:<id>` as well, so that a decision reads them without wading through the reports.
    """

    def as_dict(self) -> dict[str, Any]:
        """The fact's own fields (the library would look into `__dict__`, which structs lack)."""
        return msgspec.structs.asdict(self)

    def tags(self) -> list[str]:
        """`prefix:id` of every entity that this fact concerns, in the order declared."""
        found: dict[str, None] = {}
        for name, prefix, many in _tagged_fields(type(self)):
            value = getattr(self, name)
            if value is None:
                continue
            for one in value if many else (value,):
                found[f"{prefix}:{one}"] = None
                if prefix in self.DOSSIERS:
                    found[f"dossier:{prefix}:{one}"] = None
        return list(found)


@cache
def _tagged_fields(fact: type[Fact]) -> tuple[tuple[str, str, bool], ...]:
    hints = get_type_hints(fact)
    return tuple(
        (name, prefix, many)
        for name in fact.__struct_fields__
        for prefix, many in _tag_of(hints[name])
    )


def _tag_of(hint: object) -> list[tuple[str, bool]]:
    if hint in TAG_PREFIXES:
        return [(TAG_PREFIXES[hint], False)]
    if get_origin(hint) is tuple:
        return [(prefix, True) for prefix, _ in _tag_of(get_args(hint)[0])]
    if get_origin(hint) in (Union, types.UnionType):
        return [found for part in get_args(hint) for found in _tag_of(part)]
    return []
