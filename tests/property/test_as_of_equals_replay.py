"""The rows as of every position are those of a replay to it, wherever batches and restarts fall."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.codec import decode
from ledger.database import Database, Role
from ledger.recorder import PostgresRecorder, create_ledger
from projections import leading, saving
from projections.folding import fold_all
from projections.runner import Runner
from projections.time_travel import Reader
from tests.projecting import CELL, TOTAL, Cell, Cells, Content, Total, Totals, record

NAMES = ("a", "b", "hidden1", "hidden2", "c\t'\\")

contents = st.dictionaries(
    st.sampled_from(NAMES),
    st.one_of(st.none(), st.integers(0, 3), st.text("x\t\\é", max_size=2)),
    max_size=3,
)
"""What one fact says; few names and values, so that rows come, go, and come back the same."""

runs = st.lists(st.lists(contents, max_size=12), min_size=1, max_size=4)
"""What is recorded before each start of the projector."""


@pytest.fixture
def small_parts() -> Iterator[pytest.MonkeyPatch]:
    """A way to change the sizes of batches for each example."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def replays(contents: list[Content], unit: str) -> Iterator[tuple[dict[str, Cell], int]]:
    """The plain truth: cells and count of writes after each fact."""
    cells: dict[str, Cell] = {}
    written = 0
    yield dict(cells), written
    for content in contents:
        for name, value in content.items():
            cells.pop(name, None)
            if isinstance(value, str):
                cells[name] = Cell(name, unit, len(value), value)
            elif value is not None:
                cells[name] = Cell(name, unit, value)
        written += len(content)
        yield dict(cells), written


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    told=runs,
    sizes=st.tuples(st.integers(1, 9), st.sampled_from([1, 4, 1000]), st.sampled_from([0, 100])),
)
def test_as_of_equals_replay(
    database: Database,
    small_parts: pytest.MonkeyPatch,
    told: list[list[Content]],
    sizes: tuple[int, int, int],
) -> None:
    """Every row, list, count and history as of every position equals a replay, now included."""
    batch, kept, one_by_one = sizes
    small_parts.setattr(leading, "BATCH_EVENTS", batch)
    small_parts.setattr(leading, "SLICE_EVENTS", max(1, batch // 2))
    small_parts.setattr(leading, "ROWS_KEPT_MAX", kept)
    small_parts.setattr(saving, "_UPDATES_ONE_BY_ONE", one_by_one)
    ledger_id = create_ledger(database, _fresh_name(database), simulated=False)
    recorder = PostgresRecorder(database, ledger_id)
    everything: list[Content] = []
    try:
        for contents in told:
            record(recorder, *contents)
            everything += contents
            Runner(database, ledger_id, recorder, (Cells(), Totals())).catch_up()
        _compare(database, recorder, everything)
    finally:
        recorder.close()


def _fresh_name(database: Database) -> str:
    with database.pooled(Role.READER) as connection:
        (count,) = connection.execute("SELECT count(*) FROM ledger.ledger").fetchone() or (0,)
    return f"example-{count}"


def _compare(database: Database, recorder: PostgresRecorder, everything: list[Content]) -> None:
    ends: dict[int, dict[str, Cell]] = {}
    with database.pooled(Role.READER) as connection:
        for position, (cells, written) in enumerate(replays(everything, "U1")):
            reader = Reader(connection, recorder.ledger_id, position)
            ends[position] = cells
            assert reader.find(CELL) == [cells[name] for name in sorted(cells)]
            assert reader.get_many(CELL, [(name,) for name in NAMES]) == {
                (name,): cell for name, cell in cells.items()
            }
            assert reader.find(CELL, {"unit": "U1", "value": 1}) == [
                cells[name] for name in sorted(cells) if cells[name].value == 1
            ]
            assert reader.count(CELL, {"note": None}) == sum(
                cell.note is None for cell in cells.values()
            )
            total = reader.get(TOTAL, "U1")
            assert total == (Total("U1", written) if position else None)
        latest = Reader(connection, recorder.ledger_id)
        assert latest.position == len(everything)
        assert {row.name: row for row in latest.find(CELL)} == ends[len(everything)]
        for name in NAMES:
            _versions_tell_the_same(latest, name, ends)
    _fold_alone_tells_the_same(recorder, ends[len(everything)])


def _versions_tell_the_same(latest: Reader, name: str, ends: dict[int, dict[str, Cell]]) -> None:
    """The history of a row covers exactly the positions at which it was, without empty versions."""
    covered: dict[int, Cell] = {}
    before = None
    for version in latest.versions(CELL, name):
        until = version.valid_to or len(ends)
        assert version.valid_from < until
        assert before is None or before.valid_to != version.valid_from or before.row != version.row
        covered |= dict.fromkeys(range(version.valid_from, until), version.row)
        before = version
    assert covered == {at: cells[name] for at, cells in ends.items() if name in cells}


def _fold_alone_tells_the_same(recorder: PostgresRecorder, cells: dict[str, Cell]) -> None:
    """The same fold in memory alone gives the rows that hold now."""
    events = [decode(one.entry) for page in recorder.stream() for one in page]
    rows = fold_all(Cells(), events)
    assert {name: row for name in NAMES if (row := rows.get(CELL, name))} == cells
