"""Questions as of a position: one row, lists, counts, histories, and what they cost."""

from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest

from ledger.database import Database, Role
from ledger.errors import TooManyRows, ViewBehind, ViewMissing
from ledger.recorder import PostgresRecorder
from projections import time_travel
from projections.asking import find_statement, get_statement
from projections.intervals import path_to
from projections.runner import Runner
from projections.tables import Table
from projections.time_travel import Range, Reader, Version
from tests.projecting import CELL, Cell, Cells, record


class Asking:
    """A ledger with cells, and a reader of it as of any position."""

    def __init__(
        self, database: Database, recorder: PostgresRecorder, connection: psycopg.Connection
    ) -> None:
        self.recorder = recorder
        self.connection = connection
        self._runner = Runner(database, recorder.ledger_id, recorder, (Cells(),))

    def tell(self, *contents: dict[str, Any], unit: str = "U1") -> int:
        """Record and project; the last position."""
        record(self.recorder, *contents, unit=unit)
        return self._runner.catch_up()

    def at(self, position: int | None = None) -> Reader:
        """A reader as of a position."""
        return Reader(self.connection, self.recorder.ledger_id, position)


@pytest.fixture
def asking(database: Database, recorder: PostgresRecorder) -> Iterator[Asking]:
    """A ledger with cells and nothing in them yet."""
    with database.pooled(Role.READER) as connection:
        asking = Asking(database, recorder, connection)
        asking.tell()
        yield asking


def test_one_row_as_of_each_position(asking: Asking) -> None:
    """A row is what it was, and is not where it was not."""
    asking.tell({"b": 0}, {"a": 1}, {"a": 2}, {"a": None}, {"b": 1}, {"a": 3})
    found = [asking.at(position).get(CELL, "a") for position in range(7)]
    expected = [None, None, Cell("a", "U1", 1), Cell("a", "U1", 2), None, None, Cell("a", "U1", 3)]
    assert expected == found


def test_many_rows_in_one_question(asking: Asking) -> None:
    """Keys that name nothing are left out of the answer."""
    asking.tell({"a": 1, "b": 1}, {"a": 2, "c": 2})
    found = asking.at(1).get_many(CELL, [("a",), ("b",), ("c",)])
    assert found == {("a",): Cell("a", "U1", 1), ("b",): Cell("b", "U1", 1)}
    assert asking.at(1).get_many(CELL, []) == {}


def test_finds_by_each_kind_of_condition(asking: Asking) -> None:
    """A value, several values, a range, nothing, and all of them together."""
    asking.tell({"a": 1, "b": 2, "c": 3}, unit="U1")
    asking.tell({"d": 4, "e": 5, "f": "words"}, unit="U2")
    asking.tell({"a": 9, "b": None, "f": 6}, unit="U3")

    def names(position: int, **where: object) -> str:
        return "".join(row.name for row in asking.at(position).find(CELL, where))

    assert names(2) == "abcdef"
    assert names(3) == "acdef"
    assert names(2, unit="U1") == "abc"
    assert names(3, unit="U1") == "c"
    assert names(3, unit=["U1", "U3"]) == "acf"
    assert names(2, value=Range(2, 5)) == "bcd"
    assert names(3, value=Range(at_least=5)) == "aef"
    assert names(3, value=Range(below=4)) == "c"
    assert names(2, note="words") == "f"
    assert names(3, note="words") == ""
    assert names(2, note=None, unit="U2") == "de"
    assert names(2, name=("a", "f"), value=Range(below=2)) == "a"
    assert names(0) == ""


def test_pages_in_the_order_of_keys(asking: Asking) -> None:
    """Page by page gives the whole list, whatever is projected in between."""
    asking.tell({f"c{number:02}": number for number in range(10)})
    reader, pages, beyond = asking.at(), [], None
    while page := reader.find(CELL, {"unit": "U1"}, limit=4, beyond=beyond):
        pages.append([row.value for row in page])
        beyond = (page[-1].name,)
        asking.tell({f"c{number:02}": 99 for number in range(0, 10, 3)} | {"c05": None})
    assert pages == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_counts_and_tallies(asking: Asking) -> None:
    """Rows are counted where they stand."""
    asking.tell({"a": 1, "b": 2}, unit="U1")
    asking.tell({"b": 3, "c": 3}, unit="U2")
    assert asking.at(1).count(CELL) == 2
    assert asking.at(2).count(CELL) == 3
    assert asking.at(2).count(CELL, {"unit": "U2"}) == 2
    assert asking.at(1).tally(CELL, ("unit",)) == {("U1",): 2}
    assert asking.at(2).tally(CELL, ("unit", "value")) == {("U1", 1): 1, ("U2", 3): 2}
    assert asking.at(0).count(CELL) == 0


def test_every_version_of_a_row(asking: Asking) -> None:
    """The history of a row ends at the position asked for."""
    asking.tell({"a": 1}, {"b": 1}, {"a": 2}, {"a": None}, {"a": 3})
    one, two, three = (Cell("a", "U1", value) for value in (1, 2, 3))
    assert asking.at(5).versions(CELL, "a") == [
        Version(one, 1, 3),
        Version(two, 3, 4),
        Version(three, 5, None),
    ]
    assert asking.at(3).versions(CELL, "a") == [Version(one, 1, 3), Version(two, 3, None)]


def test_an_answer_of_the_past_never_changes(asking: Asking) -> None:
    """A reader keeps its position while facts go on."""
    asking.tell({"a": 1})
    reader = asking.at()
    before = reader.find(CELL)
    asking.tell({"a": 2}, {"a": None})
    assert reader.position == 1
    assert reader.find(CELL) == before


def test_text_comes_back_as_it_was(asking: Asking) -> None:
    """No character of a value is lost or changed, in keys, in columns and in the row."""
    awkward = ['quote"s', "tab\t", "line\nend", "back\\slash", "汉字", "\\N", "", "a\rb", "'; --"]
    content = {f"{text}{number}": text for number, text in enumerate(awkward)}
    asking.tell(content, {name: f"{text}." for name, text in content.items()})
    for position, ending in ((1, ""), (2, ".")):
        reader = asking.at(position)
        found = {row.name: row.note for row in reader.find(CELL)}
        assert found == {name: f"{text}{ending}" for name, text in content.items()}
        for name, text in content.items():
            assert [row.name for row in reader.find(CELL, {"note": f"{text}{ending}"})] == [name]
            found_row = reader.get(CELL, name)
            assert found_row is not None
            assert found_row.note == f"{text}{ending}"


def test_the_future_is_refused(asking: Asking) -> None:
    """A position that was not projected yet is no answer but a reason to wait."""
    asking.tell({"a": 1})
    with pytest.raises(ViewBehind, match="stands at 1, not yet at 2"):
        asking.at(2).get(CELL, "a")
    with pytest.raises(ViewBehind):
        asking.at(2).find(CELL)


def test_what_was_never_built_is_said(asking: Asking) -> None:
    """A table that no projection of this ledger keeps is named."""
    with pytest.raises(ViewMissing, match="other"):
        asking.at().get(Table("other", Cell, key=("name",)), "a")


def test_rows_are_found_by_declared_columns_only(asking: Asking) -> None:
    """A question that no index can answer is a defect of the program, found at once."""

    class Wide(msgspec.Struct, frozen=True):
        name: str
        extra: int

    wide = Table("cell", Wide, key=("name",))
    with pytest.raises(AssertionError, match="extra"):
        asking.at().find(wide, {"extra": 1})


def test_an_answer_has_a_limit(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than one answer may hold are refused, not cut off silently."""
    monkeypatch.setattr(time_travel, "ROWS_MAX", 3)
    asking.tell(dict.fromkeys("abcd", 1))
    with pytest.raises(TooManyRows):
        asking.at().find(CELL)
    assert len(asking.at().find(CELL, limit=4)) == 4


HISTORY_ROWS = 20_000


@pytest.fixture
def long_ago(asking: Asking) -> Asking:
    """Five cells of one unit among many, each changed thousands of times."""
    step = 500
    for start in range(0, HISTORY_ROWS // 10, step):
        record(
            asking.recorder,
            *({f"c{cell}": number for cell in range(10)} for number in range(start, start + step)),
        )
    asking.tell({f"other{number}": number for number in range(2_000)}, unit="U2")
    asking.connection.execute("SELECT 1")
    return asking


def _visited(asking: Asking, statement: psycopg.sql.Composed, arguments: dict[str, Any]) -> int:
    """The rows that a statement visits, found or thrown away, and no table read whole."""
    plan = asking.connection.execute(
        psycopg.sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) ") + statement, arguments
    ).fetchone()
    assert plan is not None
    return sum(_rows_of(node) for node in _nodes(plan[0][0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _rows_of(node: dict[str, Any]) -> int:
    assert node["Node Type"] != "Seq Scan", node
    if "Index" not in node["Node Type"]:
        return 0
    thrown = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int((node["Actual Rows"] + thrown) * node["Actual Loops"])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.999])
def test_the_past_is_read_by_index(long_ago: Asking, share: float) -> None:
    """Twenty thousand versions do not matter to a question about ten rows, at any position."""
    head = long_ago.at().position
    position = max(1, int(head * share))
    shared = {"ledger_id": long_ago.recorder.ledger_id, "position": position}
    get = get_statement(CELL, 1)
    assert _visited(long_ago, get, {**shared, "key_0": ["c3"]}) <= 2

    find = find_statement(CELL, 1, (("unit", "is"),), beyond=False)
    path = path_to(position, head)
    asked = {**shared, "unit_is": "U1", "path": path, "limit": 100}
    assert len(long_ago.at(position).find(CELL, {"unit": "U1"})) == 10
    # Ten rows that hold now, not older than the position or thrown away, and ten that held.
    assert _visited(long_ago, find, asked) <= 30
