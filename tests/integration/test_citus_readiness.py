"""The schema and the SQL stay such that ledgers can be spread over machines by `ledger_id`.

One ledger's rows always lie together; what a distributing PostgreSQL (Citus) cannot do with that
is refused here, long before anybody needs it. Tables are asked of pg_catalog, statements are
searched in the migrations and in the program's strings. Every rule is shown to notice its breach.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.database import Database, Role, connect_as_login
from ledger.migrate import FOLDER, read_folder
from projections.saving import make_tables
from projections.views import VIEWS

SOURCES = ("ledger", "projections", "api")
# The same on every machine, written by operators and not by ledgers.
REFERENCE_TABLES = ["ledger.ledger", "ledger.migration"]

# Every query answers one sentence a breach; %(reference)s are the reference tables.
TABLES_WITHOUT_LEDGER = """
SELECT format('%%s has no column ledger_id int NOT NULL', class.oid::regclass)
FROM pg_class AS class
WHERE class.relnamespace = ANY ('{ledger,views,bi_v1}'::regnamespace[])
  AND class.relkind IN ('r', 'p')
  AND class.oid <> ALL (%(reference)s::regclass[])
  AND NOT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = class.oid AND attname = 'ledger_id' AND attnotnull
      AND atttypid = 'int4'::regtype AND NOT attisdropped
  )
"""
KEYS_WITHOUT_LEDGER = """
SELECT format('%%s is unique over all ledgers, not within one', index.indexrelid::regclass)
FROM pg_index AS index
JOIN pg_class AS class ON class.oid = index.indrelid
WHERE class.relnamespace = ANY ('{ledger,views,bi_v1}'::regnamespace[])
  AND class.relkind IN ('r', 'p')
  AND class.oid <> ALL (%(reference)s::regclass[])
  AND (index.indisunique OR index.indisexclusion)
  AND NOT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = class.oid AND attname = 'ledger_id'
      AND attnum = ANY (index.indkey::int2[])
  )
"""
COUNTERS = """
SELECT format('%%s is a sequence', oid::regclass)
FROM pg_class
WHERE relnamespace = ANY ('{ledger,views,bi_v1}'::regnamespace[]) AND relkind = 'S'
UNION ALL
SELECT format('%%s.%%s counts by itself', attrelid::regclass, attname)
FROM pg_attribute
JOIN pg_class AS class ON class.oid = attrelid
WHERE class.relnamespace = ANY ('{ledger,views,bi_v1}'::regnamespace[]) AND attidentity <> ''
"""
FOREIGN_KEYS = """
SELECT format('%%s on %%s leads to a table of ledgers', conname, conrelid::regclass)
FROM pg_constraint
WHERE contype = 'f'
  AND connamespace = ANY ('{ledger,views,bi_v1}'::regnamespace[])
  AND confrelid <> ALL (%(reference)s::regclass[])
  AND (
    conrelid = ANY (%(reference)s::regclass[])
    OR NOT EXISTS (
      SELECT FROM unnest(conkey, confkey) AS pair (own, other)
      JOIN pg_attribute AS mine ON mine.attrelid = conrelid AND mine.attnum = pair.own
      JOIN pg_attribute AS theirs ON theirs.attrelid = confrelid AND theirs.attnum = pair.other
      WHERE mine.attname = 'ledger_id' AND theirs.attname = 'ledger_id'
    )
  )
"""
SQL_FUNCTIONS = """
SELECT format('%%s is LANGUAGE sql with parameters and reads ledger tables', proc.oid::regprocedure)
FROM pg_proc AS proc
JOIN pg_language AS language ON language.oid = proc.prolang
WHERE proc.pronamespace = ANY ('{ledger,views,bi_v1}'::regnamespace[])
  AND language.lanname = 'sql' AND proc.pronargs > 0
  AND EXISTS (
    SELECT FROM pg_class AS class
    WHERE class.relnamespace = ANY ('{ledger,views}'::regnamespace[])
      AND class.relkind IN ('r', 'p')
      AND pg_get_functiondef(proc.oid)
        ~* ('(from|join)\\s+((ledger|views)\\.)?' || class.relname || '\\M')
  )
"""
EXTENSIONS = """
SELECT format('extension %%s is not on every server', extname)
FROM pg_extension WHERE extname <> 'plpgsql'
"""
CATALOG_RULES = {
    "1 tables": TABLES_WITHOUT_LEDGER,
    "1 keys": KEYS_WITHOUT_LEDGER,
    "2 counters": COUNTERS,
    "3 foreign keys": FOREIGN_KEYS,
    "4 functions": SQL_FUNCTIONS,
    "12 extensions": EXTENSIONS,
}

# What no statement may say, wherever it stands.
TEXT_RULES = {
    "6 a row lock names its ledger": re.compile(
        r"\bSELECT\b(?:(?!ledger_id\s*=)[^;])*\bFOR (?:NO KEY )?UPDATE\b", re.IGNORECASE
    ),
    "6 no ledger is left for another": re.compile(
        r"\bUPDATE\b(?:(?!\bWHERE\b)[^;])*?\bSET\s+(?:(?:(?!\bWHERE\b)[^;])*?,\s*)?ledger_id\s*=",
        re.IGNORECASE,
    ),
    "6 no MERGE": re.compile(r"\bMERGE\s+INTO\b", re.IGNORECASE),
    "6 no recursion": re.compile(r"\bWITH\s+RECURSIVE\b", re.IGNORECASE),
    "8 errors by SQLSTATE": re.compile(r"\bdiag\s*\.\s*constraint_name\b"),
    "11 no table is locked": re.compile(r"\bLOCK\s+TABLE\b", re.IGNORECASE),
    "12 core functions only": re.compile(
        r"\bCREATE\s+EXTENSION\b|\b(?:uuid_generate_v\d|gen_salt|crypt|similarity)\s*\(",
        re.IGNORECASE,
    ),
}
# What appending must not do besides: wait for anything but its ledger's head.
APPEND_RULES = {
    "5 one call, nothing but parameters": re.compile(
        r"append_v\d\s*\([^)]*\b(?:now|clock_timestamp|random|gen_random_uuid)\s*\(|"
        r"append_v\d\s*\((?:[^()]|\([^()]*\))*\)\s*FROM\b",
        re.IGNORECASE,
    ),
    "11 no advisory lock": re.compile(r"append_v\d[\s\S]*\bpg_advisory", re.IGNORECASE),
}


def breaches(connection: psycopg.Connection) -> list[str]:
    """What stands in the catalog against the rules."""
    return [
        f"{rule}: {sentence}"
        for rule, query in CATALOG_RULES.items()
        for (sentence,) in connection.execute(query.encode(), {"reference": REFERENCE_TABLES})
    ]


def said_against(statement: str) -> list[str]:
    """Which of the rules about statements this text breaks."""
    spoken = re.sub(r"--[^\n]*", "", statement)
    rules = {**TEXT_RULES, **APPEND_RULES}
    return [rule for rule, pattern in rules.items() if pattern.search(spoken)]


def statements() -> Iterator[tuple[str, str]]:
    """Every piece of text that may be SQL, and where it stands."""
    for migration in read_folder(FOLDER):
        for number, part in enumerate(
            re.split(r"(?m)^CREATE (?:OR REPLACE )?FUNCTION ", migration.content.decode())
        ):
            yield f"{migration.name}, part {number}", part
    root = FOLDER.parent
    for package in SOURCES:
        for path in sorted((root / package).rglob("*.py")):
            for line, text in texts(path):
                yield f"{path.relative_to(root)}:{line}", text


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module, docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    described = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, described) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            if isinstance(node.value, str):
                yield node.lineno, node.value
            elif isinstance(node.value, bytes):
                yield node.lineno, node.value.decode("latin-1")


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    """A session that may make anything, in a database with every table, views included."""
    with database.connect(Role.PROJECTOR) as projector:
        for projection in VIEWS:
            for table in projection.tables:
                make_tables(projector, table, 1)
    with connect_as_login(database.url) as connection:
        yield connection


def test_the_schema_can_be_spread(connection: psycopg.Connection) -> None:
    """Every table, key, function and foreign key obeys; views were looked at too."""
    row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'views'").fetchone()

    assert row
    assert row[0] >= 2 * len(VIEWS)
    assert breaches(connection) == []


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("CREATE TABLE ledger.bad (id int PRIMARY KEY)", "1 tables: ledger.bad has no column"),
        ("CREATE TABLE views.bad (ledger_id int)", "1 tables: views.bad has no column"),
        ("CREATE TABLE views.bad (ledger_id bigint NOT NULL)", "1 tables: views.bad has no"),
        (
            "CREATE TABLE ledger.bad (ledger_id int NOT NULL, id int PRIMARY KEY)",
            "1 keys: ledger.bad_pkey is unique over all ledgers",
        ),
        ("CREATE UNIQUE INDEX bad ON ledger.event (position)", "1 keys: ledger.bad is unique"),
        (
            (
                "CREATE TABLE ledger.bad (ledger_id int NOT NULL, during int4range,"
                " EXCLUDE USING gist (during WITH &&))"
            ),
            "1 keys: ledger.bad_during_excl is unique over all ledgers",
        ),
        (
            "CREATE TABLE ledger.bad (ledger_id int NOT NULL, n int GENERATED ALWAYS AS IDENTITY)",
            "2 counters: ledger.bad.n counts by itself",
        ),
        ("CREATE SEQUENCE ledger.bad", "2 counters: ledger.bad is a sequence"),
        (
            (
                "ALTER TABLE ledger.ledger ADD CONSTRAINT bad FOREIGN KEY (ledger_id)"
                " REFERENCES ledger.head (ledger_id)"
            ),
            "3 foreign keys: bad on ledger.ledger leads",
        ),
        (
            (
                "CREATE FUNCTION ledger.bad(n int) RETURNS bigint LANGUAGE sql"
                " AS 'SELECT count(*) FROM ledger.event WHERE ledger_id = n'"
            ),
            "4 functions: ledger.bad(integer) is LANGUAGE sql",
        ),
        (
            (
                "CREATE FUNCTION ledger.bad(n int) RETURNS bigint LANGUAGE sql"
                " BEGIN ATOMIC SELECT count(*) FROM ledger.event WHERE ledger_id = n; END"
            ),
            "4 functions: ledger.bad(integer) is LANGUAGE sql",
        ),
    ],
)
def test_a_bad_schema_is_noticed(connection: psycopg.Connection, bad: str, says: str) -> None:
    """Each breach of a rule about the schema is reported by the name of what breaks it."""
    connection.execute(bad.encode())

    assert any(breach.startswith(says) for breach in breaches(connection))


def test_no_statement_breaks_a_rule() -> None:
    """Neither the migrations nor the program's own SQL says what could not be spread."""
    found = [f"{place}: {rule}" for place, text in statements() for rule in said_against(text)]

    assert found == []


def test_the_search_reads_the_program() -> None:
    """The search sees the append call and the append function, so that its silence means much."""
    seen = [place for place, text in statements() if "append_v1" in text]

    assert any(place.startswith("ledger/recorder/") for place in seen)
    assert any(place.startswith("0002") for place in seen)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("SELECT position FROM ledger.head FOR UPDATE", "6 a row lock"),
        ("SELECT 1 FROM ledger.head WHERE position = 1 FOR NO KEY UPDATE", "6 a row lock"),
        ("UPDATE ledger.head SET ledger_id = 2", "6 no ledger is left"),
        ("UPDATE ledger.head SET position = 1, ledger_id = 2", "6 no ledger is left"),
        ("MERGE INTO views.unit USING (VALUES (1)) v ON true", "6 no MERGE"),
        ("with recursive up AS (SELECT 1) SELECT 1", "6 no recursion"),
        ("LOCK TABLE ledger.event IN SHARE MODE", "11 no table"),
        ("CREATE EXTENSION pgcrypto", "12 core"),
        ("SELECT ledger.append_v1($1, now())", "5 one call"),
        ("SELECT ledger.append_v1(a) FROM ledger.head", "5 one call"),
        ("append_v1() AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); END $$", "11 no advisory"),
    ],
)
def test_a_bad_statement_is_noticed(statement: str, rule: str) -> None:
    """Each breach of a rule about statements is reported."""
    assert any(found.startswith(rule) for found in said_against(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT position FROM ledger.head WHERE ledger_id = 1 FOR UPDATE",
        "UPDATE ledger.head SET position = 1 WHERE ledger_id = 1",
        "SELECT ledger.append_v1($1, $2)",
        "-- LOCK TABLE would stop everybody",
        "CREATE FUNCTION ledger.x() -- no MERGE INTO here",
    ],
)
def test_a_good_statement_passes(statement: str) -> None:
    """What may be said is not reported."""
    assert said_against(statement) == []
