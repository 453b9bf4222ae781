"""How well reports come in, counted over verdicts: domain rules 2.4, in docs/rules.md.

`E = T + L + M + P` always, excused is a part of late and missed, every numerator is a part of its
denominator, and every figure carries the obligations that it counts. Percentages are never stored
or answered: whoever shows one has both numbers.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from ledger.timeliness import Outcome
from ledger.vocabulary import ObligationId
from projections.judging import Judged

COUNTED: Final = (Outcome.ON_TIME, Outcome.LATE, Outcome.MISSED, Outcome.PENDING)
"""What an expected obligation is one of."""

FAILED: Final = (Outcome.LATE, Outcome.MISSED)


class Ratio(msgspec.Struct, frozen=True):
    """A numerator that is a part of its denominator."""

    numerator: int
    denominator: int


class MeasureIds(msgspec.Struct, frozen=True):
    """The obligations behind each figure; None where an answer about failures leaves them out."""

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


def measure(judged: Iterable[Judged], *, failures_only: bool = False) -> Measure:
    """The figures over these obligations; the ids of what went well only if they are wanted."""
    found: dict[Outcome, list[ObligationId]] = {outcome: [] for outcome in Outcome}
    excused: list[ObligationId] = []
    accepted: list[ObligationId] = []
    unsolicited = 0
    for one in judged:
        found[one.outcome].append(one.obligation)
        if one.excused:
            excused.append(one.obligation)
        if one.accepted:
            accepted.append(one.obligation)
        unsolicited += one.unsolicited
    on_time, late, missed, pending = (len(found[outcome]) for outcome in COUNTED)
    decided = on_time + late + missed
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
        quality=Ratio(len(accepted), on_time + late),
        ids=MeasureIds(
            on_time=None if failures_only else tuple(found[Outcome.ON_TIME]),
            late=tuple(found[Outcome.LATE]),
            missed=tuple(found[Outcome.MISSED]),
            pending=tuple(found[Outcome.PENDING]),
            excused=tuple(excused),
            accepted=None if failures_only else tuple(accepted),
            exempt=tuple(found[Outcome.EXEMPT]),
            not_expected=tuple(found[Outcome.NOT_EXPECTED]),
        ),
    )
