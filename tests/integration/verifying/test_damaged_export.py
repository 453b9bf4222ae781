"""An export is accepted while it is sound, and its damage is found at the right line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.verify import Report, verify_export
from tests.damaging import SIZE, demand, edited, kept
from tests.sealing import Sealed


@pytest.fixture
def export(sealed: Sealed, tmp_path: Path) -> Path:
    """Every entry as a line."""
    file = tmp_path / "entries.ndjson"
    pages = sealed.recorder.stream()
    file.write_bytes(b"".join(one.entry + b"\n" for page in pages for one in page))
    return file


def of_export(sealed: Sealed, export: Path, *, beside: bool = True, **more: Any) -> Report:
    """The export verified; `beside` lets the tiles say which line is wrong."""
    path = sealed.folder.path / "checkpoint"
    if not beside:
        path = Path(shutil.copy(path, export.parent / "checkpoint"))
    return verify_export(export, demand(sealed, **more), kept(path))


def lines(export: Path, change: Callable[[list[bytes]], object]) -> None:
    """Change the lines of an export."""
    entries = export.read_bytes().splitlines()
    change(entries)
    export.write_bytes(b"".join(entry + b"\n" for entry in entries))


LINES: dict[str, tuple[Callable[[list[bytes]], object], int, int, str]] = {
    # the change, the position that is named without tiles and with them, what is said
    "an edited line": (lambda all_: all_.__setitem__(299, edited(all_[299])), 0, 300, ""),
    "swapped lines": (
        lambda all_: all_.insert(40, all_.pop(41)),
        41,
        41,
        "another entry stands here",
    ),
    "a deleted line": (lambda all_: all_.pop(99), 100, 100, "another entry stands here"),
    "an inserted line": (lambda all_: all_.insert(99, all_[98]), 100, 100, "another entry"),
    "a deleted tail": (lambda all_: all_.__delitem__(slice(590, None)), 591, 591, "ends here"),
    "an empty line": (lambda all_: all_.insert(5, b""), 6, 6, "another entry"),
}


@pytest.mark.parametrize("damage", LINES)
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "with tiles"])
def test_damage_in_an_export_is_named(
    sealed: Sealed, export: Path, damage: str, *, beside: bool
) -> None:
    """The first bad line; an edit that only hashes can tell needs the log's tiles to be named."""
    change, alone, with_tiles, what = LINES[damage]
    lines(export, change)

    first = of_export(sealed, export, beside=beside).first

    assert first is not None
    assert (first.position or 0) == (with_tiles if beside else alone), first
    assert what in first.what


def test_a_sound_export_is_accepted(sealed: Sealed, export: Path, tmp_path: Path) -> None:
    """Against the newest checkpoint, a kept one, or none, which is said."""
    report = of_export(sealed, export, kept=(kept(tmp_path / "kept"),))
    assert (report.faults, report.root) == ([], sealed.published().root.hex())
    assert report.kept[0].consistent
    alone = verify_export(export, demand(sealed))
    assert alone.faults == []
    assert any("NOT compared with any checkpoint" in note for note in alone.notes)
    old = verify_export(export, demand(sealed, kept=(kept(tmp_path / "kept"),)))
    assert (old.faults, old.kept[0].consistent) == ([], True)


def test_an_export_is_held_to_what_was_kept(sealed: Sealed, export: Path, tmp_path: Path) -> None:
    """With kept checkpoints and no other: an export that ends before one, or forks from one."""
    newest = kept(sealed.folder.path / "checkpoint")
    lines(export, lambda all_: all_.__delitem__(slice(590, None)))

    for keeping in ((newest,), (kept(tmp_path / "kept"), newest)):
        first = verify_export(export, demand(sealed, kept=keeping)).first
        assert first is not None
        assert (first.position, "ends here" in first.what) == (591, True)

    lines(export, lambda all_: all_.__setitem__(7, edited(all_[7])))
    first = verify_export(export, demand(sealed, kept=(kept(tmp_path / "kept"),))).first
    assert first is not None
    assert first.what.startswith("FORK")


def test_an_export_cut_within_a_line_is_found(sealed: Sealed, export: Path) -> None:
    """Every line ends, the last one too."""
    export.write_bytes(export.read_bytes()[:-1])

    first = of_export(sealed, export).first
    assert first is not None
    assert first.position == SIZE
