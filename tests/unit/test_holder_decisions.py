"""Who may be put into a post, taken out of it, or fill it for a time, and who decides so."""

from typing import Any

import pytest

from ledger.decisions import organisation as do
from ledger.errors import Conflict, Invalid, NotAllowed
from ledger.model.organisation import Capacity
from ledger.vocabulary import Power
from tests.deciding import NOW, Deciding, refused, vacate, with_changes
from tests.scenario import wall


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
    defect = with_changes(command, as_data_defect=True)
    refused(ledger, "s-chief", defect, NotAllowed, "administrator")
    refused(ledger, "operator", with_changes(defect, person="o-chief"), Conflict, "already")
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
    ledger.operator(with_changes(before, effective_until=end))

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
    ledger.person("s-chief", with_changes(extend, effective_until=wall("2026-06-01 00:00")))
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
    (event,) = ledger.operator(with_changes(interim("ann", NOW, "2026-04-01 00:00"), by=None))

    assert event.fact.as_dict()["appointed_by"] == "S-head"
