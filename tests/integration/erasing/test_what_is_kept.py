"""What is said of sealed values and of the erased, without a name: counts, reports, entries."""

from ledger.database import connect_as_login
from ledger.recorder import Item
from ledger.sealed import Kept, sealed_in
from tests.erasing import NAME, NUMBER, OTHER, WHO, Place, operator


def test_what_is_kept_is_told_without_a_name(place: Place) -> None:
    """Matching, wrong, locked and absent are told apart, in order, each time anew."""
    name, number = place.register(WHO, NAME, NUMBER)
    (other, _) = place.register(OTHER, "李雷", "E-1")
    nothing = (WHO, "00" * 32)
    assert list(place.store.check([nothing, name, (WHO, "no commitment")])) == [
        Kept.ABSENT,
        Kept.MATCHING,
        Kept.ABSENT,
    ]

    with connect_as_login(place.database.url) as connection:
        connection.execute(
            "UPDATE ledger.sealed_field SET ciphertext = set_byte(ciphertext, 20, "
            "get_byte(ciphertext, 20) # 1) WHERE commitment = %s",
            (bytes.fromhex(number[1]),),
        )
    place.keys.destroy(OTHER)

    assert list(place.store.check([name, number, other])) == [
        Kept.MATCHING,
        Kept.WRONG,
        Kept.LOCKED,
    ]


def test_more_is_checked_than_is_opened_at_a_time(place: Place) -> None:
    """A stream of any length is answered, one for one."""
    name, _ = place.register(WHO, NAME, NUMBER)

    kept = list(place.store.check((name if at % 2 else (WHO, "00" * 32)) for at in range(20_001)))

    assert kept[:2] == [Kept.ABSENT, Kept.MATCHING]
    assert (len(kept), kept.count(Kept.MATCHING)) == (20_001, 10_000)


def test_sealed_values_are_found_wherever_they_stand_in_an_entry(place: Place) -> None:
    """In the fact, and as deep as may be; an entry without any is not read."""
    mine = place.register(WHO, NAME, NUMBER)
    (registered,) = place.recorder.read((Item(tags=(f"person:{WHO}",)),)).events

    assert sealed_in(registered.entry) == mine
    assert sealed_in(b'{"a":[{"b":{"commitment":"c","person":"p"}},{"commitment":1}]}') == [
        ("p", "c")
    ]
    assert sealed_in(b"not even JSON") == []


def test_an_entry_says_who_was_erased_of_those_in_it(place: Place) -> None:
    """The persons whose values it commits to, with the fact; nobody while nobody is erased."""
    place.register(WHO, NAME, NUMBER)
    (registered,) = place.recorder.read((Item(tags=(f"person:{WHO}",)),)).events
    place.register(OTHER, "王芳", "E-1")
    place.erasure.erase(OTHER, "requested", operator())
    assert place.store.erased_in(registered.entry) == {}

    position = place.erasure.erase(WHO, "requested", operator()).position

    assert place.store.erased_in(registered.entry) == {WHO: position}


def test_the_log_keeps_no_name(place: Place) -> None:
    """Neither the entries before nor the fact of the erasure hold what identified the person."""
    place.register(WHO, NAME, NUMBER)
    place.erasure.erase(WHO, "requested", operator())

    entries = b"".join(one.entry for one in place.recorder.read().events)

    assert NAME.encode() not in entries
    assert NUMBER.encode() not in entries
    assert WHO.encode() in entries
