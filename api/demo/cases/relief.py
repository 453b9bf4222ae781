"""Relief: extensions and waivers, in time and out of it (R5, rulings 18 to 24)."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from api.demo.cases.plot import (
    NANCHONG,
    Expected,
    Plot,
    Tell,
    Who,
    head,
    late,
    missed,
    on_time,
)
from api.demo.codes import unit_id
from api.demo.story import Maker, china, reason, relief_of
from ledger.decisions.command import Command
from ledger.decisions.relief import (
    GrantExtension,
    GrantWaiver,
    RefuseExtension,
    RequestExtension,
    RequestWaiver,
)
from ledger.model.history import History
from ledger.vocabulary import ExtensionId, ObligationId, PostId, UnitId, WaiverId

BY: Final = head(NANCHONG)


def asked_for(obligation: ObligationId, decide: Callable[[str], Command]) -> Maker:
    """A decision on the newest relief that was asked for."""

    def make(history: History) -> Command:
        return decide(relief_of(history, obligation))

    return make


def ask_extension(
    plot: Plot, unit: UnitId, obligation: ObligationId, at: datetime, until: datetime
) -> None:
    """The head of an outlet asks for a later due."""
    wanted = RequestExtension(
        obligation=obligation, requested_due=until, reason=reason("staff_shortage")
    )
    plot.act(at, wanted, post=head(unit))


def grant_extension(
    plot: Plot, obligation: ObligationId, at: datetime, until: datetime, by: PostId = BY
) -> None:
    """The superior grants what was asked for."""

    def decide(relief: str) -> Command:
        return GrantExtension(
            obligation=obligation,
            by=by,
            due=until,
            extension=ExtensionId(relief),
            reason=reason("staff_shortage"),
        )

    plot.act(at, asked_for(obligation, decide), post=by)


def granted_before(plot: Plot) -> None:
    """Asked and granted before the due: the due moves, and the report keeps it."""
    unit = plot.outlet(NANCHONG, 0)
    owed, until = plot.owe(unit, period="2026W35"), china(9, 2, 18, 1)
    ask_extension(plot, unit, owed, china(8, 28, 10), until)
    grant_extension(plot, owed, china(8, 28, 15), until)
    plot.report(owed, china(9, 2, 11), head(unit))
    plot.case(
        "R5",
        owed,
        "截止前批准延期并按新期限报送：及时",
        "Extension granted before the due, kept: on time",
        on_time(steps=("nominal", "extension")),
    )


def granted_soon_after(plot: Plot) -> None:
    """Asked in time, granted two working days after the due: counts as prior."""
    unit = plot.outlet(NANCHONG, 0)
    owed, until = plot.owe(unit), china(9, 10, 18, 1)
    ask_extension(plot, unit, owed, china(9, 7, 10), until)
    grant_extension(plot, owed, china(9, 9, 10), until)
    plot.report(owed, china(9, 10, 17), head(unit))
    plot.case(
        "18",
        owed,
        "按时申请、截止后两个工作日内批准：视同事前批准，及时",
        "Asked in time, granted two working days later: counts as prior, on time",
        on_time(steps=("nominal", "extension")),
    )


def refused_late(plot: Plot) -> None:
    """Asked in time, refused after the due: late, but excused by the decider's delay."""
    unit = plot.outlet(NANCHONG, 1)
    owed = plot.owe(unit)
    ask_extension(plot, unit, owed, china(9, 7, 10), china(9, 10, 18, 1))

    def decide(relief: str) -> Command:
        return RefuseExtension(
            obligation=owed, by=BY, extension=ExtensionId(relief), reason=reason("no_ground")
        )

    plot.act(china(9, 8, 15), asked_for(owed, decide), post=BY)
    plot.report(owed, china(9, 9, 10), head(unit))
    plot.case(
        "19",
        owed,
        "按时申请、截止后才拒绝，次一工作日报送：迟报但免责，审批人负管理责任",
        "Asked in time, refused after the due, reported a working day later: late, excused",
        late(
            Who("direct", "holder", plot.holder(head(unit))),
            Who("management", "relief_decided_late", plot.holder(BY)),
            excused=("slow_decision",),
        ),
    )


def never_decided(plot: Plot) -> None:
    """Asked in time, never decided: excused, and a management matter of the decider."""
    unit = plot.outlet(NANCHONG, 2)
    owed = plot.owe(unit)
    ask_extension(plot, unit, owed, china(9, 7, 10), china(9, 10, 18, 1))
    plot.case(
        "20",
        owed,
        "按时申请、无人审批：对申请人免责，上级负管理责任",
        "Asked in time, never decided: excused, the superior carries management responsibility",
        missed(
            Who("direct", "holder", plot.holder(head(unit))),
            Who("management", "relief_undecided", plot.holder(BY)),
            excused=("undecided_relief",),
        ),
    )


def granted_afterwards(plot: Plot) -> None:
    """Asked and granted after the due: the miss stands, mitigated."""
    unit = plot.outlet(NANCHONG, 3)
    owed, until = plot.owe(unit), china(9, 10, 18, 1)
    ask_extension(plot, unit, owed, china(9, 8, 9), until)
    grant_extension(plot, owed, china(9, 8, 14), until)
    plot.report(owed, china(9, 9, 16), head(unit))
    plot.case(
        "21",
        owed,
        "截止后才申请并获延期：迟报成立，从轻，注明“延期内报送”",
        "Extension asked and granted after the due: late within the extension, mitigated",
        late(
            Who("direct", "holder", plot.holder(head(unit))),
            mitigated=("extension_after_due",),
            flags=("within_extension",),
        ),
    )


def _waiver(
    plot: Plot, place: int, asked: datetime, granted: datetime
) -> tuple[UnitId, ObligationId]:
    unit = plot.outlet(NANCHONG, place)
    owed = plot.owe(unit)
    plot.act(asked, RequestWaiver(obligation=owed, reason=reason("relocation")), post=head(unit))

    def decide(relief: str) -> Command:
        return GrantWaiver(
            obligation=owed, by=BY, waiver=WaiverId(relief), reason=reason("relocation")
        )

    plot.act(granted, asked_for(owed, decide), post=BY)
    return unit, owed


def waived_before(plot: Plot) -> None:
    """Waived before the due: out of the denominator, listed as exempt."""
    _, owed = _waiver(plot, 4, china(9, 3, 10), china(9, 4, 10))
    plot.case(
        "24",
        owed,
        "截止前获豁免：不计入应报，列为豁免",
        "Waived before the due: not in the denominator, listed as exempt",
        Expected(outcome="exempt", expectation="waived"),
    )


def waived_after(plot: Plot) -> None:
    """Waived after the due: the miss stands, excused."""
    unit, owed = _waiver(plot, 5, china(9, 8, 10), china(9, 9, 10))
    plot.case(
        "R5b",
        owed,
        "截止后才获豁免：未报成立，免责",
        "Waived after the due: the miss stands, excused",
        missed(Who("direct", "holder", plot.holder(head(unit))), excused=("waived_after_due",)),
    )


def granted_to_oneself(plot: Plot) -> None:
    """The head of the sub-branch grants the own institution's report more time: refused."""
    owed = plot.owe(unit_id(NANCHONG), "institution-monthly", "2026-08")
    granted = GrantExtension(
        obligation=owed, by=BY, due=china(9, 15, 18, 1), reason=reason("staff_shortage")
    )
    plot.act(china(9, 9, 10), granted, post=BY, may_be_refused=True)
    plot.case(
        "23",
        owed,
        "自己给自己延期：无效，未报成立",
        "An extension granted to oneself: refused, the miss stands",
        missed(Who("direct", "holder", plot.holder(BY))),
    )


CASES: Final[tuple[Tell, ...]] = (
    granted_before,
    granted_soon_after,
    refused_late,
    never_decided,
    granted_afterwards,
    waived_before,
    waived_after,
    granted_to_oneself,
)
