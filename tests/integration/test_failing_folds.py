"""A fact that cannot be folded, or a row that cannot be written, stops its view alone."""

import pytest

from ledger.database import Database, Role
from ledger.errors import ViewStopped
from ledger.recorder import PostgresRecorder
from projections.time_travel import Reader
from tests.projecting import TOTAL, Cells, Total, Totals, record, running, shown, standing


def test_a_fold_that_fails_stops_alone(database: Database, recorder: PostgresRecorder) -> None:
    """Its view says where and why and still answers for the past; the others go on."""
    record(recorder, {"a": 1}, {"a": 2}, {"a": 3, "boom": 1}, {"a": 4})
    running(database, recorder, Cells(), Totals()).catch_up()

    stopped = standing(database, recorder.ledger_id, "cells")
    assert (stopped.position, stopped.stopped_at) == (2, 3)
    assert stopped.stopped_reason is not None
    assert stopped.stopped_reason.startswith("report.submitted ")
    assert "RuntimeError: this fact cannot be folded" in stopped.stopped_reason
    assert standing(database, recorder.ledger_id, "totals").position == 4
    assert shown(database, recorder, 2) == {"a": 2}
    assert shown(database, recorder, 1) == {"a": 1}
    with pytest.raises(ViewStopped, match="stopped before position 3"):
        shown(database, recorder, 3)
    with database.pooled(Role.READER) as connection:
        assert Reader(connection, recorder.ledger_id).position == 4


@pytest.mark.parametrize("alone", [True, False])
def test_a_row_that_cannot_be_written_is_found(
    database: Database, recorder: PostgresRecorder, *, alone: bool
) -> None:
    """PostgreSQL's refusal of a batch stops one projection, at the very fact that caused it."""
    record(recorder, *({f"c{number}": number} for number in range(20)))
    record(recorder, {"c1": 100}, {"huge": 2**63 - 1, "c2": -(2**63) - 1}, {"c1": 102})
    running(database, recorder, Cells(), *(() if alone else (Totals(),))).catch_up()

    stopped = standing(database, recorder.ledger_id, "cells")
    assert (stopped.position, stopped.stopped_at) == (21, 22)
    assert shown(database, recorder, 21)["c1"] == 100
    assert "huge" not in shown(database, recorder, 21)
    if not alone:
        assert standing(database, recorder.ledger_id, "totals").position == 23


@pytest.mark.parametrize("known", [True, False])
def test_a_key_that_cannot_be_looked_up_leaves_no_half_fact(
    database: Database, recorder: PostgresRecorder, *, known: bool
) -> None:
    """A fact is folded whole or not at all, whether its rows were in memory or not."""
    record(recorder, {"a": 1})
    if not known:
        running(database, recorder).catch_up()
    record(recorder, {"a": 2, "hidden\0": 1}, {"a": 3})
    running(database, recorder).catch_up()

    stopped = standing(database, recorder.ledger_id, "cells")
    assert (stopped.position, stopped.stopped_at) == (1, 2)
    assert shown(database, recorder, 1) == {"a": 1}


@pytest.mark.usefixtures("in_small_parts")
def test_what_was_folded_on_unwritten_rows_is_folded_anew(
    database: Database, recorder: PostgresRecorder
) -> None:
    """The batch after one that could not be written stood on rows that are not there."""
    record(recorder, *({"a": number, f"c{number}": number} for number in range(10)))
    record(recorder, {"huge": 2**63})
    record(recorder, *({"a": number} for number in range(20, 40)))
    running(database, recorder, Cells(), Totals()).catch_up()

    assert standing(database, recorder.ledger_id, "cells").position == 10
    assert shown(database, recorder, 10)["a"] == 9
    with database.pooled(Role.READER) as connection:
        reader = Reader(connection, recorder.ledger_id, 31)
        assert reader.get(TOTAL, "U1") == Total("U1", 41)
        assert len(reader.versions(TOTAL, "U1")) == 31
