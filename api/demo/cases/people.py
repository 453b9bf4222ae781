"""Who answers: transfers, gaps, interims, delegations, leave (rulings 1 to 17)."""

from typing import Final

from api.demo.cases.plot import (
    BRANCH_HEAD,
    CHENGDU,
    LUZHOU,
    MIANYANG,
    Plot,
    Tell,
    Who,
    clerk,
    head,
    missed,
)
from api.demo.story import china
from ledger.decisions.organisation.acting import AppointActing
from ledger.decisions.organisation.delegations import AcceptDelegation, GrantDelegation
from ledger.decisions.organisation.holders import AppointHolder, SuspendHolder
from ledger.decisions.organisation.people import (
    CompleteHandover,
    DepartPerson,
    ListHandoverItem,
    RecordLeave,
)
from ledger.vocabulary import DelegationId, PersonId, Power, UnitId


def holder_at_due(plot: Plot) -> None:
    """Transferred the day after the due: the holder at the due answers, not the successor."""
    unit = plot.outlet(CHENGDU, 0)
    plot.transfer(
        head(unit),
        told=china(9, 4, 10),
        leaves=china(9, 8, 0),
        begins=china(9, 8, 0),
        by=head(CHENGDU),
    )
    plot.case(
        "1",
        plot.owe(unit),
        "截止次日才换人：由截止时在任者负责",
        "Replaced the day after the due: the holder at the due answers",
        missed(Who("direct", "holder", plot.holder(head(unit)))),
    )


def gap_at_due(plot: Plot) -> None:
    """A gap of twelve hours at the due: climb to the superior, note who left."""
    unit = plot.outlet(CHENGDU, 1)
    plot.transfer(
        head(unit),
        told=china(9, 3),
        leaves=china(9, 7, 12),
        begins=china(9, 8, 0),
        by=head(CHENGDU),
    )
    plot.case(
        "2",
        plot.owe(unit),
        "截止时岗位空缺十二小时：上溯一级",
        "The post was empty for twelve hours at the due: one hop up",
        missed(
            Who("direct", "vacancy", plot.holder(head(CHENGDU))),
            Who("noted", "left_the_post_empty", plot.holder(head(unit))),
        ),
    )


def _replaced_on_the_day(plot: Plot, unit: UnitId) -> PersonId:
    day = china(9, 7, 9)
    newcomer = plot.transfer(
        head(unit), told=china(9, 7, 8, 30), leaves=day, begins=day, by=head(CHENGDU)
    )
    assert newcomer is not None, "somebody was appointed"
    return newcomer


def appointed_on_the_day(plot: Plot) -> None:
    """Appointed on the due day, nothing handed over: who ordered the change answers."""
    unit = plot.outlet(CHENGDU, 2)
    newcomer = _replaced_on_the_day(plot, unit)
    plot.case(
        "3",
        plot.owe(unit),
        "截止当日换人且未交接：由下令者负责",
        "Replaced on the due day without a handover: who ordered it answers",
        missed(
            Who("direct", "ordered_the_change", plot.holder(head(CHENGDU))),
            Who("noted", "appointed_too_late", newcomer),
            Who("noted", "left_before_due", plot.holder(head(unit))),
        ),
    )


def handed_over(plot: Plot) -> None:
    """The same, but the obligation was listed and signed for: the newcomer answers."""
    unit = plot.outlet(CHENGDU, 3)
    newcomer, leaver = _replaced_on_the_day(plot, unit), plot.holder(head(unit))
    owed = plot.owe(unit)
    listed = ListHandoverItem(post=head(unit), obligation=owed, outgoing=leaver, incoming=newcomer)
    plot.act(china(9, 7, 8, 40), listed, person=leaver, post=head(unit))
    signed = CompleteHandover(post=head(unit), outgoing=leaver, incoming=newcomer, items=(owed,))
    plot.act(china(9, 7, 9, 30), signed, person=newcomer, post=head(unit))
    plot.case(
        "4",
        owed,
        "截止当日换人，交接清单已签收：由接任者负责",
        "Replaced on the due day, the handover signed: the successor answers",
        missed(Who("direct", "holder", newcomer)),
    )


def resigned_after(plot: Plot) -> None:
    """Resigned two days after the due: stays answerable."""
    unit = plot.outlet(CHENGDU, 4)
    person = plot.holder(head(unit))
    departed = DepartPerson(person=person, cause="resigned", effective_from=china(9, 10, 0))
    plot.act(china(9, 9), departed)
    plot.case(
        "5",
        plot.owe(unit),
        "截止后辞职：仍由其负责",
        "Resigned after the due: still answerable",
        missed(Who("direct", "holder", person)),
    )


def _on_leave(plot: Plot, unit: UnitId, *powers: Power, accepted: bool) -> PersonId:
    """The head is on leave, and offers the clerk some powers; gives the clerk."""
    absent, delegate = plot.holder(head(unit)), plot.holder(clerk(unit))
    until = china(9, 16, 0)
    leave = RecordLeave(
        person=absent, kind="annual", effective_from=china(9, 1, 0), effective_until=until,
        by=head(CHENGDU),
    )  # fmt: skip
    plot.act(china(8, 27), leave, post=head(CHENGDU))
    delegation = DelegationId(f"leave-{unit}")
    granted = GrantDelegation(
        post=head(unit),
        delegate=delegate,
        powers=powers,
        effective_from=china(9, 1, 0),
        effective_until=until,
        delegation=delegation,
    )
    plot.act(china(8, 28), granted, post=head(unit))
    if accepted:
        answer = AcceptDelegation(post=head(unit), delegation=delegation)
        plot.act(china(8, 28, 14), answer, post=clerk(unit))
    return delegate


def delegated(plot: Plot) -> None:
    """On leave, reporting delegated and accepted: the delegate answers."""
    unit = plot.outlet(CHENGDU, 5)
    delegate = _on_leave(plot, unit, Power.REPORTING, accepted=True)
    plot.case(
        "6",
        plot.owe(unit),
        "休假并已授权报送、对方已接受：由受托人负责",
        "On leave, reporting delegated and accepted: the delegate answers",
        missed(
            Who("direct", "delegation_on_leave", delegate),
            Who("retained", "principal", plot.holder(head(unit))),
        ),
    )


def offered_only(plot: Plot) -> None:
    """On leave, the delegation never accepted: the holder answers."""
    unit = plot.outlet(CHENGDU, 6)
    _on_leave(plot, unit, Power.REPORTING, accepted=False)
    plot.case(
        "7",
        plot.owe(unit),
        "授权未被接受：仍由本人负责",
        "The delegation was never accepted: the holder answers",
        missed(Who("direct", "holder", plot.holder(head(unit)))),
    )


def other_power(plot: Plot) -> None:
    """On leave, only approvals delegated: the holder answers."""
    unit = plot.outlet(CHENGDU, 7)
    _on_leave(plot, unit, Power.APPROVALS, accepted=True)
    plot.case(
        "8",
        plot.owe(unit),
        "只授权审批、未授权报送：仍由本人负责",
        "Only approvals were delegated: the holder answers",
        missed(Who("direct", "holder", plot.holder(head(unit)))),
    )


def interim(plot: Plot) -> None:
    """An interim head: direct, and who appointed them carries management responsibility."""
    unit, by = plot.outlet(CHENGDU, 8), head(CHENGDU)
    begins, deputy = china(8, 20, 0), plot.holder(clerk(unit))
    plot.transfer(head(unit), told=china(8, 18), leaves=begins, by=by)
    acting = AppointActing(
        post=head(unit), person=deputy, effective_from=begins, effective_until=china(12, 31), by=by
    )
    plot.act(china(8, 18, 10), acting, post=by)
    plot.case(
        "11",
        plot.owe(unit),
        "临时负责人任内未报：直接责任在其本人，任命者负管理责任",
        "An interim head failed: direct, with management responsibility of the appointer",
        missed(
            Who("direct", "acting", deputy),
            Who("management", "appointed_acting", plot.holder(by)),
        ),
    )


def interim_overdue(plot: Plot) -> None:
    """Interim for seven months: the authority lapsed after six, so climb."""
    unit, by = plot.outlet(CHENGDU, 9), head(CHENGDU)
    begins, deputy = china(2, 3, 0), plot.holder(clerk(unit))
    plot.transfer(head(unit), told=china(2, 2), leaves=begins, by=by)
    acting = AppointActing(
        post=head(unit), person=deputy, effective_from=begins, effective_until=china(12, 31), by=by
    )
    plot.act(china(2, 2, 10), acting)
    superior = plot.holder(by)
    plot.case(
        "12",
        plot.owe(unit),
        "超期代理（逾六个月）：代理权失效，上溯",
        "Interim beyond six months: the authority lapsed, so climb",
        missed(
            Who("direct", "vacancy", superior),
            Who("noted", "left_the_post_empty", plot.holder(head(unit))),
            Who("management", "long_vacancy", superior),
            marks=("acting_overdue", "long_vacancy"),
        ),
    )


def two_levels_up(plot: Plot) -> None:
    """Nobody at the outlet for months, nobody at the sub-branch for a week: the branch answers."""
    unit = plot.outlet(LUZHOU, 0)
    plot.transfer(head(unit), told=china(6, 30), leaves=china(7, 1, 0), by=head(LUZHOU))
    plot.transfer(
        head(LUZHOU), told=china(8, 28), leaves=china(8, 31, 0), begins=china(9, 14, 0),
        by=BRANCH_HEAD,
    )  # fmt: skip
    branch = plot.holder(BRANCH_HEAD)
    plot.case(
        "R7",
        plot.owe(unit),
        "网点与三级机构负责人同时空缺：上溯两级至分公司负责人",
        "Outlet and sub-branch both without a head: two hops up, to the head of the branch",
        missed(
            Who("direct", "vacancy", branch),
            Who("noted", "left_the_post_empty", plot.holder(head(unit))),
            Who("management", "long_vacancy", branch),
            marks=("long_vacancy",),
        ),
    )


def suspended(plot: Plot) -> None:
    """The holder is suspended and nobody acts: climb."""
    unit = plot.outlet(LUZHOU, 9)
    person = plot.holder(head(unit))
    suspend = SuspendHolder(
        post=head(unit), person=person, effective_from=china(8, 12, 0), by=head(LUZHOU)
    )
    plot.act(china(8, 11, 16), suspend, post=head(LUZHOU))
    plot.case(
        "R7b",
        plot.owe(unit, period="2026W33"),
        "负责人停职且无人代理：上溯一级",
        "The head was suspended and nobody acted: one hop up",
        missed(Who("direct", "vacancy", plot.holder(head(LUZHOU)))),
    )


def two_believed(plot: Plot) -> None:
    """Two appointments overlap: a defect of the data, for the appointer to correct."""
    unit, by = plot.outlet(MIANYANG, 0), head(MIANYANG)
    appoint = AppointHolder(
        post=head(unit),
        person=plot.network.new_person(),
        effective_from=china(9, 1, 0),
        by=by,
        as_data_defect=True,
    )
    plot.act(china(9, 1), appoint)
    plot.case(
        "15",
        plot.owe(unit),
        "同一岗位两人任命重叠：数据缺陷，由任命者更正",
        "Two overlapping appointments: a data defect, for the appointer to correct",
        missed(
            Who("management", "overlapping_appointments", plot.holder(by)), marks=("data_defect",)
        ),
    )


def died(plot: Plot) -> None:
    """The head died three days before the due: excused, and no climb for some days."""
    unit = plot.outlet(MIANYANG, 1)
    person = plot.holder(head(unit))
    died_at = china(9, 4, 3)
    plot.act(china(9, 4, 11), DepartPerson(person=person, cause="died", effective_from=died_at))
    plot.case(
        "17",
        plot.owe(unit),
        "负责人于截止前三日去世：免责，暂不上溯",
        "The head died three days before the due: excused, no climb yet",
        missed(Who("noted", "died", person), excused=("incapacitated",), marks=("incapacitated",)),
    )


CASES: Final[tuple[Tell, ...]] = (
    holder_at_due,
    gap_at_due,
    appointed_on_the_day,
    handed_over,
    resigned_after,
    delegated,
    offered_only,
    other_power,
    interim,
    interim_overdue,
    two_levels_up,
    suspended,
    two_believed,
    died,
)
