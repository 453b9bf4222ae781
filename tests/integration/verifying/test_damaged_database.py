"""Every kind of damage to the rows of a ledger is found, at the right position."""

import pytest

from tests.damaging import of_database
from tests.sealing import Sealed

ROWS: dict[str, tuple[str, int, str]] = {
    # what is done to the database: SQL, the first bad position, what is said of it
    "an edited payload": (
        (
            "UPDATE ledger.event SET entry = overlay(entry placing 'X'::bytea from 200 for 1)"
            " WHERE position = 400"
        ),
        400,
        "leaf_hash is not the hash",
    ),
    "an edited payload and its hash": (
        (
            "UPDATE ledger.event SET entry = replaced.entry, leaf_hash ="
            " sha256('\\x00'::bytea || replaced.entry) FROM (SELECT convert_to(replace("
            "convert_from(entry, 'UTF8'), '\"data\":{', '\"data\":{\"x\":1,'), 'UTF8') AS entry"
            " FROM ledger.event WHERE position = 400) AS replaced WHERE position = 400"
        ),
        400,
        "the row is not the entry that was signed",
    ),
    "swapped rows": (
        (
            "UPDATE ledger.event SET entry = other.entry, leaf_hash = other.leaf_hash,"
            " recorded_at = other.recorded_at FROM (SELECT * FROM ledger.event) AS other"
            " WHERE event.position IN (257, 300) AND other.position = 557 - event.position"
        ),
        257,
        "another entry stands here",
    ),
    "a deleted row": ("DELETE FROM ledger.event WHERE position = 350", 350, "the row is missing"),
    "deleted rows": (
        "DELETE FROM ledger.event WHERE position BETWEEN 250 AND 520",
        250,
        "missing",
    ),
    "a deleted tail": (
        "DELETE FROM ledger.event WHERE position > 590",
        591,
        "12 rows are missing from here on",
    ),
    "a tail that the head forgot": (
        (
            "DELETE FROM ledger.event WHERE position > 590; DELETE FROM ledger.event_tag"
            " WHERE position > 590; DELETE FROM ledger.event_key WHERE position > 590;"
            " UPDATE ledger.head SET position = 590, recorded_at = (SELECT recorded_at"
            " FROM ledger.event WHERE position = 590)"
        ),
        591,
        "ROLLBACK: the head stands at 590, and the checkpoint covers 602",
    ),
    "a row beyond the head": (
        (
            "INSERT INTO ledger.event SELECT ledger_id, 603, recorded_at, type, tags, leaf_hash,"
            " entry FROM ledger.event WHERE position = 602"
        ),
        603,
        "outside the log",
    ),
    "an inserted row": (
        (
            "UPDATE ledger.event SET position = position + 1000 WHERE position >= 400;"
            " UPDATE ledger.event SET position = position - 999 WHERE position >= 1400;"
            " INSERT INTO ledger.event SELECT ledger_id, 400, recorded_at, type, tags, leaf_hash,"
            " entry FROM ledger.event WHERE position = 399; UPDATE ledger.head SET position = 603"
        ),
        400,
        "another entry stands here",
    ),
    "another type": ("UPDATE ledger.event SET type = 'x' WHERE position = 7", 7, "column type"),
    "another tag": ("UPDATE ledger.event SET tags = '{b}' WHERE position = 7", 7, "column tags"),
    "tags joined": (
        "UPDATE ledger.event SET tags = ARRAY[E'a\\x1fb'] WHERE position = 601",
        601,
        "column tags",
    ),
    "another leaf hash": (
        "UPDATE ledger.event SET leaf_hash = sha256('x') WHERE position = 7",
        7,
        "leaf_hash is not the hash of the entry",
    ),
    "no tags": ("UPDATE ledger.event SET tags = '{}' WHERE position = 7", 7, "column tags"),
    "another time": (
        "UPDATE ledger.event SET recorded_at = recorded_at + interval '1 us' WHERE position = 7",
        7,
        "column recorded_at",
    ),
    "another time of the head": (
        "UPDATE ledger.head SET recorded_at = recorded_at - interval '1 s'",
        602,
        "the head's recorded_at",
    ),
    "a missing tag row": (
        "DELETE FROM ledger.event_tag WHERE position = 511",
        511,
        "missing in event_tag",
    ),
    "a tag row too many": (
        (
            "INSERT INTO ledger.event_tag SELECT ledger_id, hashtextextended('secret', 0), 512"
            " FROM ledger.head"
        ),
        512,
        "event_tag has a row",
    ),
    "a missing id": (
        "DELETE FROM ledger.event_key WHERE position = 20",
        20,
        "from this entry's id",
    ),
    "an id that leads elsewhere": (
        "UPDATE ledger.event_key SET position = 21 WHERE position = 20",
        20,
        "from this entry's id",
    ),
    "an id too many": (
        "INSERT INTO ledger.event_key SELECT ledger_id, gen_random_uuid(), 33 FROM ledger.head",
        33,
        "event_key has a row",
    ),
    "a key too many": (
        (
            "INSERT INTO ledger.event_key SELECT ledger_id, gen_random_uuid(), 33, 1, '\\x00'"
            " FROM ledger.head"
        ),
        33,
        "event_key has a row",
    ),
    "a missing key": (
        "DELETE FROM ledger.event_key WHERE fingerprint IS NOT NULL",
        501,
        "idempotency key",
    ),
    "a key for fewer entries": (
        "UPDATE ledger.event_key SET event_count = 99 WHERE fingerprint IS NOT NULL",
        501,
        "idempotency key",
    ),
    "another seal": (
        "UPDATE ledger.seal SET root = sha256('')",
        0,
        "FORK: the rows up to 602",
    ),
}


@pytest.mark.parametrize("damage", ROWS)
def test_damage_in_the_database_is_named(sealed: Sealed, damage: str) -> None:
    """The first bad position, and what is wrong there."""
    statements, position, what = ROWS[damage]
    with sealed.superuser() as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements.split("; "):
            connection.execute(statement.encode())

    first = of_database(sealed).first

    assert first is not None
    assert (first.position or 0, what in first.what) == (position, True), first
