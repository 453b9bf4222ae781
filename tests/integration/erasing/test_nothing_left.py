"""No file, table, backup or restored copy keeps or revives what was sealed for the erased."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import ledger.personal_keys
from ledger.database import Database, connect_as_login
from ledger.errors import Conflict, Invalid, NotFound
from ledger.personal_keys import KeysInUse, PersonalKeys, PersonErased
from ledger.sealed import Kept, Mark
from tests.erasing import NAME, NUMBER, OTHER, WHO, Place, fact_alone, holders, operator


def test_no_file_and_no_table_holds_the_value_or_the_key(place: Place, home: Path) -> None:
    """Not the database's folder with its write-ahead log, no table, no file of keys."""
    name, number, plain = (f"欧阳{uuid4().hex}", f"E-{uuid4().hex}", f"seen-{uuid4().hex}")
    place.register(WHO, name, number)
    key = place.keys.of([WHO])[WHO]
    assert key is not None
    assert holders(home, key)

    place.erasure.erase(WHO, "requested", operator())

    for secret in (name.encode(), number.encode(), key):
        assert not holders(home, secret)
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
    assert holders(folder, plain.encode())
    for secret in (name.encode(), number.encode(), key):
        assert not holders(folder, secret)


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
    fact_alone(place)
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
        assert holders(home, key)

    keys.destroy(WHO)

    assert not holders(home, key)
    keys.close()
