"""Powers that are lent, leave that is approved, and posts that are handed over."""

from typing import Any

import pytest

from ledger.decisions import organisation as do
from ledger.entry import Event
from ledger.errors import Conflict, Invalid, NotAllowed, NotFound, Refused
from ledger.events.duties import ObligationOpened
from ledger.vocabulary import Power, Sealed
from tests.deciding import NOW, Deciding, refused, vacate, with_changes
from tests.scenario import Scenario, wall


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
    refused(ledger, "ann", with_changes(accept, effective_from=None), Conflict, "expired")


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
    refused(ledger, "o-chief", with_changes(leave, by="O-head"), NotAllowed, "themselves")
    refused(ledger, "s2-chief", with_changes(leave, by="S2-head"), NotAllowed, "S-head")
    refused(ledger, "s-chief", with_changes(leave, person="ann"), NotAllowed, "administrator")
    ledger.person("s-chief", leave)
    refused(ledger, "s-chief", leave, Conflict, "already")

    assert ledger.history.organisation.on_leave("o-chief", wall(NOW))


def test_persons_are_registered_once_with_their_own_seals(ledger: Deciding) -> None:
    """An id is used once, and a value sealed for another person is refused."""
    again = do.RegisterPerson(person="ann", name=Sealed("0" * 64, "ann"))
    refused(ledger, "operator", again, Conflict, "registered already")
    other = do.RegisterPerson(person="new", name=Sealed("0" * 64, "ann"))
    refused(ledger, "operator", other, Invalid, "own key")
    refused(
        ledger,
        "s-chief",
        with_changes(again, person="x", name=Sealed("0", "x")),
        NotAllowed,
        "admin",
    )


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
    refused(
        ledger,
        "o-chief",
        with_changes(item, obligation="monthly.S.2026-03"),
        Invalid,
        "owed by post",
    )
    ledger.person("o-chief", item)
    refused(ledger, "o-chief", item, Conflict, "already")
    refused(ledger, "o-chief", sign, NotAllowed, "incoming")
    ledger.person("ann", with_changes(sign, items=()))

    (done,) = ledger.history.post("O-head").handovers
    assert done.items == ("monthly.O.2026-03",)


def _open(ledger: Deciding, obligation: str, post: str) -> None:
    """An obligation of a post, as the clock would open it."""
    story = Scenario().open(obligation, post=post)
    event = story.events[-1]
    assert isinstance(event.fact, ObligationOpened)
    place = len(ledger.events) + 1
    ledger.events.append(Event(event.fact, event.envelope, event.tags, place, ledger.now))
