"""How well reports come in, counted over verdicts: domain rules 2.4, in docs/rules.md.

`E = T + L + M + P` always, excused is a part of late and missed, every numerator is a part of its
denominator, and every figure carries the obligations that it counts. Percentages are never stored
or answered: whoever shows one has both numbers.
"""

from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

from ledger.timeliness import Outcome
from ledger.vocabulary import ObligationId

WENT_WELL: Final = frozenset({"on_time", "accepted"})
"""Figures whose ids are left out where they would be thousands."""

FAILED: Final = (Outcome.LATE, Outcome.MISSED)


class Ratio(msgspec.Struct, frozen=True, gc=False):
    """A numerator that is a part of its denominator."""

    numerator: int
    denominator: int


class MeasureIds(msgspec.Struct, frozen=True, gc=False):
    """The obligations behind each figure; None where a figure leaves out what went well."""

    on_time: tuple[ObligationId, ...] | None = ()
    late: tuple[ObligationId, ...] = ()
    missed: tuple[ObligationId, ...] = ()
    pending: tuple[ObligationId, ...] = ()
    excused: tuple[ObligationId, ...] = ()
    accepted: tuple[ObligationId, ...] | None = ()
    exempt: tuple[ObligationId, ...] = ()
    not_expected: tuple[ObligationId, ...] = ()


class Measure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Expected, on time, late, missed, pending; excused among them; and three ratios.

    `timeliness` 及时率 = T/(E-P), `completeness` 报送率 = (T+L)/(E-P), `quality` 合格率 =
    accepted/(T+L). Exempt (waived before the due) and not expected stand outside E, and
    unsolicited reports are counted apart.
    """

    expected: int
    on_time: int
    late: int
    missed: int
    pending: int
    excused: int
    exempt: int
    not_expected: int
    unsolicited: int
    timeliness: Ratio
    completeness: Ratio
    quality: Ratio
    ids: MeasureIds


class Told(Protocol):
    """What a figure wants to know of one obligation."""

    @property
    def obligation(self) -> ObligationId: ...

    @property
    def outcome(self) -> Outcome: ...

    @property
    def excused(self) -> bool: ...

    @property
    def accepted(self) -> bool: ...

    @property
    def unsolicited(self) -> int: ...


def measure(
    told: Iterable[Told], *, met: int = 0, accepted: int = 0, failures_only: bool = False
) -> Measure:
    """The figures over these obligations, and over so many more that were met, and accepted.

    With `failures_only` the ids of what went well are left out.
    """
    assert failures_only or not met, "the ids of all that went well are known"
    found: dict[str, list[ObligationId]] = {name: [] for name in MeasureIds.__struct_fields__}
    unsolicited = 0
    for one in told:
        found[one.outcome].append(one.obligation)
        if one.excused:
            found["excused"].append(one.obligation)
        if one.accepted:
            found["accepted"].append(one.obligation)
        unsolicited += one.unsolicited
    on_time, approved = met + len(found["on_time"]), accepted + len(found["accepted"])
    if failures_only:
        del found["on_time"], found["accepted"]
    return _measure(found, on_time, approved, unsolicited)


def total(measures: Iterable[Measure]) -> Measure:
    """The figures over all of these; the ids of what went well are left out."""
    parts = list(measures)
    found = {
        name: [id_ for one in parts for id_ in getattr(one.ids, name)]
        for name in MeasureIds.__struct_fields__
        if name not in WENT_WELL
    }
    return _measure(
        found,
        sum(one.on_time for one in parts),
        sum(one.quality.numerator for one in parts),
        sum(one.unsolicited for one in parts),
    )


def _measure(
    ids: dict[str, list[ObligationId]], on_time: int, accepted: int, unsolicited: int
) -> Measure:
    for one in ids.values():
        # The same figure is the same to the byte, however its obligations were found.
        one.sort()
    late, missed, pending = (len(ids[name]) for name in ("late", "missed", "pending"))
    decided = on_time + late + missed
    return Measure(
        expected=decided + pending,
        on_time=on_time,
        late=late,
        missed=missed,
        pending=pending,
        excused=len(ids["excused"]),
        exempt=len(ids["exempt"]),
        not_expected=len(ids["not_expected"]),
        unsolicited=unsolicited,
        timeliness=Ratio(on_time, decided),
        completeness=Ratio(on_time + late, decided),
        quality=Ratio(accepted, on_time + late),
        ids=MeasureIds(
            on_time=tuple(ids["on_time"]) if "on_time" in ids else None,
            late=tuple(ids["late"]),
            missed=tuple(ids["missed"]),
            pending=tuple(ids["pending"]),
            excused=tuple(ids["excused"]),
            accepted=tuple(ids["accepted"]) if "accepted" in ids else None,
            exempt=tuple(ids["exempt"]),
            not_expected=tuple(ids["not_expected"]),
        ),
    )
