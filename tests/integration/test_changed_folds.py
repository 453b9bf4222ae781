"""Code that folds otherwise: mended code resumes, another fold or shape needs a new version."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.codec import decode
from ledger.database import Database, Role, connect_as_login
from ledger.entry import Event
from ledger.errors import FoldChanged, ShapeChanged, ViewBehind
from ledger.recorder import PostgresRecorder
from projections import leading
from projections.building import fingerprints
from projections.building.builds import require_same_folds
from projections.building.fingerprints import fingerprint_of, register
from projections.tables import Projection, Rows, Table
from projections.time_travel import Reader
from tests.projecting import (
    CELL,
    TOTAL,
    Cell,
    Cells,
    Total,
    Totals,
    record,
    running,
    shown,
    standing,
    values,
)


@pytest.fixture
def alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Enters projections of one name and version into a register of folds, as alike."""

    def enter(*projections: Projection) -> None:
        prints = ", ".join(f'"{fingerprint_of(one)}"' for one in projections)
        file = tmp_path / "folds.toml"
        name, version = projections[0].name, projections[0].version
        file.write_text(f"[{name}]\nversion = {version}\nalike = [{prints}]\n")
        monkeypatch.setattr(fingerprints, "REGISTER", file)
        register.cache_clear()

    yield enter
    register.cache_clear()


def test_mended_code_resumes(
    database: Database, recorder: PostgresRecorder, alike: Callable[..., None]
) -> None:
    """A stopped projection tries again at the next start, from where it stopped."""

    class Mended(Cells):
        def fold(self, event: Event, rows: Rows) -> None:
            if event.position != 2:
                super().fold(event, rows)

    record(recorder, {"a": 1}, {"boom": 1}, {"a": 3})
    running(database, recorder).catch_up()
    alike(Cells(), Mended())
    assert running(database, recorder, Mended()).catch_up() == 3
    assert shown(database, recorder) == {"a": 3}
    assert standing(database, recorder.ledger_id, "cells").stopped_at is None


def test_a_mended_view_takes_nobody_back(
    database: Database,
    recorder: PostgresRecorder,
    alike: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it catches up, now stays where the other views are; then it counts again."""
    monkeypatch.setattr(leading, "BATCH_EVENTS", 3)
    seen: list[tuple[int, int]] = []

    class Mended(Cells):
        def fold(self, event: Event, rows: Rows) -> None:
            if event.position != 2:
                super().fold(event, rows)

    def looking(entry: bytes) -> Event:
        with database.pooled(Role.READER) as connection:
            now = Reader(connection, recorder.ledger_id).position
        seen.append((now, standing(database, recorder.ledger_id, "cells").position))
        return decode(entry)

    head = record(recorder, {"a": 1}, {"boom": 1}, *({"a": number} for number in range(20)))
    running(database, recorder, Cells(), Totals()).catch_up()
    alike(Cells(), Mended())
    running(database, recorder, Mended(), Totals(), decoding=looking).catch_up()

    assert {now for now, _ in seen} == {head}
    assert len({position for _, position in seen}) > 3
    assert standing(database, recorder.ledger_id, "cells").stopped_at is None
    assert shown(database, recorder) == {"a": 19}


def test_a_changed_shape_needs_a_new_version(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Rows of another shape do not mix with those that are stored."""
    record(recorder, {"a": 1})
    running(database, recorder).catch_up()
    narrower = Table("cell", Cell, key=("name",))
    with pytest.raises(ShapeChanged, match="raise its version"):
        running(database, recorder, Cells(cell=narrower)).catch_up()


def test_a_changed_fold_needs_a_new_version(
    database: Database,
    recorder: PostgresRecorder,
    simulated_recorder: PostgresRecorder,
    alike: Callable[..., None],
) -> None:
    """Rows of two folds do not mix, in no ledger; what folds alike goes on, a new version too."""

    class Otherwise(Cells):
        def fold(self, event: Event, rows: Rows) -> None:
            super().fold(event, rows)
            rows.put(CELL, Cell("last", "U1", event.position))

    record(recorder, {"a": 1})
    running(database, recorder).catch_up()
    for one in (recorder, simulated_recorder):
        with pytest.raises(FoldChanged, match="projection cells folds otherwise than version 1"):
            running(database, one, Otherwise()).catch_up()
    with pytest.raises(FoldChanged, match="raise its version"):
        require_same_folds(database, [Totals(), Otherwise()])
    require_same_folds(database, [Totals(), Cells(), Otherwise(version=2)])
    assert shown(database, recorder) == {"a": 1}
    assert running(database, recorder).catch_up() == 1

    assert running(database, recorder, Otherwise(version=2)).catch_up() == 1
    assert shown(database, recorder) == {"a": 1, "last": 1}
    alike(Cells(), Otherwise())
    require_same_folds(database, [Otherwise()])


UNTOLD = "UPDATE ledger.projection SET fingerprint = NULL, shape = '' RETURNING fingerprint"


def test_a_build_from_before_there_were_fingerprints_is_told_its_own(
    database: Database, recorder: PostgresRecorder
) -> None:
    """The first projector that goes on with it says which fold and shape it has."""

    class Otherwise(Cells):
        def fold(self, event: Event, rows: Rows) -> None:
            del event, rows

    running(database, recorder).catch_up()
    with connect_as_login(database.url) as admin:
        admin.execute(UNTOLD)
    running(database, recorder).catch_up()
    with pytest.raises(FoldChanged):
        running(database, recorder, Otherwise()).catch_up()
    with pytest.raises(ShapeChanged):
        running(database, recorder, Cells(cell=Table("cell", Cell, key=("name",)))).catch_up()


def test_a_new_version_is_built_beside_and_then_serves(
    database: Database, recorder: PostgresRecorder, simulated_recorder: PostgresRecorder
) -> None:
    """Until the new build has caught up the old one answers, and who began with it keeps it."""
    record(recorder, {"a": 1}, {"a": 2})
    running(database, recorder).catch_up()
    narrower = Table("cell", Cell, key=("name",), indexed=((),))
    with database.pooled(Role.READER) as connection:
        old = Reader(connection, recorder.ledger_id)
        stopped = running(database, recorder, Cells(version=2, cell=narrower))
        stopped.stop()
        stopped.catch_up()
        assert shown(database, recorder) == {"a": 2}
        assert standing(database, recorder.ledger_id, "cells").position == 0

        running(database, recorder, Cells(version=2, cell=narrower)).catch_up()
        assert old.count(CELL, {"unit": "U1"}) == 1
        latest = standing(database, recorder.ledger_id, "cells")
        assert (latest.version, latest.generation, latest.serving) == (2, 2, True)
        assert values(connection, recorder.ledger_id, 1, narrower) == {"a": 1}
        # A ledger that begins later has the same tables for the same version.
        running(database, simulated_recorder, Cells(version=2, cell=narrower)).catch_up()
        assert standing(database, simulated_recorder.ledger_id, "cells").generation == 2


def test_a_new_view_of_an_old_ledger_serves_when_it_has_caught_up(
    database: Database, recorder: PostgresRecorder
) -> None:
    """What every view has reached never goes back because a view was added."""
    record(recorder, {"a": 1}, {"a": 2})
    running(database, recorder).catch_up()
    stopped = running(database, recorder, Cells(), Totals())
    stopped.stop()
    stopped.catch_up()

    assert shown(database, recorder) == {"a": 2}
    assert stopped.progress.projected_position() == 2
    with database.pooled(Role.READER) as connection:
        with pytest.raises(ViewBehind, match="is being built and stands at 0"):
            Reader(connection, recorder.ledger_id).get(TOTAL, "U1")
        running(database, recorder, Cells(), Totals()).catch_up()
        assert Reader(connection, recorder.ledger_id).get(TOTAL, "U1") == Total("U1", 2)
