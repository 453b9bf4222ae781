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

COUNTED: Final = (Outcome.ON_TIME, Outcome.LATE, Outcome.MISSED, Outcome.PENDING)
"""What an expected obligation is one of."""

FAILED: Final = (Outcome.LATE, Outcome.MISSED)


class Ratio(msgspec.Struct, frozen=True):
    """A numerator that is a part of its denominator."""

    numerator: int
    denominator: int


class MeasureIds(msgspec.Struct, frozen=True):
    """The obligations behind each figure; None where a figure leaves out what went well."""

    on_time: tuple[ObligationId, ...] | None = ()
    late: tuple[ObligationId, ...] = ()
    missed: tuple[ObligationId, ...] = ()
    pending: tuple[ObligationId, ...] = ()
    excused: tuple[ObligationId, ...] = ()
    accepted: tuple[ObligationId, ...] | None = ()
    exempt: tuple[ObligationId, ...] = ()
    not_expected: tuple[ObligationId, ...] = ()


class Measure(msgspec.Struct, frozen=True, kw_only=True):
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
    found: dict[Outcome, list[ObligationId]] = {outcome: [] for outcome in Outcome}
    excused: list[ObligationId] = []
    approved: list[ObligationId] = []
    unsolicited = 0
    for one in told:
        found[one.outcome].append(one.obligation)
        if one.excused:
            excused.append(one.obligation)
        if one.accepted:
            approved.append(one.obligation)
        unsolicited += one.unsolicited
    on_time, late, missed, pending = (len(found[outcome]) for outcome in COUNTED)
    on_time += met
    decided = on_time + late + missed
    for ids in (*found.values(), excused, approved):
        # The same figure is the same to the byte, however its obligations were found.
        ids.sort()
    return Measure(
        expected=decided + pending,
        on_time=on_time,
        late=late,
        missed=missed,
        pending=pending,
        excused=len(excused),
        exempt=len(found[Outcome.EXEMPT]),
        not_expected=len(found[Outcome.NOT_EXPECTED]),
        unsolicited=unsolicited,
        timeliness=Ratio(on_time, decided),
        completeness=Ratio(on_time + late, decided),
        quality=Ratio(len(approved) + accepted, on_time + late),
        ids=MeasureIds(
            on_time=None if failures_only else tuple(found[Outcome.ON_TIME]),
            late=tuple(found[Outcome.LATE]),
            missed=tuple(found[Outcome.MISSED]),
            pending=tuple(found[Outcome.PENDING]),
            excused=tuple(excused),
            accepted=None if failures_only else tuple(approved),
            exempt=tuple(found[Outcome.EXEMPT]),
            not_expected=tuple(found[Outcome.NOT_EXPECTED]),
        ),
    )
