"""What may be decided about the organisation, by whom, and what every refusal says."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from ledger.decisions import organisation as do
from ledger.decisions.command import Command
from ledger.entry import Event
from ledger.errors import Conflict, Invalid, NotAllowed, NotFound, Refused
from ledger.events.duties import ObligationOpened
from ledger.model.organisation import Capacity
from ledger.vocabulary import Level, Power, Reason, Sealed, UnitKind
from tests.deciding import Deciding
from tests.scenario import Scenario, wall

NOW = "2026-03-02 09:00"
LEVELS = {
    "HQ": (Level.HEADQUARTERS, None),
    "R": (Level.REGION, "HQ"),
    "B": (Level.BRANCH, "R"),
    "S": (Level.SUB_BRANCH, "B"),
    "S2": (Level.SUB_BRANCH, "B"),
    "O": (Level.OUTLET, "S"),
}


@pytest.fixture
def ledger() -> Deciding:
    """A line from headquarters to the outlet O, a chief in every head post, and people to spare."""
    found = Deciding(wall("2020-01-01 00:00"))
    for person in ("ann", "bob", "eve", *(f"{unit.lower()}-chief" for unit in LEVELS)):
        found.operator(do.RegisterPerson(person=person, name=Sealed("0" * 64, person)))
    for unit, (level, parent) in LEVELS.items():
        found.operator(
            do.EstablishUnit(unit=unit, level=level, name_zh=unit, name_en=unit, parent=parent)
        )
        found.operator(
            do.EstablishPost(
                post=f"{unit}-head", unit=unit, role="head", title_zh="负责人", title_en="Head"
            )
        )
        found.operator(do.AppointHolder(post=f"{unit}-head", person=f"{unit.lower()}-chief"))
    found.now = wall(NOW)
    return found


def vacate(ledger: Deciding, unit: str = "O", at: str = NOW) -> None:
    """Nobody holds the head post of the unit from then on."""
    chief = f"{unit.lower()}-chief"
    ledger.operator(do.RelieveHolder(post=f"{unit}-head", person=chief, effective_from=wall(at)))


def refused(
    ledger: Deciding, who: str, command: Command, error: type[Refused], says: str
) -> Refused:
    """The command is refused to the person (or the operator), in these words."""
    with pytest.raises(error, match=says) as caught:
        _ = ledger.operator(command) if who == "operator" else ledger.person(who, command)
    return caught.value


# --- validation ---------------------------------------------------------------------------------


def test_all_bad_fields_are_named(ledger: Deciding) -> None:
    """A malformed command names every field that is wrong, each with what to do."""
    command = do.EstablishUnit(
        unit="a b",
        level=Level.OUTLET,
        name_zh="",
        name_en="x\n",
        zone="Mars/Base",
        effective_from=datetime(2026, 1, 1),  # noqa: DTZ001  (the missing offset is the point)
        reason=Reason("No!"),
    )
    error = refused(ledger, "operator", command, Invalid, "effective_from")
    assert isinstance(error, Invalid)

    assert [one.field for one in error.fields] == [
        "effective_from",
        "reason.code",
        "unit",
        "name_zh",
        "name_en",
        "zone",
        "parent",
    ]


@pytest.mark.parametrize("year", [1900, 9000])
def test_dates_out_of_reason_are_refused(ledger: Deciding, year: int) -> None:
    """A date before the company's world, or far ahead, is refused, not computed with."""
    at = wall(f"{year}-01-01 00:00")
    until = at + timedelta(days=1)
    appoint = do.AppointActing(
        post="O-head", person="ann", effective_from=at, effective_until=until, by="S-head"
    )

    refused(ledger, "s-chief", appoint, Invalid, "effective_from.*effective_until")
    refused(ledger, "operator", do.CloseUnit(unit="O", effective_from=at), Invalid, "effective")


@pytest.mark.parametrize(
    "command",
    [
        do.CloseUnit(unit="nowhere"),
        do.ReparentUnit(unit="O", parent="nowhere"),
        do.MergeUnit(unit="O", into="nowhere"),
        do.AppointHolder(post="nowhere", person="ann"),
        do.AppointHolder(post="O-head", person="nobody", effective_from=wall("2030-01-01 00:00")),
        do.EstablishPost(post="x", unit="nowhere", role="clerk", title_zh="x", title_en="x"),
        do.ChangeSuperior(post="O-head", superior="nowhere"),
        do.RecordLeave(person="nobody", kind="annual", effective_until=wall("2026-05-01 00:00")),
        do.AcceptDelegation(delegation="d", post="O-head"),
        do.DepartPerson(person="nobody", cause="resigned"),
    ],
)
def test_what_does_not_exist_is_not_found(ledger: Deciding, command: Command) -> None:
    """A reference to nothing is refused with the identifier to check."""
    if isinstance(command, do.AppointHolder) and command.post == "O-head":
        vacate(ledger)
    refused(ledger, "operator", command, NotFound, "no")


# --- units -------------------------------------------------------------------------------------


def test_units_are_established_by_who_leads_above(ledger: Deciding) -> None:
    """The head of the parent establishes a unit; the head of another branch does not."""
    command = do.EstablishUnit(
        unit="O2", level=Level.OUTLET, name_zh="二", name_en="Two", parent="S", by="S-head"
    )
    refused(ledger, "s2-chief", command, NotAllowed, "not effective in post 'S-head'")
    refused(ledger, "s2-chief", _with(command, by="S2-head"), NotAllowed, "ask post 'B-head'")
    refused(ledger, "s-chief", _with(command, by=None), NotAllowed, "say in `by`")
    ledger.person("s-chief", command)

    refused(ledger, "s-chief", command, Conflict, "exists already")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"parent": "O"}, "no level above"),
        ({"level": Level.SUB_BRANCH}, "no level above"),
        ({"parent": "T"}, "support unit"),
        ({"parent": None}, "only the headquarters"),
        ({"effective_from": wall("2019-01-01 00:00")}, "does not exist then"),
    ],
)
def test_a_unit_needs_a_parent_that_can_carry_it(
    ledger: Deciding, changes: dict[str, Any], says: str
) -> None:
    """A parent stands a level higher, on the line, and exists by then."""
    support = do.EstablishUnit(
        unit="T",
        level=Level.BRANCH,
        name_zh="支持",
        name_en="Support",
        parent="B",
        kind=UnitKind.SUPPORT,
    )
    ledger.operator(support)
    command = do.EstablishUnit(
        unit="O2", level=Level.OUTLET, name_zh="二", name_en="Two", parent="S"
    )

    refused(ledger, "operator", _with(command, **changes), Invalid, says)


def test_a_move_makes_no_circle_now_or_later(ledger: Deciding) -> None:
    """A support unit cannot be put below itself, not even by way of a move that is yet to come."""
    for unit, parent in (("T1", "B"), ("T2", "B")):
        ledger.operator(
            do.EstablishUnit(
                unit=unit,
                level=Level.BRANCH,
                name_zh=unit,
                name_en=unit,
                parent=parent,
                kind=UnitKind.SUPPORT,
            )
        )
    later = wall("2026-06-01 00:00")
    ledger.operator(do.ReparentUnit(unit="T1", parent="T2", effective_from=later))

    refused(ledger, "operator", do.ReparentUnit(unit="T2", parent="T1"), Invalid, "below")
    refused(ledger, "operator", do.ReparentUnit(unit="T2", parent="T2"), Invalid, "below")
    refused(ledger, "operator", do.ReparentUnit(unit="HQ", parent="R"), Invalid, "headquarters")
    refused(ledger, "operator", do.ReparentUnit(unit="O", parent="S"), Conflict, "already")


def test_a_move_needs_authority_over_both_places(ledger: Deciding) -> None:
    """Who leads above the old and the new parent moves a unit; one of the two is not enough."""
    move = do.ReparentUnit(unit="O", parent="S2", by="S-head")
    refused(ledger, "s-chief", move, NotAllowed, "B-head")
    ledger.person("b-chief", _with(move, by="B-head"))

    assert ledger.history.organisation.parent("O", wall(NOW)) == "S2"


def test_the_life_of_a_unit_follows_an_order(ledger: Deciding) -> None:
    """Only what works is suspended, only what is suspended resumes, only what is closed reopens."""
    refused(ledger, "operator", do.ResumeUnit(unit="O"), Conflict, "not suspended")
    refused(ledger, "operator", do.ReopenUnit(unit="O"), Conflict, "not closed")
    ledger.operator(do.SuspendUnit(unit="O"))
    refused(ledger, "operator", do.SuspendUnit(unit="O"), Conflict, "does not work")
    ledger.operator(do.ResumeUnit(unit="O"))
    ledger.operator(do.CloseUnit(unit="O"))
    refused(ledger, "operator", do.CloseUnit(unit="O"), Conflict, "does not exist")
    refused(ledger, "operator", do.RenameUnit(unit="O", name_zh="x", name_en="x"), Conflict, "not")
    ledger.operator(do.ReopenUnit(unit="O"))

    assert ledger.history.organisation.is_working("O", wall(NOW))


def test_support_is_given_by_support_units(ledger: Deciding) -> None:
    """A line unit supports nobody; a support unit is attached once and detached once."""
    support = do.EstablishUnit(
        unit="T",
        level=Level.BRANCH,
        name_zh="支持",
        name_en="Support",
        parent="B",
        kind=UnitKind.SUPPORT,
    )
    ledger.operator(support)
    attach, detach = (
        do.AttachSupport(unit="O", supporter="T"),
        do.DetachSupport(unit="O", supporter="T"),
    )
    refused(ledger, "operator", do.AttachSupport(unit="O", supporter="S"), Invalid, "no support")
    refused(ledger, "operator", detach, Conflict, "does not support")
    ledger.person("s-chief", _with(attach, by="S-head"))
    refused(ledger, "operator", attach, Conflict, "already")
    ledger.operator(detach)

    assert ledger.history.organisation.supports("O", wall(NOW)) == []


def test_a_merger_names_an_absorber_of_its_kind(ledger: Deciding) -> None:
    """A unit merges into another one that exists; the duties listed must exist."""
    refused(ledger, "operator", do.MergeUnit(unit="S", into="S"), Invalid, "another unit")
    refused(
        ledger, "operator", do.MergeUnit(unit="S", into="S2", duties=("x",)), NotFound, "duty 'x'"
    )
    ledger.person("b-chief", do.MergeUnit(unit="S", into="S2", by="B-head"))

    assert not ledger.history.organisation.is_alive("S", wall(NOW))


# --- posts -------------------------------------------------------------------------------------


def test_a_unit_has_one_head_post(ledger: Deciding) -> None:
    """A second head post is refused until the first is abolished, and that until it is empty."""
    second = do.EstablishPost(
        post="O-head2", unit="O", role="head", title_zh="负责人", title_en="Head", by="S-head"
    )
    refused(ledger, "s-chief", second, Conflict, "has the head post 'O-head'")
    abolish = do.AbolishPost(post="O-head", by="S-head")
    refused(ledger, "s-chief", abolish, Conflict, "relieve its holder")
    vacate(ledger)
    ledger.person("s-chief", abolish)
    ledger.person("s-chief", second)

    assert ledger.history.organisation.head_post("O", wall(NOW)) == "O-head2"


def test_a_head_establishes_the_other_posts_of_its_unit(ledger: Deciding) -> None:
    """The head of a unit adds clerks to it, and not its own successor."""
    clerk = do.EstablishPost(
        post="clerk", unit="O", role="clerk", title_zh="员", title_en="Clerk", by="O-head"
    )
    ledger.person("o-chief", clerk)
    head = _with(clerk, post="O2", role="head")

    refused(ledger, "o-chief", head, NotAllowed, "no authority")


def test_the_line_runs_in_no_circle(ledger: Deciding) -> None:
    """Nobody answers to whom they lead, and nobody to a support unit."""
    ledger.operator(
        do.EstablishUnit(
            unit="T",
            level=Level.BRANCH,
            name_zh="支持",
            name_en="Support",
            parent="B",
            kind=UnitKind.SUPPORT,
        )
    )
    ledger.operator(
        do.EstablishPost(post="T-head", unit="T", role="head", title_zh="头", title_en="Head")
    )

    def change(post: str, superior: str) -> do.ChangeSuperior:
        return do.ChangeSuperior(post=post, superior=superior)

    refused(ledger, "operator", change("B-head", "O-head"), Invalid, "below")
    refused(ledger, "operator", change("O-head", "O-head"), Invalid, "below")
    refused(ledger, "operator", change("O-head", "T-head"), Invalid, "support unit")
    ledger.operator(change("O-head", "R-head"))
    refused(ledger, "s-chief", do.ChangeSuperior(post="O-head", by="S-head"), NotAllowed, "R-head")


# --- holders -----------------------------------------------------------------------------------


def test_the_line_appoints_and_the_fact_says_who(ledger: Deciding) -> None:
    """Somebody above appoints; the fact names the post and the person that did."""
    vacate(ledger)
    command = do.AppointHolder(post="O-head", person="ann", by="B-head")
    ledger.person("b-chief", command)
    (one,) = ledger.history.organisation.holders("O-head", wall(NOW))

    assert (one.appointment.appointed_by, one.appointment.appointed_by_person) == (
        "B-head",
        "b-chief",
    )


@pytest.mark.parametrize(
    ("who", "by", "says"),
    [
        ("s2-chief", "S2-head", "ask post 'S-head'"),
        ("ann", "O-head", "ask post 'S-head'"),
        ("ann", "S-head", "not effective"),
        ("ann", None, "say in `by`"),
    ],
)
def test_others_do_not_appoint(ledger: Deciding, who: str, by: str | None, says: str) -> None:
    """Neither a neighbour, nor the post itself, nor somebody who only claims a post above."""
    vacate(ledger)
    command = do.AppointHolder(post="O-head", person="bob", by=by)

    refused(ledger, who, command, NotAllowed, says)


def test_who_left_the_company_appoints_nobody(ledger: Deciding) -> None:
    """A departure ends the authority of the post above, and the decision reads it."""
    vacate(ledger)
    ledger.operator(do.DepartPerson(person="s-chief", cause="resigned"))
    command = do.AppointHolder(post="O-head", person="ann", by="S-head")

    refused(ledger, "s-chief", command, NotAllowed, "not effective")


def test_nobody_appoints_themselves(ledger: Deciding) -> None:
    """Who may appoint may not choose themselves (ruling 23)."""
    vacate(ledger)

    for command in (
        do.AppointHolder(post="O-head", person="s-chief", by="S-head"),
        do.AppointActing(
            post="O-head",
            person="s-chief",
            by="S-head",
            effective_until=wall("2026-04-01 00:00"),
        ),
    ):
        refused(ledger, "s-chief", command, NotAllowed, "themselves")


def test_overlaps_are_refused_or_recorded_as_defects(ledger: Deciding) -> None:
    """Two holders at one time are refused; an operator may record that there were (ruling 15)."""
    command = do.AppointHolder(post="O-head", person="ann", by="S-head")
    refused(ledger, "s-chief", command, Conflict, "'o-chief' holds post")
    defect = _with(command, as_data_defect=True)
    refused(ledger, "s-chief", defect, NotAllowed, "administrator")
    refused(ledger, "operator", _with(defect, person="o-chief"), Conflict, "already")
    ledger.operator(defect)

    effective = ledger.history.organisation.effective("O-head", wall(NOW))
    assert effective.capacity is Capacity.DISPUTED


def test_an_appointment_before_another_must_end_in_time(ledger: Deciding) -> None:
    """A tenure recorded late fits in before the next one, or is refused with the date."""
    vacate(ledger, at="2026-01-01 00:00")
    start, end = wall("2026-01-01 00:00"), wall("2026-02-01 00:00")
    ledger.operator(do.AppointHolder(post="O-head", person="ann", effective_from=end))
    before = do.AppointHolder(post="O-head", person="bob", effective_from=start)
    refused(ledger, "operator", before, Conflict, "2026-02-01")
    ledger.operator(_with(before, effective_until=end))

    people = [one.person for one in ledger.history.organisation.tenures("O-head")]
    assert people == ["o-chief", "bob", "ann"]


def test_only_a_holder_is_relieved_suspended_and_reinstated(ledger: Deciding) -> None:
    """Each act needs the state before it."""
    holder: dict[str, Any] = {"post": "O-head", "person": "o-chief", "by": "S-head"}
    refused(ledger, "s-chief", do.ReinstateHolder(**holder), Conflict, "not suspended")
    ledger.person("s-chief", do.SuspendHolder(**holder))
    refused(ledger, "s-chief", do.SuspendHolder(**holder), Conflict, "suspended already")
    refused(
        ledger,
        "o-chief",
        do.GrantDelegation(
            post="O-head",
            delegate="ann",
            powers=(Power.REPORTING,),
            effective_until=wall("2026-03-20 00:00"),
        ),
        Conflict,
        "nobody exercises",
    )
    ledger.person("s-chief", do.ReinstateHolder(**holder))
    ledger.person("s-chief", do.RelieveHolder(**holder, cause="promoted"))
    refused(ledger, "s-chief", do.RelieveHolder(**holder), Conflict, "does not hold")
    refused(
        ledger,
        "s-chief",
        do.RelieveHolder(**holder, cause="Because!"),
        Invalid,
        "cause",
    )


def test_who_left_is_not_appointed(ledger: Deciding) -> None:
    """A person who has left the company by then takes no post."""
    vacate(ledger)
    ledger.operator(do.DepartPerson(person="ann", cause="retired"))

    command = do.AppointHolder(post="O-head", person="ann")
    refused(ledger, "operator", command, Conflict, "left the company")
    refused(ledger, "operator", do.DepartPerson(person="ann", cause="died"), Conflict, "already")
    refused(ledger, "operator", do.DepartPerson(person="bob", cause="bored"), Invalid, "cause")


# --- interim -----------------------------------------------------------------------------------


def interim(person: str, start: str, until: str) -> do.AppointActing:
    """The sub-branch puts somebody in the outlet's head post for a time."""
    return do.AppointActing(
        post="O-head",
        person=person,
        by="S-head",
        effective_from=wall(start),
        effective_until=wall(until),
    )


def test_an_interim_fills_a_vacancy_within_the_ceiling(ledger: Deciding) -> None:
    """Six months in one vacancy with one replacement, extensions included (ruling 12)."""
    vacate(ledger)
    refused(ledger, "s-chief", interim("ann", NOW, "2026-09-02 09:01"), Invalid, "6 months at most")
    ledger.person("s-chief", interim("ann", NOW, "2026-05-01 00:00"))
    extend = do.ExtendActing(
        post="O-head", person="ann", by="S-head", effective_until=wall("2026-10-01 00:00")
    )
    refused(ledger, "s-chief", extend, Invalid, "6 months at most")
    ledger.person("s-chief", _with(extend, effective_until=wall("2026-06-01 00:00")))
    ledger.person("s-chief", interim("bob", "2026-06-01 00:00", "2026-07-01 00:00"))
    third = interim("eve", "2026-07-01 00:00", "2026-07-10 00:00")
    refused(ledger, "s-chief", third, Invalid, "1 replacement")
    ledger.operator(third)

    effective = ledger.history.organisation.effective("O-head", wall("2026-07-05 00:00"))
    assert effective.lapsed is not None


def test_an_interim_needs_a_vacancy(ledger: Deciding) -> None:
    """A filled post has no interim; two interims never overlap."""
    command = interim("ann", NOW, "2026-04-01 00:00")
    refused(ledger, "s-chief", command, Conflict, "has a holder")
    vacate(ledger)
    ledger.person("s-chief", command)
    refused(ledger, "s-chief", interim("bob", NOW, "2026-04-01 00:00"), Conflict, "filled then")
    end = do.EndActing(post="O-head", person="ann", by="S-head")
    ledger.person("s-chief", end)
    refused(ledger, "s-chief", end, Conflict, "does not act")


def test_an_operators_interim_names_the_post_above(ledger: Deciding) -> None:
    """Where the operator names nobody, the post above is the one that appointed."""
    vacate(ledger)
    (event,) = ledger.operator(_with(interim("ann", NOW, "2026-04-01 00:00"), by=None))

    assert event.fact.as_dict()["appointed_by"] == "S-head"


# --- delegations -------------------------------------------------------------------------------


def grant(**changes: Any) -> do.GrantDelegation:
    """The outlet's head lends the power of reporting to ann until 20 March."""
    fields: dict[str, Any] = {
        "post": "O-head",
        "delegate": "ann",
        "powers": (Power.REPORTING,),
        "effective_until": wall("2026-03-20 00:00"),
        "delegation": "d1",
        **changes,
    }
    return do.GrantDelegation(**fields)


def test_a_delegation_is_offered_accepted_and_revoked(ledger: Deciding) -> None:
    """The principal offers, the delegate alone accepts, the principal takes back."""
    answer: dict[str, Any] = {"delegation": "d1", "post": "O-head"}
    ledger.person("o-chief", grant())
    refused(ledger, "bob", do.AcceptDelegation(**answer), NotAllowed, "only the delegate")
    ledger.person("ann", do.AcceptDelegation(**answer))
    refused(ledger, "ann", do.AcceptDelegation(**answer), Conflict, "accepted already")
    refused(ledger, "ann", do.DeclineDelegation(**answer), Conflict, "principal revokes")
    found = ledger.history.organisation.delegate("O-head", wall(NOW), Power.REPORTING)
    refused(ledger, "bob", do.RevokeDelegation(**answer), NotAllowed, "say in `by`")
    ledger.person("o-chief", do.RevokeDelegation(**answer))

    assert found is not None
    assert not ledger.history.organisation.delegate("O-head", wall(NOW), Power.REPORTING)
    refused(ledger, "o-chief", do.RevokeDelegation(**answer), Conflict, "before")


def test_an_acceptance_is_never_dated_back(ledger: Deciding) -> None:
    """A delegate cannot take responsibility for what has already happened, nor too late."""
    ledger.person("o-chief", grant())
    accept = do.AcceptDelegation(
        delegation="d1", post="O-head", effective_from=wall("2026-03-01 00:00")
    )
    refused(ledger, "ann", accept, Invalid, "counts from when")
    ledger.now = wall("2026-03-20 00:00")
    refused(ledger, "ann", _with(accept, effective_from=None), Conflict, "expired")


@pytest.mark.parametrize(
    ("who", "changes", "error", "says"),
    [
        ("s-chief", {}, NotAllowed, "only whoever is effective"),
        ("o-chief", {"delegate": "o-chief"}, Invalid, "themselves"),
        ("o-chief", {"powers": ()}, Invalid, "powers"),
        ("o-chief", {"effective_until": wall("2026-04-02 09:00")}, Invalid, "30 days"),
        ("o-chief", {"effective_until": wall("2026-03-01 09:00")}, Invalid, "after the beginning"),
        ("o-chief", {"delegate": "stranger"}, NotFound, "stranger"),
        ("operator", {"post": "S-head", "delegate": "s-chief"}, Invalid, "themselves"),
    ],
)
def test_delegations_that_are_refused(
    ledger: Deciding, who: str, changes: dict[str, Any], error: type[Refused], says: str
) -> None:
    """Others' powers, one's own person, no power, no end in sight, and strangers."""
    refused(ledger, who, grant(**changes), error, says)


def test_powers_are_lent_once_and_not_lent_on(ledger: Deciding) -> None:
    """The delegate may not delegate, nor is one power lent to two at one time."""
    ledger.person("o-chief", grant())
    ledger.person("ann", do.AcceptDelegation(delegation="d1", post="O-head"))
    refused(ledger, "ann", grant(delegation="d2", delegate="bob"), NotAllowed, "lend them on")
    refused(ledger, "o-chief", grant(delegation="d2", delegate="bob"), Conflict, "'d1' covers")
    refused(ledger, "o-chief", grant(powers=(Power.RELIEF,)), Conflict, "another id")
    ledger.person("o-chief", grant(delegation="d2", powers=(Power.RELIEF,), delegate="bob"))


def test_a_delegate_for_approvals_acts_for_the_post(ledger: Deciding) -> None:
    """Who was lent approvals appoints for the post; who was lent reporting does not."""
    vacate(ledger)
    until = wall("2026-03-20 00:00")
    for delegation, delegate, power in (
        ("d1", "ann", Power.APPROVALS),
        ("d2", "bob", Power.RELIEF),
    ):
        offer = do.GrantDelegation(
            post="S-head",
            delegate=delegate,
            powers=(power,),
            effective_until=until,
            delegation=delegation,
        )
        ledger.person("s-chief", offer)
        ledger.person(delegate, do.AcceptDelegation(delegation=delegation, post="S-head"))
    command = do.AppointHolder(post="O-head", person="eve", by="S-head")

    refused(ledger, "bob", command, NotAllowed, "delegate for approvals")
    ledger.person("ann", command)


# --- people and handovers ------------------------------------------------------------------------


def test_leave_is_approved_from_above(ledger: Deciding) -> None:
    """A superior approves, not the person, nor twice for the same days."""
    leave = do.RecordLeave(
        person="o-chief", kind="annual", effective_until=wall("2026-03-09 00:00"), by="S-head"
    )
    refused(ledger, "o-chief", _with(leave, by="O-head"), NotAllowed, "themselves")
    refused(ledger, "s2-chief", _with(leave, by="S2-head"), NotAllowed, "S-head")
    refused(ledger, "s-chief", _with(leave, person="ann"), NotAllowed, "administrator")
    ledger.person("s-chief", leave)
    refused(ledger, "s-chief", leave, Conflict, "already")

    assert ledger.history.organisation.on_leave("o-chief", wall(NOW))


def test_persons_are_registered_once_with_their_own_seals(ledger: Deciding) -> None:
    """An id is used once, and a value sealed for another person is refused."""
    again = do.RegisterPerson(person="ann", name=Sealed("0" * 64, "ann"))
    refused(ledger, "operator", again, Conflict, "registered already")
    other = do.RegisterPerson(person="new", name=Sealed("0" * 64, "ann"))
    refused(ledger, "operator", other, Invalid, "own key")
    refused(ledger, "s-chief", _with(again, person="x", name=Sealed("0", "x")), NotAllowed, "admin")


def test_a_handover_lists_what_the_post_owes_and_is_signed(ledger: Deciding) -> None:
    """Outgoing lists, incoming signs for what is listed; others do neither (ruling 4)."""
    _open(ledger, "monthly.O.2026-03", "O-head")
    _open(ledger, "monthly.S.2026-03", "S-head")
    vacate(ledger)
    ledger.operator(do.AppointHolder(post="O-head", person="ann"))
    people = {"post": "O-head", "outgoing": "o-chief", "incoming": "ann"}
    item = do.ListHandoverItem(obligation="monthly.O.2026-03", **people)
    sign = do.CompleteHandover(items=("monthly.O.2026-03",), **people)
    refused(ledger, "ann", sign, Invalid, "not on the list")
    refused(ledger, "ann", item, NotAllowed, "say in `by`")
    refused(ledger, "o-chief", _with(item, obligation="monthly.S.2026-03"), Invalid, "owed by post")
    ledger.person("o-chief", item)
    refused(ledger, "o-chief", item, Conflict, "already")
    refused(ledger, "o-chief", sign, NotAllowed, "incoming")
    ledger.person("ann", _with(sign, items=()))

    (done,) = ledger.history.post("O-head").handovers
    assert done.items == ("monthly.O.2026-03",)


# --- annulment -----------------------------------------------------------------------------------


def test_a_mistake_is_annulled_once_with_a_reason(ledger: Deciding) -> None:
    """An annulment needs a reason and authority, and takes a fact out of every history."""
    vacate(ledger)
    (event,) = ledger.person("s-chief", do.AppointHolder(post="O-head", person="ann", by="S-head"))
    annul = do.annulment_of(event, Reason("wrong_person"))
    refused(ledger, "s2-chief", _with(annul, by="S2-head"), NotAllowed, "S-head")
    refused(ledger, "operator", _with(annul, reason=None), Invalid, "mistake")
    (annulled,) = ledger.person("s-chief", _with(annul, by="S-head"))
    refused(ledger, "operator", annul, Conflict, "annulled already")

    assert annulled.tags == event.tags
    assert ledger.history.organisation.holders("O-head", wall(NOW)) == ()


def test_an_annulled_relief_restores_the_holder(ledger: Deciding) -> None:
    """Annulling the end of a tenure lets it go on."""
    vacate(ledger)
    ledger.operator(do.annulment_of(ledger.events[-1], Reason("mistake")))

    assert ledger.history.organisation.effective("O-head", wall(NOW)).person == "o-chief"


def test_what_is_built_upon_is_not_annulled(ledger: Deciding) -> None:
    """A unit, post or person with later facts stays until those are annulled."""
    for topic, key in (("unit.established", "O"), ("post.established", "O-head"),
                       ("person.registered", "o-chief")):  # fmt: skip
        event = next(
            one for one in ledger.events if one.type == topic and key in one.fact.as_dict().values()
        )
        refused(ledger, "operator", do.annulment_of(event, Reason("x")), Conflict, "build upon")
    spare = next(
        one
        for one in ledger.events
        if one.type == "person.registered" and one.fact.as_dict()["person"] == "eve"
    )
    ledger.operator(do.annulment_of(spare, Reason("mistake")))
    ledger.operator(do.RegisterPerson(person="eve", name=Sealed("1" * 64, "eve")))


def test_unknown_facts_and_types_are_not_annulled(ledger: Deciding) -> None:
    """What no dossier knows, and what no dossier is made of, is refused."""
    event = ledger.events[-1]
    annul = do.annulment_of(event, Reason("x"))
    unknown = _with(annul, annulled="00000000-0000-0000-0000-000000000000")

    refused(ledger, "operator", unknown, Conflict, "unknown")
    refused(ledger, "operator", _with(annul, annulled="x"), Conflict, "unknown")
    refused(ledger, "operator", _with(annul, annulled_type="ledger.created"), Invalid, "type")
    refused(ledger, "operator", _with(annul, tags=()), Invalid, "tags")


def _with(command: Any, **changes: Any) -> Any:
    fields = {name: getattr(command, name) for name in command.__struct_fields__}
    return type(command)(**{**fields, **changes})


def _open(ledger: Deciding, obligation: str, post: str) -> None:
    """An obligation of a post, as the clock would open it."""
    story = Scenario().open(obligation, post=post)
    event = story.events[-1]
    assert isinstance(event.fact, ObligationOpened)
    place = len(ledger.events) + 1
    ledger.events.append(Event(event.fact, event.envelope, event.tags, place, ledger.now))
