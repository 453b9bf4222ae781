"""Personal values: sealed, found, revealed, and gone when their key is."""

import hmac
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.database import Database, connect_as_login
from ledger.errors import Invalid
from ledger.personal_keys import PersonalKeys, PersonErased
from ledger.recorder import create_ledger
from ledger.sealed import Kept, Mark, Personal, SealedStore
from ledger.vocabulary import Sealed


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[PersonalKeys]:
    """A new file of keys."""
    keys = PersonalKeys(tmp_path / "keys", "main")
    yield keys
    keys.close()


@pytest.fixture
def store(database: Database, keys: PersonalKeys) -> SealedStore:
    """The sealed store of a new ledger."""
    return SealedStore(database, create_ledger(database, "main", simulated=False), keys)


def pair(sealed: Sealed) -> tuple[str, str]:
    """What reveals a sealed value."""
    return sealed.person, sealed.commitment


def test_a_sealed_value_is_revealed_in_order(store: SealedStore) -> None:
    """Values come back in the order asked for, the same one twice if asked twice."""
    first, second = store.seal_many(
        [Personal("p1", "name", "王芳"), Personal("p2", "name", "李雷")]
    )

    values = store.reveal([pair(second), pair(first), pair(second)])

    assert values == ["李雷", "王芳", "李雷"]


def test_the_commitment_is_an_hmac_under_the_nonce(database: Database, keys: PersonalKeys) -> None:
    """Whoever is shown nonce and value can compute the commitment of the entry."""
    ledger_id = create_ledger(database, "main", simulated=True)
    store = SealedStore(database, ledger_id, keys, draw_nonce=lambda size: b"n" * size)

    sealed = store.seal("p1", "name", "王芳")

    assert sealed.commitment == hmac.digest(b"n" * 32, "王芳".encode(), "sha256").hex()


def test_equal_values_have_unequal_commitments(store: SealedStore) -> None:
    """Two persons of one name cannot be told to share it."""
    assert store.seal("p1", "name", "王芳") != store.seal("p1", "name", "王芳")


def test_a_destroyed_key_erases_even_what_was_just_revealed(
    store: SealedStore, keys: PersonalKeys
) -> None:
    """After the key is destroyed every value of the person is ERASED, cached ones too."""
    mine, other = store.seal("p1", "name", "王芳"), store.seal("p2", "name", "李雷")
    assert store.reveal([pair(mine)]) == ["王芳"]

    keys.destroy("p1")

    assert store.reveal([pair(mine), pair(other)]) == [Mark.ERASED, "李雷"]
    with pytest.raises(PersonErased):
        store.seal("p1", "name", "王芳")


def test_another_process_destroying_a_key_is_noticed(store: SealedStore, tmp_path: Path) -> None:
    """A key destroyed through another handle of the file empties this one's cache."""
    sealed = store.seal("p1", "name", "王芳")
    store.reveal([pair(sealed)])
    elsewhere = PersonalKeys(tmp_path / "keys", "main")

    elsewhere.destroy("p1")
    elsewhere.close()

    assert store.reveal([pair(sealed)]) == [Mark.ERASED]


def test_a_destroyed_key_is_in_no_file(store: SealedStore, keys: PersonalKeys) -> None:
    """The bytes of a destroyed key are overwritten, in the file and in its log."""
    store.seal("p1", "name", "王芳")
    key = keys.of(["p1"])["p1"]
    assert key is not None

    keys.destroy("p1")

    for file in keys.path.parent.iterdir():
        assert key not in file.read_bytes()


def test_lost_is_told_apart_from_erased(store: SealedStore) -> None:
    """A value that was never stored, or whose key was never made, is MISSING."""
    sealed = store.seal("p1", "name", "王芳")

    assert store.reveal([("p1", "00" * 32), ("p9", sealed.commitment)]) == [Mark.MISSING] * 2


@pytest.mark.parametrize(
    "change",
    [
        "SET ciphertext = set_byte(ciphertext, 20, get_byte(ciphertext, 20) # 1)",
        "SET commitment = set_byte(commitment, 0, get_byte(commitment, 0) # 1)",
        "SET person = 'p2'",
    ],
)
def test_a_changed_row_is_not_believed(database: Database, store: SealedStore, change: str) -> None:
    """A ciphertext that was altered, or moved to another row, reveals nothing."""
    store.seal_many([Personal("p1", "name", "王芳"), Personal("p2", "name", "李雷")])
    with connect_as_login(database.url) as connection:
        connection.execute(f"UPDATE ledger.sealed_field {change} WHERE person = 'p1'")
        rows = connection.execute("SELECT person, commitment FROM ledger.sealed_field").fetchall()

    values = store.reveal([(person, commitment.hex()) for person, commitment in rows])

    assert "王芳" not in values
    assert Mark.MISSING in values


def test_a_value_that_was_not_committed_to_is_not_believed(
    database: Database, keys: PersonalKeys
) -> None:
    """Sealed under the right key and for the right entry by somebody who has both: not it."""
    ledger_id = create_ledger(database, "main", simulated=True)
    store = SealedStore(database, ledger_id, keys, draw_nonce=lambda size: b"n" * size)
    sealed = store.seal("p1", "name", "王芳")
    key = keys.of(["p1"])["p1"] or b""
    bound = ledger_id.to_bytes(4, "big") + bytes.fromhex(sealed.commitment) + b"p1"
    forged = b"g" * 12 + AESGCM(key).encrypt(b"g" * 12, b"n" * 32 + "李雷".encode(), bound)
    with connect_as_login(database.url) as connection:
        connection.execute("UPDATE ledger.sealed_field SET ciphertext = %s", (forged,))

    assert store.reveal([pair(sealed)]) == [Mark.MISSING]
    assert list(store.check([pair(sealed)])) == [Kept.WRONG]


def test_what_was_opened_before_a_destruction_is_not_kept_after_it(
    store: SealedStore, keys: PersonalKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value opened while its key is being destroyed is shown to nobody who asks later."""
    mine, other = store.seal("p1", "name", "王芳"), store.seal("p2", "name", "李雷")
    opened = store._opened

    def slowly(sealed: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str | Mark]:
        found = opened(sealed)
        monkeypatch.setattr(store, "_opened", opened)
        keys.destroy("p1")
        assert store.reveal([pair(other)]) == ["李雷"]  # another thread, meanwhile
        return found

    monkeypatch.setattr(store, "_opened", slowly)
    store.reveal([pair(mine)])

    assert store.reveal([pair(mine)]) == [Mark.ERASED]


@pytest.mark.parametrize("destroyed", [False, True])
def test_two_processes_that_make_a_key_at_once_have_one(
    keys: PersonalKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, destroyed: bool
) -> None:
    """Whoever comes second takes the first one's key, or the mark that it has left already."""
    second = PersonalKeys(tmp_path / "keys", "main")
    read = second._read

    def late(persons: Iterable[str]) -> dict[str, bytes | None]:
        found = read(persons)
        monkeypatch.setattr(second, "_read", read)
        keys.made_for(["p1"])
        if destroyed:
            keys.destroy("p1")
        return found

    monkeypatch.setattr(second, "_read", late)
    if destroyed:
        with pytest.raises(PersonErased):
            second.made_for(["p1"])
        assert keys.of(["p1"]) == {"p1": None}
    else:
        assert second.made_for(["p1"]) == keys.of(["p1"])
    second.close()


def test_a_person_is_found_by_number_without_the_number_being_stored(
    database: Database, store: SealedStore
) -> None:
    """The index finds a person whatever the letter case and width, and holds no plain value."""
    store.seal("p1", "employee_number", "ab-10086", findable=True)
    store.seal("p2", "employee_number", "AB-10087", findable=True)

    assert store.find("employee_number", " ＡＢ-10086 ") == ["p1"]
    assert store.find("name", "ab-10086") == []
    with connect_as_login(database.url) as connection:
        rows = connection.execute("SELECT blind::text FROM ledger.sealed_index").fetchall()
    assert not any(b"10086".hex() in blind for (blind,) in rows)


def test_the_keys_are_for_their_owner_alone(store: SealedStore, keys: PersonalKeys) -> None:
    """The file of keys, and what SQLite keeps beside it, are readable to nobody else."""
    store.seal("p1", "name", "王芳")

    for file in keys.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@pytest.mark.parametrize("value", ["\ud800", "x" * 16_385])
def test_what_cannot_be_sealed_is_refused(store: SealedStore, value: str) -> None:
    """Text that is no Unicode, or too long, is refused with its field."""
    for ask in (lambda: store.seal("p1", "name", value), lambda: store.find("name", value)):
        with pytest.raises(Invalid) as caught:
            ask()
        assert caught.value.fields[0].field == "name"
