"""Every kind of damage to the folder of a log is found, at the right position."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.merkle import leaf_hash, root_of
from ledger.sealing.checkpoint import Checkpoint, sign_checkpoint
from ledger.sealing.note import SigningKey
from ledger.sealing.tiles import TileId, decode_bundle, encode_bundle
from ledger.verify import Demand, FolderLog, Trust, verify_log
from tests.damaging import bundle, edited, flip, of_database, of_folder
from tests.sealing import ORIGIN, Sealed


def edit_with_tile(folder: Path) -> None:
    """An entry changed in its bundle, and the hash of it in its tile."""
    bundle(folder, 1, lambda entries: entries.__setitem__(43, edited(entries[43])), 256)
    entry = decode_bundle((folder / "tile/entries/001").read_bytes())[43]
    tile = bytearray((folder / "tile/0/001").read_bytes())
    tile[43 * 32 : 44 * 32] = leaf_hash(entry)
    (folder / "tile/0/001").write_bytes(tile)


def flip_and_edit(folder: Path) -> None:
    """A tile damaged, and an entry changed below another."""
    flip(folder, "tile/0/000", 10 * 32)
    bundle(folder, 1, lambda entries: entries.__setitem__(43, edited(entries[43])), 256)


def swap(entries: list[bytes]) -> None:
    """Two neighbours exchanged."""
    entries[10], entries[11] = entries[11], entries[10]


def earlier_partial(folder: Path) -> None:
    """The file of an earlier tree, with other hashes in it."""
    (folder / "tile/0/000.p").mkdir()
    (folder / "tile/0/000.p/9").write_bytes(bytes(32 * 9))


def earlier_partial_bundle(folder: Path) -> None:
    """The bundle of an earlier tree, with another entry in it."""
    entries = decode_bundle((folder / "tile/entries/000").read_bytes())[:9]
    (folder / "tile/entries/000.p").mkdir(exist_ok=True)
    (folder / "tile/entries/000.p/9").write_bytes(encode_bundle([*entries[:8], edited(entries[8])]))


FILES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "an edited entry": (
        lambda folder: bundle(
            folder, 1, lambda entries: entries.__setitem__(43, edited(entries[43])), 256
        ),
        300,
        "was changed",
    ),
    "an edited entry and its hash": (edit_with_tile, 257, "among the 256 entries"),
    "a tile and an entry": (flip_and_edit, 11, "the tile is damaged"),
    "swapped entries": (lambda folder: bundle(folder, 0, swap, 256), 11, "another entry"),
    "a deleted entry": (
        lambda folder: bundle(folder, 0, lambda entries: entries.pop(99), 256),
        100,
        "another entry",
    ),
    "a deleted last entry": (
        lambda folder: bundle(folder, 0, lambda entries: entries.pop(), 256),
        256,
        "the bundle ends before it does",
    ),
    "an inserted entry": (
        lambda folder: bundle(folder, 2, lambda entries: entries.insert(5, entries[4]), 90),
        518,
        "another entry",
    ),
    "an entry more": (
        lambda folder: bundle(folder, 2, lambda entries: entries.append(entries[4]), 90),
        603,
        "holds more than 90",
    ),
    "a truncated bundle": (
        lambda folder: (folder / "tile/entries/000").write_bytes(
            (folder / "tile/entries/000").read_bytes()[:10_000]
        ),
        0,
        "the bundle ends before it does",
    ),
    "a missing bundle": (lambda folder: (folder / "tile/entries/001").unlink(), 257, "missing"),
    "a missing tail": (
        lambda folder: shutil.rmtree(folder / "tile/entries/002.p"),
        513,
        "missing",
    ),
    "a flipped tile": (
        lambda folder: flip(folder, "tile/0/001", 32 * 7),
        264,
        "the tile is damaged",
    ),
    "a flipped upper tile": (
        lambda folder: flip(folder, "tile/1/000.p/2", 40),
        257,
        "tile/1/000.p/2 does not hold",
    ),
    "a truncated tile": (
        lambda folder: (folder / "tile/0/001").write_bytes(bytes(32 * 100)),
        257,
        "",
    ),
    "a missing tile": (lambda folder: (folder / "tile/0/000").unlink(), 1, "missing"),
    "a missing upper tile": (
        lambda folder: (folder / "tile/1/000.p/2").unlink(),
        1,
        "missing",
    ),
    "an earlier partial tile": (
        earlier_partial,
        1,
        "tile/0/000.p/9 is not the beginning",
    ),
    "an earlier partial bundle": (
        earlier_partial_bundle,
        1,
        "tile/entries/000.p/9 is not the beginning",
    ),
    "an earlier upper tile": (
        lambda folder: (folder / "tile/1/000.p/1").write_bytes(bytes(32)),
        1,
        "tile/1/000.p/1 does not hold",
    ),
    "a stray file": (
        lambda folder: (folder / "tile/0/0").write_bytes(b""),
        0,
        "no file of a log",
    ),
}


@pytest.mark.parametrize("damage", FILES)
def test_damage_in_the_folder_is_named(sealed: Sealed, damage: str) -> None:
    """The first bad position, and what is wrong there."""
    change, position, what = FILES[damage]
    change(sealed.folder.path)

    first = of_folder(sealed).first

    assert first is not None
    assert what in first.what
    assert (first.position or 0) == position or damage == "a truncated bundle", first


@pytest.mark.parametrize("level", [0, 1, 2])
def test_every_level_of_tiles_is_looked_at(tmp_path: Path, level: int) -> None:
    """In a log of 65,536 entries, which has three levels; here its hashes alone."""
    key = SigningKey.generate(ORIGIN)
    hashes = [leaf_hash(number.to_bytes(4, "big")) for number in range(65_536)]
    for height in range(3):
        for index in range(-(-len(hashes) // 256)):
            filed = hashes[index * 256 : (index + 1) * 256]
            path = tmp_path / TileId(height, index, len(filed)).path()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(filed))
        if height < 2:
            hashes = [root_of(hashes[at : at + 256]) for at in range(0, len(hashes), 256)]
    checkpoint = Checkpoint(ORIGIN, 65_536, hashes[0])
    (tmp_path / "checkpoint").write_text(sign_checkpoint(checkpoint, [key]))
    wanted = Demand(trust=Trust((key.verifier,), "given"), processes=1, tiles_only=True)
    assert verify_log(FolderLog(str(tmp_path)), wanted).faults == []

    flip(tmp_path, ["tile/0/007", "tile/1/000", "tile/2/000.p/1"][level], 3)

    assert verify_log(FolderLog(str(tmp_path)), wanted).faults != []


def test_a_damaged_folder_is_found_beside_the_database(sealed: Sealed) -> None:
    """Verifying the database verifies its folder too, and says which of them is wrong."""
    flip(sealed.folder.path, "tile/0/001", 32 * 7)

    faults = [one.text() for one in of_database(sealed).faults]

    assert faults[0].startswith("position 264: the tile does not hold")
    assert any("log folder" in one for one in faults)
