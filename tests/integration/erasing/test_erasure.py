"""Erasing a person: in every order of events, nothing opens or finds what was sealed.

Read next: `test_erasure_interrupted.py`, `test_nothing_left.py`, `test_what_is_kept.py`.
"""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg import errors, sql

from api.importing.people import People
from ledger.database import Role, connect_as_login
from ledger.entry import Context
from ledger.errors import DatabaseUnreachable, Invalid, NotAllowed, NotFound
from ledger.founding import found_ledger
from ledger.identifiers import new_fact_id
from ledger.personal_keys import PersonalKeys, PersonErased
from ledger.sealed import Mark, SealedStore
from ledger.vocabulary import Actor, Via
from tests.erasing import NAME, NUMBER, OTHER, WHO, Place, operator, pair


def test_an_erased_person_is_gone_and_the_log_says_so(place: Place) -> None:
    """No value opens, nothing finds the person, no row is left; others keep theirs."""
    mine = place.register(WHO, NAME, NUMBER)
    others = place.register(OTHER, "李雷", "E-1")

    done = place.erasure.erase(WHO, "requested", operator())

    assert place.store.reveal([*mine, *others]) == [Mark.ERASED, Mark.ERASED, "李雷", "E-1"]
    assert place.store.find("number", NUMBER) == []
    assert place.store.find("number", "E-1") == [OTHER]
    assert (place.rows(), place.rows(OTHER)) == ((0, 0), (2, 1))
    assert (place.facts(), done.values_deleted) == ([(WHO, "requested")], 2)
    assert place.store.erased() == {WHO: done.position}
    with pytest.raises(PersonErased):
        place.store.seal(WHO, "phone", "13900000000")


def test_erasing_twice_records_one_fact(place: Place, elsewhere: Place) -> None:
    """A repeated command answers the first fact, from this process and from another."""
    place.register(WHO, NAME, NUMBER)

    first = place.erasure.erase(WHO, "requested", operator())
    again = place.erasure.erase(WHO, "unlawful", operator())
    there = elsewhere.erasure.erase(WHO, "unlawful", operator())

    assert first.position == again.position == there.position
    assert place.facts() == [(WHO, "requested")]


def test_each_erasure_is_told_by_its_own_fact(place: Place, elsewhere: Place) -> None:
    """Whoever hears of several at once is told the right position of each."""
    for person in (WHO, OTHER):
        place.register(person, NAME, f"E-{person}")
    told = {
        person: place.erasure.erase(person, "requested", operator()).position
        for person in (WHO, OTHER)
    }

    assert elsewhere.store.erased(now=True) == told
    assert place.store.erased(now=True) == told


def test_the_key_goes_before_the_values(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the database cannot delete, what is left in it says nothing: the key is gone."""
    mine = place.register(WHO, NAME, NUMBER)

    def fail() -> int:
        assert place.keys.of([WHO]) == {WHO: None}
        raise DatabaseUnreachable

    monkeypatch.setattr(place.store, "delete_erased", fail)
    with pytest.raises(DatabaseUnreachable):
        place.erasure.erase(WHO, "requested", operator())

    assert place.store.reveal(mine) == [Mark.ERASED] * 2
    assert place.rows() == (2, 1)


def test_two_who_erase_at_once_record_one_fact(place: Place, elsewhere: Place) -> None:
    """Both are told the same position."""
    place.register(WHO, NAME, NUMBER)
    positions: list[int] = []
    barrier = threading.Barrier(2)

    def erase(one: Place) -> None:
        barrier.wait()
        positions.append(one.erasure.erase(WHO, "requested", operator()).position)

    threads = [threading.Thread(target=erase, args=(one,)) for one in (place, elsewhere)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert positions[0] == positions[1]
    assert len(place.facts()) == 1


def test_the_database_deletes_only_what_the_log_says_is_erased(place: Place) -> None:
    """No role of ours may delete sealed values; the function does, and only after the fact."""
    place.register(WHO, NAME, NUMBER)
    for role in (Role.WRITER, Role.READER, Role.PROJECTOR):
        for table in ("sealed_field", "sealed_index"):
            with (
                place.database.pooled(role) as connection,
                pytest.raises(errors.InsufficientPrivilege),
            ):
                connection.execute(sql.SQL("DELETE FROM ledger.{}").format(sql.Identifier(table)))
    for role in (Role.READER, Role.PROJECTOR):
        with (
            place.database.pooled(role) as connection,
            pytest.raises(errors.InsufficientPrivilege),
        ):
            connection.execute("SELECT ledger.erase_v1(%s)", (place.info.ledger_id,))

    assert place.store.delete_erased() == 0
    assert place.rows() == (2, 1)


def test_one_ledgers_erasure_leaves_the_others_alone(place: Place, home: Path) -> None:
    """The same person's id in another ledger keeps its values."""
    place.register(WHO, NAME, NUMBER)
    now = datetime.now(UTC)
    second = found_ledger(place.database, "second", simulated=False, now=now).ledger_id
    keys = PersonalKeys(home, "second")
    store = SealedStore(place.database, second, keys)
    mine = pair(store.seal(WHO, "name", NAME))

    place.erasure.erase(WHO, "requested", operator())

    assert store.erased(now=True) == {}
    assert store.reveal([mine]) == [NAME]
    assert store.delete_erased() == 0
    keys.close()


def test_what_is_sealed_while_its_person_is_erased_is_not_kept(
    place: Place, elsewhere: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value encrypted before, and stored after the erasure, is refused and deleted again."""
    place.register(WHO, NAME, NUMBER)
    store = elsewhere.store._store

    def late(*given: object) -> None:
        place.erasure.erase(WHO, "requested", operator())
        store(*given)

    monkeypatch.setattr(elsewhere.store, "_store", late)

    with pytest.raises(PersonErased):
        elsewhere.store.seal(WHO, "number", NUMBER, findable=True)

    assert place.rows() == (0, 0)


def test_an_import_does_not_find_the_erased(place: Place) -> None:
    """The same employee number is a new person, under a new random id."""
    place.register(WHO, NAME, NUMBER)
    assert People(None, place.store).known(NUMBER) == WHO

    place.erasure.erase(WHO, "requested", operator())

    assert People(None, place.store).known(NUMBER) is None
    assert People(None, place.store).person(NUMBER) != WHO


@pytest.mark.parametrize("reason", ["王芳 asked for it", "", "repeated twice"])
def test_words_are_no_reason(place: Place, reason: str) -> None:
    """A reason is one of the codes: words would tell for ever whom the ledger forgot."""
    mine = place.register(WHO, NAME, NUMBER)

    with pytest.raises(Invalid) as caught:
        place.erasure.erase(WHO, reason, operator())

    assert caught.value.fields[0].field == "reason"
    assert place.store.reveal(mine) == [NAME, NUMBER]


def test_nobody_erases_a_stranger_or_without_being_an_operator(place: Place) -> None:
    """A mistyped id records nothing; nor does whoever does not run the platform."""
    mine = place.register(WHO, NAME, NUMBER)
    actor = Actor(via=Via.API, person=OTHER)
    context = Context(actor=actor, received_at=datetime.now(UTC), new_id=new_fact_id)

    with pytest.raises(NotFound):
        place.erasure.erase("mistyped", "requested", operator())
    with pytest.raises(NotAllowed):
        place.erasure.erase(WHO, "requested", context)

    assert place.facts() == []
    assert place.store.reveal(mine) == [NAME, NUMBER]


def test_values_sealed_for_somebody_never_registered_can_be_erased(place: Place) -> None:
    """An import that was cut short, and a system's words, leave a key that the log knows not."""
    for person in (OTHER, "system:loader"):
        mine = pair(place.store.seal(person, "name", NAME))

        place.erasure.erase(person, "purpose_ended", operator())

        assert place.store.reveal([mine]) == [Mark.ERASED]
        assert place.rows(person) == (0, 0)


def test_the_function_that_erases_uses_the_indexes(place: Place) -> None:
    """However many values there are, those of one person are found by the person."""
    place.register(WHO, NAME, NUMBER)
    with connect_as_login(place.database.url) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN DELETE FROM ledger.sealed_index WHERE ledger_id = 1 AND person = ANY ('{a}')"
        ).fetchall()

    assert "sealed_index_person" in str(plan)
