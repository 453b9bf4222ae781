"""The projector: catching up, following, and those who wait for it.

Read next: `test_leading.py` (who leads), `test_failing_folds.py` (what cannot be folded),
`test_changed_folds.py` (code that folds otherwise).
"""

import threading
import time
from contextlib import closing

import pytest

from ledger.codec import decode
from ledger.database import Database, Role, connect_as_login
from ledger.entry import Event
from ledger.errors import LeadershipLost, ViewBehind, ViewMissing
from ledger.recorder import PostgresRecorder
from projections import leading, positions
from projections.leading import Lead
from projections.positions import Standing
from projections.tables import Rows
from projections.time_travel import Reader
from tests.projecting import (
    CELL,
    PATIENCE_SECONDS,
    TOTAL,
    Cell,
    Cells,
    Total,
    Totals,
    following,
    record,
    running,
    shown,
    standing,
    wait_for_position,
)


def test_catches_up_from_where_it_was(database: Database, recorder: PostgresRecorder) -> None:
    """Each start goes on from the saved position and folds no fact twice."""
    folded: list[int] = []
    cells = Cells(after=lambda event: folded.append(event.position))
    record(recorder, {"a": 1}, {"a": 2, "b": 1})
    assert running(database, recorder, cells).catch_up() == 2
    record(recorder, {"b": None})
    assert running(database, recorder, cells).catch_up() == 3

    assert folded == [1, 2, 3]
    assert shown(database, recorder) == {"a": 2}
    assert shown(database, recorder, 2) == {"a": 2, "b": 1}
    assert standing(database, recorder.ledger_id, "cells").position == 3


def test_an_empty_ledger_is_caught_up_with(database: Database, recorder: PostgresRecorder) -> None:
    """Nothing recorded is nothing to fold."""
    assert running(database, recorder).catch_up() == 0
    assert shown(database, recorder) == {}


def test_follows_and_says_how_far_it_is(database: Database, recorder: PostgresRecorder) -> None:
    """A reader that waits for its own write sees it."""
    projector = running(database, recorder)
    with following(projector):
        for number in range(1, 6):
            wait_for_position(projector, record(recorder, {"a": number}))
            assert shown(database, recorder) == {"a": number}
        assert projector.progress.projected_position(["cells"]) == 5


def test_waiting_ends(database: Database, recorder: PostgresRecorder) -> None:
    """Who waits for what does not come is told so in time, and who asks for no view at once."""
    projector = running(database, recorder)
    with pytest.raises(ViewMissing):
        projector.progress.wait_for(1, PATIENCE_SECONDS)
    projector.catch_up()
    began = time.monotonic()
    with pytest.raises(ViewBehind, match="stands at 0, not yet at 1"):
        projector.progress.wait_for(1, 0.1)
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    with pytest.raises(ViewMissing, match="nonsense"):
        projector.progress.wait_for(0, 0.1, ["nonsense"])


def test_many_wait_with_few_questions(database: Database, recorder: PostgresRecorder) -> None:
    """Those who wait at the same time share what one of them asks."""
    projector = running(database, recorder)
    projector.catch_up()
    asked = 0
    ask = projector.progress.standings

    def counting() -> list[Standing]:
        nonlocal asked
        asked += 1
        return ask()

    projector.progress.standings = counting  # type: ignore[method-assign]
    record(recorder, {"a": 1})
    waiting = [
        threading.Thread(target=projector.progress.wait_for, args=(1, PATIENCE_SECONDS))
        for _ in range(40)
    ]
    began = time.monotonic()
    for thread in waiting:
        thread.start()
    time.sleep(0.3)
    asked_meanwhile, seconds = asked, time.monotonic() - began
    projector.catch_up()
    for thread in waiting:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()

    assert asked_meanwhile <= seconds / positions._POLL_SHARED_SECONDS + 1


def test_facts_are_decoded_once_for_all(database: Database, recorder: PostgresRecorder) -> None:
    """Projections that stand together share one scan."""
    decoded: list[bytes] = []

    def counting(entry: bytes) -> Event:
        decoded.append(entry)
        return decode(entry)

    record(recorder, *({"a": number} for number in range(25)))
    running(database, recorder, Cells(), Totals(), decoding=counting).catch_up()

    assert len(decoded) == 25
    with database.pooled(Role.READER) as connection:
        reader = Reader(connection, recorder.ledger_id)
        assert reader.get(TOTAL, "U1") == Total("U1", 25)
        assert reader.get(CELL, "a") == Cell("a", "U1", 24)


def test_a_new_projection_catches_up_alone_and_joins(
    database: Database, recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it does, the others stay served."""
    monkeypatch.setattr(leading, "BATCH_EVENTS", 10)
    order: list[tuple[str, int]] = []
    cells = Cells(after=lambda event: order.append(("cells", event.position)))
    record(recorder, *({"a": number} for number in range(30)))
    running(database, recorder, cells).catch_up()
    record(recorder, *({"a": number} for number in range(30, 35)))

    class Late(Totals):
        def fold(self, event: Event, rows: Rows) -> None:
            order.append(("late", event.position))
            super().fold(event, rows)

    assert running(database, recorder, cells, Late()).catch_up() == 35
    assert [one for one in order if one[0] == "cells"] == [("cells", n) for n in range(1, 36)]
    assert [one for one in order if one[0] == "late"] == [("late", n) for n in range(1, 36)]
    # The new facts were folded for the old view before the new view had seen half of the past.
    assert order.index(("cells", 35)) < order.index(("late", 21))


@pytest.mark.usefixtures("in_small_parts")
def test_rows_survive_every_boundary(database: Database, recorder: PostgresRecorder) -> None:
    """Batches, slices, forgotten rows and restarts change nothing."""
    contents = [
        {f"{'hidden' if number % 3 else 'cell'}{number % 23}": None if number % 11 == 0 else number}
        for number in range(300)
    ]
    expected: dict[str, int] = {}
    for part in range(0, 300, 100):
        record(recorder, *contents[part : part + 100])
        running(database, recorder).catch_up()
        for content in contents[part : part + 100]:
            for name, value in content.items():
                expected.pop(name, None)
                if value is not None:
                    expected[name] = value
        assert shown(database, recorder) == expected


def test_a_batch_is_saved_once(database: Database, recorder: PostgresRecorder) -> None:
    """A save that starts from a position which is no longer the saved one is refused."""
    record(recorder, {"a": 1})
    with closing(Lead(database, recorder.ledger_id, recorder, (Cells(),), decode)) as lead:
        stored = recorder.read().events
        lead.advance(stored)
        lead.finish()
        lead._foldings[0].begin(0)
        lead.advance(stored)
        with pytest.raises(LeadershipLost):
            lead.finish()


def test_the_reader_may_read_and_only_the_projector_write(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Views are written by no other role."""
    record(recorder, {"a": 1})
    running(database, recorder).catch_up()
    for role in (Role.READER, Role.WRITER):
        with connect_as_login(database.url) as connection:
            connection.execute(f"SET ROLE {role}")
            with pytest.raises(Exception, match="permission denied"):
                connection.execute("UPDATE views.cell SET value = 0")
            with pytest.raises(Exception, match="permission denied"):
                connection.execute("UPDATE ledger.projection SET position = 0")
