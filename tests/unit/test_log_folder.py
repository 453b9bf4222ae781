"""The folder of a log and the right edge of its tree: whole files, and the right ones."""

import errno
import os
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ledger.errors import NotFound, SealerLeading, TileError
from ledger.merkle import EMPTY_ROOT, HASH_BYTES, CompactRange, leaf_hash, root_of
from ledger.sealing.checkpoint import Checkpoint, sign_checkpoint
from ledger.sealing.folder import DRAFT, LogFolder, State, log_folder
from ledger.sealing.frontier import Frontier
from ledger.sealing.note import SigningKey
from ledger.sealing.tiles import (
    TILE_WIDTH,
    TileId,
    decode_bundle,
    encode_bundle,
    parse_path,
    partial_widths,
)
from ledger.settings import Settings

ENTRIES = [b'{"position":%d}' % n for n in range(1, 70_001)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


@pytest.fixture
def folder(tmp_path: Path) -> LogFolder:
    """A folder that is not there yet."""
    return LogFolder(tmp_path / "log" / "main")


def grown(folder: LogFolder, frontier: Frontier, until: int) -> None:
    """Let the tree grow to a size, its files written."""
    after = frontier.size
    folder.write_tiles(frontier.append(LEAVES[after:until], ENTRIES[after:until]))
    folder.write_tiles(frontier.partials())


def drafts(folder: LogFolder) -> list[Path]:
    """What is half written, or was."""
    return list(folder.path.rglob(f"{DRAFT}*"))


# -- the growing tree ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps", [[1, 1, 1], [255, 1, 1], [256, 256], [257, 511, 3], [700, 65_000, 4_300], [70_000]]
)
def test_the_edge_gives_every_root_and_every_file(folder: LogFolder, steps: list[int]) -> None:
    """Whatever the steps, roots and tiles are those of the plain definition."""
    frontier = Frontier()
    for size in accumulate(steps):
        grown(folder, frontier, size)

        assert frontier.size == size
        assert frontier.tree().root() == root_of(LEAVES[:size]) == folder.tree(size).root()
        assert frontier.last_leaf == LEAVES[size - 1]
        for tile in partial_widths(size):
            assert (folder.path / tile.path()).exists()

    size = frontier.size
    for index in range(size // TILE_WIDTH):
        start = index * TILE_WIDTH
        content = folder.read(TileId(0, index))
        assert content == b"".join(LEAVES[start : start + TILE_WIDTH])
        assert decode_bundle(folder.read(TileId(None, index))) == ENTRIES[start : start + 256]
    full = sum(size // TILE_WIDTH**level for level in (1, 2)) + size // TILE_WIDTH
    found = [one for one in folder.path.rglob("*") if one.is_file() and one.parent.suffix != ".p"]
    assert len(found) == full


def test_an_edge_is_loaded_as_it_was(folder: LogFolder) -> None:
    """At any size, what is read from the files grows on as what was in memory."""
    dice = Random(3)  # noqa: S311  (a test's sizes)
    frontier = Frontier()
    for size in sorted({1, 255, 256, 257, 65_536, *dice.sample(range(1, 66_000), 12)}):
        grown(folder, frontier, size)
        loaded = Frontier.load(frontier.tree(), folder.read)
        assert loaded.last_leaf == LEAVES[size - 1]
        grown(folder, loaded, size + 300)

        assert loaded.tree().root() == root_of(LEAVES[: size + 300])
        assert loaded.last_leaf == LEAVES[size + 299]


def test_an_empty_edge_is_loaded(folder: LogFolder) -> None:
    """Of a tree without leaves there is nothing to read."""
    assert Frontier.load(CompactRange(), folder.read).tree().root() == EMPTY_ROOT


@pytest.mark.parametrize("tile", partial_widths(700))
def test_an_edge_of_another_tree_is_refused(folder: LogFolder, tile: TileId) -> None:
    """Files that do not give the tree that was sealed, its entries included, are not believed."""
    frontier = Frontier()
    grown(folder, frontier, 700)
    path = folder.path / tile.path()
    content = path.read_bytes()
    if tile.level is None:
        content = encode_bundle([*decode_bundle(content)[:-1], b"another entry"])
    else:
        content = content[:-HASH_BYTES] + LEAVES[0]
    path.write_bytes(content)

    with pytest.raises(TileError):
        Frontier.load(frontier.tree(), folder.read)


# -- files -----------------------------------------------------------------------------------------


def test_a_partial_tile_may_be_read_from_the_full_one(folder: LogFolder) -> None:
    """Every width of a tile that is complete, hashes and entries, whether its file is there."""
    frontier = Frontier()
    grown(folder, frontier, 100)
    grown(folder, frontier, 300)
    before = folder.read(TileId(0, 0, 100)), folder.read(TileId(None, 0, 100))
    folder.remove_partials([TileId(0, 0), TileId(None, 0), TileId(0, 1), TileId(0, 99)])

    assert not (folder.path / "tile/0/000.p").exists()
    assert (folder.path / "tile/0/001.p/44").exists(), "the full tile is not there yet"
    assert (folder.read(TileId(0, 0, 100)), folder.read(TileId(None, 0, 100))) == before
    assert folder.read(TileId(0, 0, 7)) == b"".join(LEAVES[:7])
    for missing in (TileId(0, 1, 45), TileId(0, 2), TileId(None, 5)):
        with pytest.raises(NotFound):
            folder.read(missing)


def test_a_hash_tile_of_the_wrong_length_is_not_written(folder: LogFolder) -> None:
    """A mistake of the program is found before it is a file."""
    with pytest.raises(TileError):
        folder.write_tiles([(TileId(0, 0, 2), LEAVES[0])])


def test_a_file_is_replaced_whole_or_not_at_all(
    folder: LogFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full leaves the old file as it was; what was begun is removed later."""
    folder.save_state(State(1, (LEAVES[0],)))

    def full(_handle: int, _content: Any) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="no space"):
            folder.save_state(State(2, (LEAVES[1],)))

    assert folder.state() == State(1, (LEAVES[0],))
    assert drafts(folder)
    next_one = LogFolder(folder.path)
    with next_one.locked():
        next_one.save_state(State(2, (LEAVES[1],)))
    assert folder.state() == State(2, (LEAVES[1],))
    assert not drafts(folder)


def test_a_file_is_synced_before_it_is_named(
    folder: LogFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is on the disk before it has its name, and its folder, new ones too, after."""
    happened: list[tuple[str, str]] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(handle: int) -> None:
        happened.append(("sync", str(Path(f"/proc/self/fd/{handle}").readlink())))
        fsync(handle)

    def noted_replace(self: Path, target: Path) -> Path:
        happened.append(("name", f"{self}"))
        happened.append(("named", f"{target}"))
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", noted_fsync)
        patch.setattr(Path, "replace", noted_replace)
        with folder.locked():
            grown(folder, Frontier(), 300)

    for number, (what, where) in enumerate(happened):
        if what == "name":
            assert ("sync", where) in happened[:number]
        if what == "named":
            assert ("sync", str(Path(where).parent)) in happened[number:]
            for place in Path(where).parents:
                if place.is_relative_to(folder.path.parent):
                    assert ("sync", str(place)) in happened, "a new folder is named there"


def test_no_draft_has_a_path_of_the_log(folder: LogFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before it named anything, a writer leaves no file that a reader could ask for."""

    class Killed(BaseException):
        pass

    def ends(self: Path, target: Path) -> None:
        raise Killed(self, target)

    monkeypatch.setattr(Path, "replace", ends)
    with pytest.raises(Killed):
        grown(folder, Frontier(), 300)

    left = [one for one in folder.path.rglob("*") if one.is_file()]
    assert len(left) == 2
    for one in left:
        with pytest.raises(Exception, match="write it as tile"):
            parse_path(str(one.relative_to(folder.path)))


def test_one_at_a_time_holds_the_folder(folder: LogFolder) -> None:
    """The lock keeps others out, and is gone with its holder."""
    with folder.locked(), pytest.raises(SealerLeading), LogFolder(folder.path).locked():
        pass
    with LogFolder(folder.path).locked():
        pass


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"size":3,"hashes":[]}',
        b'{"size":1,"hashes":["AAAA"]}',
        b'{"size":-1,"hashes":["AAAA"]}',
        b"\xff\xfe",
        b'{"size":"1"}',
    ],
)
def test_a_damaged_state_is_none(folder: LogFolder, content: bytes) -> None:
    """Whoever cannot tell what was sealed says so, and does not guess."""
    folder.path.mkdir(parents=True)
    (folder.path / "state").write_bytes(content)

    assert folder.state() is None


def test_a_state_is_read_as_it_was_saved(folder: LogFolder) -> None:
    """The tree comes back ready to grow."""
    assert folder.state() is None
    tree = CompactRange()
    tree.extend(LEAVES[:777])
    folder.save_state(State(tree.size, tuple(tree.hashes)))

    state = folder.state()
    assert state is not None
    assert state.tree().root() == root_of(LEAVES[:777])


def test_the_newest_checkpoint_and_the_keys_that_signed(folder: LogFolder) -> None:
    """Every key is listed once, in the order in which they came, and stays."""
    older, newer = (SigningKey.generate("example.com/log") for _ in range(2))
    assert folder.latest() is None
    for size, keys in ((1, [older]), (2, [older, newer]), (3, [newer])):
        note = sign_checkpoint(Checkpoint(older.name, size, root_of(LEAVES[:size])), keys)
        folder.publish(note, [key.verifier for key in keys])
        assert folder.latest() == note

    vkeys = (folder.path / "vkeys").read_text(encoding="utf-8").splitlines()
    assert vkeys == [older.verifier.vkey(), newer.verifier.vkey()]


def test_where_a_log_lies() -> None:
    """In LEDGER_LOG_DIR, or in LEDGER_HOME, below its ledger's name."""
    assert log_folder(Settings(home="/h"), "main").path == Path("/h/log/main")
    assert log_folder(Settings(home="/h", log_dir="/elsewhere"), "a").path == Path("/elsewhere/a")
