"""Mistakes are annulled once, with a reason, unless something is built upon them."""

from ledger.decisions import organisation as do
from ledger.errors import Conflict, Invalid, NotAllowed
from ledger.vocabulary import Reason, Sealed
from tests.deciding import NOW, Deciding, refused, vacate, with_changes
from tests.scenario import wall


def test_a_mistake_is_annulled_once_with_a_reason(ledger: Deciding) -> None:
    """An annulment needs a reason and authority, and takes a fact out of every history."""
    vacate(ledger)
    (event,) = ledger.person("s-chief", do.AppointHolder(post="O-head", person="ann", by="S-head"))
    annul = do.annulment_of(event, Reason("wrong_person"))
    refused(ledger, "s2-chief", with_changes(annul, by="S2-head"), NotAllowed, "S-head")
    refused(ledger, "operator", with_changes(annul, reason=None), Invalid, "mistake")
    (annulled,) = ledger.person("s-chief", with_changes(annul, by="S-head"))
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
    unknown = with_changes(annul, annulled="00000000-0000-0000-0000-000000000000")

    refused(ledger, "operator", unknown, Conflict, "unknown")
    refused(ledger, "operator", with_changes(annul, annulled="x"), Conflict, "unknown")
    refused(
        ledger, "operator", with_changes(annul, annulled_type="ledger.created"), Invalid, "type"
    )
    refused(ledger, "operator", with_changes(annul, tags=()), Invalid, "tags")
