"""Erasing a person: in every order of events, nothing opens, finds or keeps what was sealed."""

import hashlib
import mmap
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import ledger.personal_keys
from api.importing.people import People
from api.ledgers import Ledgers
from ledger.attachments import State
from ledger.database import Database, Role, connect_as_login
from ledger.decisions.erasure import REGISTER, DestroyPersonalKey
from ledger.decisions.organisation import RegisterPerson
from ledger.entry import Context
from ledger.erased import FOLLOW_SECONDS
from ledger.erasure import Erasure
from ledger.errors import (
    Conflict,
    DatabaseUnreachable,
    Invalid,
    LogStopped,
    NotAllowed,
    NotFound,
)
from ledger.events.erasure import PersonalKeyDestroyed
from ledger.founding import found_ledger
from ledger.identifiers import new_fact_id
from ledger.log import Log
from ledger.personal_keys import KeysInUse, PersonalKeys, PersonErased
from ledger.recorder import Item, PostgresRecorder
from ledger.sealed import Kept, Mark, SealedStore, sealed_in
from ledger.settings import Settings
from ledger.vocabulary import Actor, Sealed, Via

NAME, NUMBER = "欧阳锦绣", "E-7730991"
WHO = "9f2c4c1f7a5e4a0fb1d5a1c2e3f40516"
OTHER = "0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594"


class Place:
    """One ledger with its keys, as one process holds it."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        now = datetime.now(UTC)
        self.info = found_ledger(database, "main", simulated=False, now=now)
        self.recorder = PostgresRecorder(database, self.info.ledger_id)
        self.log = Log(self.recorder, "main")
        self.keys = PersonalKeys(home, "main")
        self.store = SealedStore(database, self.info.ledger_id, self.keys)
        self.erasure = Erasure(self.log, self.keys, self.store)

    def register(self, person: str, name: str, number: str) -> list[tuple[str, str]]:
        """Make a person known; what reveals the name and the number."""
        sealed = [
            self.store.seal(person, "name", name),
            self.store.seal(person, "number", number, findable=True),
        ]
        command = RegisterPerson(person=person, name=sealed[0], number=sealed[1])
        self.log.execute(command, operator())
        return [pair(one) for one in sealed]

    def facts(self) -> list[tuple[str, str | None]]:
        """Who was erased, as the log has it, and why."""
        events = self.log.events((Item(tags=(REGISTER,)),))
        assert all(isinstance(one.fact, PersonalKeyDestroyed) for one in events)
        return [(one.fact.person, one.reason.code if one.reason else None) for one in events]  # type: ignore[attr-defined]

    def rows(self, person: str = WHO) -> tuple[int, int]:
        """How many values, and entries of the index, are stored for a person."""
        with connect_as_login(self.database.url) as connection:
            counts = [
                connection.execute(
                    sql.SQL("SELECT count(*) FROM ledger.{} WHERE person = %s").format(
                        sql.Identifier(table)
                    ),
                    (person,),
                ).fetchone()
                for table in ("sealed_field", "sealed_index")
            ]
        return counts[0][0], counts[1][0]  # type: ignore[index]

    def close(self) -> None:
        """End the process, as far as it can be told from outside."""
        self.recorder.close()
        self.keys.close()


def operator() -> Context:
    """The operator, now."""
    actor = Actor(via=Via.OPERATOR, system="test")
    return Context(actor=actor, received_at=datetime.now(UTC), new_id=new_fact_id)


def pair(sealed: Sealed) -> tuple[str, str]:
    """What reveals a sealed value."""
    return sealed.person, sealed.commitment


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the keys are."""
    return tmp_path / "keys"


@pytest.fixture
def place(database: Database, home: Path) -> Iterator[Place]:
    """A new ledger."""
    place = Place(database, home)
    yield place
    place.close()


@pytest.fixture
def elsewhere(place: Place, home: Path) -> Iterator[Place]:
    """The same ledger as another process holds it."""
    other = Place(place.database, home)
    yield other
    other.close()


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


def _fact_alone(place: Place) -> None:
    place.log.execute(DestroyPersonalKey(person=WHO, reason="requested"), operator())


def _fact_and_key(place: Place) -> None:
    _fact_alone(place)
    place.keys.destroy(WHO)


@pytest.mark.parametrize("begin", [_fact_alone, _fact_and_key])
@pytest.mark.parametrize("how", ["repeated", "started again"])
def test_what_was_interrupted_is_finished(
    place: Place, home: Path, begin: Callable[[Place], None], how: str
) -> None:
    """From the fact on nothing opens; a repeated command or the next start deletes the rest."""
    mine = place.register(WHO, NAME, NUMBER)
    key = place.keys.of([WHO])[WHO]
    assert key is not None
    begin(place)

    after = Place(place.database, home)
    assert after.store.reveal(mine) == [Mark.ERASED] * 2
    assert after.store.find("number", NUMBER) == []
    assert after.rows() == (2, 1)
    if how == "repeated":
        after.erasure.erase(WHO, "requested", operator())
    else:
        after.erasure.finish(operator())

    assert after.rows() == (0, 0)
    assert len(after.facts()) == 1
    after.close()
    assert not [file for file in home.iterdir() if key in file.read_bytes()]


def test_a_key_destroyed_without_a_fact_gets_one_at_the_next_start(place: Place) -> None:
    """The mark in the file of keys is told to a log that has lost the fact; the values go."""
    place.register(WHO, NAME, NUMBER)
    place.keys.destroy(WHO)

    place.erasure.finish(operator())
    place.erasure.finish(operator())

    assert place.facts() == [(WHO, "repeated")]
    assert place.rows() == (0, 0)


def test_a_mark_of_somebody_whom_the_log_never_knew_is_left_alone(place: Place) -> None:
    """A start neither fails nor records a fact about nobody."""
    place.keys.destroy("somebody-of-another-ledger")

    assert place.erasure.finish(operator()) == 0
    assert place.facts() == []


def test_a_log_that_takes_nothing_does_not_keep_the_service_from_starting(place: Place) -> None:
    """The fact waits for a later start; what the mark locked stays locked."""
    mine = place.register(WHO, NAME, NUMBER)
    place.keys.destroy(WHO)
    with connect_as_login(place.database.url) as connection:
        connection.execute("UPDATE ledger.head SET recorded_at = recorded_at + interval '1 day'")
    with pytest.raises(LogStopped):
        _fact_alone(place)

    place.erasure.finish(operator())

    assert place.facts() == []
    assert place.store.reveal(mine) == [Mark.ERASED] * 2


def test_other_processes_forget_at_once(place: Place, elsewhere: Place) -> None:
    """What another process had read and kept is not shown after the erasure, nor found."""
    mine = place.register(WHO, NAME, NUMBER)
    assert elsewhere.store.reveal(mine) == [NAME, NUMBER]
    assert elsewhere.store.find("number", NUMBER) == [WHO]
    position = place.erasure.erase(WHO, "requested", operator()).position

    assert elsewhere.store.reveal(mine) == [Mark.ERASED] * 2
    assert elsewhere.store.find("number", NUMBER) == []
    assert elsewhere.store.erased() == {WHO: position}
    with pytest.raises(PersonErased):
        elsewhere.store.seal(WHO, "phone", "13900000000")


def test_a_process_with_its_own_copy_of_the_keys_follows_the_log(
    place: Place, tmp_path: Path
) -> None:
    """On another machine the keys are another file: within a second it follows the fact."""
    mine = place.register(WHO, NAME, NUMBER)
    place.keys.backup(tmp_path / "copy")
    (tmp_path / "far").mkdir()
    shutil.copy(tmp_path / "copy", tmp_path / "far" / "personal-main.sqlite")
    far = Place(place.database, tmp_path / "far")
    assert far.store.reveal(mine) == [NAME, NUMBER]
    place.erasure.erase(WHO, "requested", operator())

    far.store.erased(now=True)

    assert far.store.reveal(mine) == [Mark.ERASED] * 2
    assert far.keys.of([WHO]) == {WHO: None}
    far.close()


def test_a_running_service_closes_the_files_of_the_erased(place: Place, tmp_path: Path) -> None:
    """It has a copy of the keys of its own: within a moment of the fact nobody reads the file."""
    place.register(WHO, NAME, NUMBER)
    ledgers = Ledgers(place.database, Settings(home=str(tmp_path / "service"), name="main"))
    files, content = ledgers.open("main").attachments, b"%PDF-1.7 a file"
    sha256 = hashlib.sha256(content).hexdigest()
    name = files.identify(WHO, sha256)
    incoming = files.begin(WHO, name)
    incoming.write(content)
    files.keep(incoming, name, sha256)
    assert files.state(name, WHO) is State.PRESENT

    _fact_alone(place)
    time.sleep(FOLLOW_SECONDS)

    assert files.state(name, WHO) is State.ERASED
    ledgers.close()


def test_a_real_process_killed_after_the_fact_is_finished_by_the_next(
    place: Place, home: Path
) -> None:
    """Killed (SIGKILL) between fact and key: the next process destroys key and values."""
    mine = place.register(WHO, NAME, NUMBER)
    program = (
        "import os, sys, pathlib, signal\n"
        "from ledger.database import Database\n"
        "from tests.integration.test_erasure import Place, _fact_alone\n"
        "place = Place(Database(sys.argv[1]), pathlib.Path(sys.argv[2]))\n"
        "_fact_alone(place)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    arguments = [sys.executable, "-c", program, place.database.url, str(home)]
    ended = subprocess.run(arguments, check=False, env={**os.environ, "PYTHONPATH": "."})
    assert ended.returncode == -9

    after = Place(place.database, home)
    after.erasure.finish(operator())

    assert after.store.reveal(mine) == [Mark.ERASED] * 2
    assert after.keys.of([WHO]) == {WHO: None}
    assert (after.rows(), len(after.facts())) == ((0, 0), 1)
    after.close()


def _holders(folder: Path, wanted: bytes) -> list[Path]:
    """The files below a folder that hold these bytes; other tests' databases come and go in it."""
    found = []
    paths = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    for path in paths:
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as m:
                if m.find(wanted) >= 0:
                    found.append(path)
        except (ValueError, OSError):  # empty, a socket, or gone meanwhile
            continue
    return found


def test_no_file_and_no_table_holds_the_value_or_the_key(place: Place, home: Path) -> None:
    """Not the database's folder with its write-ahead log, no table, no file of keys."""
    name, number, plain = (f"欧阳{uuid4().hex}", f"E-{uuid4().hex}", f"seen-{uuid4().hex}")
    place.register(WHO, name, number)
    key = place.keys.of([WHO])[WHO]
    assert key is not None
    assert _holders(home, key)

    place.erasure.erase(WHO, "requested", operator())

    for secret in (name.encode(), number.encode(), key):
        assert not _holders(home, secret)
    with connect_as_login(place.database.url) as connection:
        # What is stored in plain is found, so that this would notice a name.
        connection.execute("CREATE TABLE ledger.plain (person text)")
        connection.execute("INSERT INTO ledger.plain VALUES (%s)", (plain,))
        tables = connection.execute(
            "SELECT relname FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = 'ledger'::regnamespace"
        ).fetchall()
        hits = {
            wanted
            for (table,) in tables
            for wanted in (name, number, plain)
            for spelt in (wanted, wanted.encode().hex())
            if connection.execute(
                sql.SQL("SELECT 1 FROM {} AS row WHERE strpos(row::text, %s) > 0").format(
                    sql.Identifier("ledger", table)
                ),
                (spelt,),
            ).fetchone()
        }
        assert hits == {plain}
        connection.execute("CHECKPOINT")
        row = connection.execute("SHOW data_directory").fetchone()
    folder = Path(row[0] if row else "")
    if not folder.is_dir():
        pytest.skip("the server's folder is not on this machine")
    assert _holders(folder, plain.encode())
    for secret in (name.encode(), number.encode(), key):
        assert not _holders(folder, secret)


def _copy_of(database: Database) -> Database:
    """The database as a backup taken now brings it back."""
    name = f"ledger_test_{uuid4().hex}"
    given = conninfo_to_dict(database.url)
    database.close()
    with connect_as_login(make_conninfo(database.url, dbname="postgres")) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG").format(
                sql.Identifier(name), sql.Identifier(str(given["dbname"]))
            )
        )
    return Database(make_conninfo(database.url, dbname=name))


def _drop(database: Database) -> None:
    name = str(conninfo_to_dict(database.url)["dbname"])
    database.close()
    with connect_as_login(make_conninfo(database.url, dbname="postgres")) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def test_a_restored_database_revives_nobody(database: Database, home: Path) -> None:
    """In a database from before the erasure nothing opens, and the next start deletes it again."""
    before = Place(database, home)
    mine = before.register(WHO, NAME, NUMBER)
    before.close()
    restored = _copy_of(database)
    try:
        place = Place(database, home)
        place.erasure.erase(WHO, "requested", operator())
        place.close()

        back = Place(restored, home)
        assert back.rows() == (2, 1)
        assert back.store.reveal(mine) == [Mark.ERASED] * 2
        assert back.store.find("number", NUMBER) == []
        assert list(back.store.check(mine)) == [Kept.LOCKED] * 2
        back.erasure.finish(operator())

        assert back.rows() == (0, 0)
        assert back.facts() == [(WHO, "repeated")]
        assert list(back.store.check(mine)) == [Kept.ABSENT] * 2
        back.close()
    finally:
        _drop(restored)


@pytest.mark.parametrize("how", ["copied into place", "by the command's way"])
def test_a_restored_backup_of_the_keys_revives_nobody(
    place: Place, home: Path, tmp_path: Path, how: str
) -> None:
    """Keys from before an erasure lose the erased person's key before anything is opened."""
    mine, others = place.register(WHO, NAME, NUMBER), place.register(OTHER, "李雷", "E-1")
    place.keys.backup(tmp_path / "backup")
    with connect_as_login(place.database.url) as connection:
        kept = connection.execute("SELECT * FROM ledger.sealed_field").fetchall()
    place.erasure.erase(WHO, "requested", operator())
    place.close()
    shutil.rmtree(home)
    home.mkdir()
    if how == "copied into place":
        shutil.copy(tmp_path / "backup", home / "personal-main.sqlite")

    after = Place(place.database, home)
    if how != "copied into place":
        restored = after.keys.restore(tmp_path / "backup", after.store.erased(now=True))
        assert (restored.keys, restored.erased) == (2, 1)
    # Even the ciphertexts are back, as from an old dump.
    with connect_as_login(place.database.url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO ledger.sealed_field VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            kept,
        )

    assert after.store.reveal([*mine, *others]) == [Mark.ERASED, Mark.ERASED, "李雷", "E-1"]
    assert after.store.find("number", "E-1") == [OTHER]
    assert after.keys.of([WHO]) == {WHO: None}
    after.close()


def test_the_bytes_of_destroyed_keys_are_overwritten(home: Path) -> None:
    """Among many keys too, where what was freed in the file is not used again at once."""
    keys = PersonalKeys(home, "main")
    made = keys.made_for([f"{number:032x}" for number in range(500)])
    gone = sorted(made)[::3]

    keys.destroy(*gone)

    content = b"".join(file.read_bytes() for file in home.iterdir())
    assert [person for person in made if made[person] in content] == [
        person for person in made if person not in gone
    ]
    keys.close()


@pytest.mark.parametrize("first", ["open", "find", "seal", "check"])
def test_whatever_is_done_first_follows_the_log(place: Place, tmp_path: Path, first: str) -> None:
    """With keys from before the erasure, nothing is opened, found or sealed, from the first."""
    mine = place.register(WHO, NAME, NUMBER)
    (tmp_path / "old").mkdir()
    place.keys.backup(tmp_path / "old" / "personal-main.sqlite")
    _fact_alone(place)
    old = Place(place.database, tmp_path / "old")

    if first == "open":
        assert old.store.reveal(mine) == [Mark.ERASED] * 2
    elif first == "find":
        assert old.store.find("number", NUMBER) == []
    elif first == "check":
        assert list(old.store.check(mine)) == [Kept.LOCKED] * 2
    else:
        with pytest.raises(PersonErased):
            old.store.seal(WHO, "phone", "13900000000")

    assert old.keys.of([WHO]) == {WHO: None}
    old.close()


def test_a_backup_is_one_new_file_for_its_owner(place: Place, tmp_path: Path) -> None:
    """Readable to nobody else, never written over, and nothing is left beside it."""
    place.register(WHO, NAME, NUMBER)
    backup = tmp_path / "backups" / "keys"
    backup.parent.mkdir()

    assert place.keys.backup(backup) == 2
    with pytest.raises(Conflict):
        place.keys.backup(backup)

    assert [file.name for file in backup.parent.iterdir()] == ["keys"]
    assert backup.stat().st_mode & 0o777 == 0o600


def test_a_backup_never_replaces_a_key_or_a_mark(place: Place, tmp_path: Path) -> None:
    """Keys of another making are refused as a whole; marks on either side stay marks."""
    other = PersonalKeys(tmp_path / "other", "main")
    other.made_for([OTHER, WHO, "third"])
    other.destroy("third")
    other.backup(tmp_path / "backup")
    place.keys.made_for([OTHER])
    with pytest.raises(Conflict, match="1 keys here"):
        place.keys.restore(tmp_path / "backup", ())
    assert place.keys.of([WHO, "third"]) == {}

    place.keys.destroy(OTHER)
    place.keys.restore(tmp_path / "backup", ())

    assert place.keys.of([OTHER, "third"]) == {OTHER: None, "third": None}
    assert place.keys.of([WHO]) == other.of([WHO])
    other.close()


def test_what_is_no_backup_is_refused(place: Place, tmp_path: Path) -> None:
    """A missing file, and a file of anything else."""
    (tmp_path / "text").write_text("not a database", encoding="utf-8")

    with pytest.raises(NotFound):
        place.keys.restore(tmp_path / "nothing", ())
    with pytest.raises(Invalid):
        place.keys.restore(tmp_path / "text", ())


def test_a_key_that_may_still_be_in_a_file_is_not_called_destroyed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody reads SQLite's own log it cannot be emptied: repeating the command does."""
    monkeypatch.setattr(ledger.personal_keys, "BUSY_SECONDS", 0.1)
    keys = PersonalKeys(home, "main")
    key = keys.made_for([WHO])[WHO]
    with closing(sqlite3.connect(keys.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM personal_key").fetchone()
        with pytest.raises(KeysInUse):
            keys.destroy(WHO)
        assert _holders(home, key)

    keys.destroy(WHO)

    assert not _holders(home, key)
    keys.close()


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


def test_the_log_keeps_no_name(place: Place) -> None:
    """Neither the entries before nor the fact of the erasure hold what identified the person."""
    place.register(WHO, NAME, NUMBER)
    place.erasure.erase(WHO, "requested", operator())

    entries = b"".join(one.entry for one in place.recorder.read().events)

    assert NAME.encode() not in entries
    assert NUMBER.encode() not in entries
    assert WHO.encode() in entries
