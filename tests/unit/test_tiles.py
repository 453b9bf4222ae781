"""Tiles and bundles: the specification's examples, and every spelling but the one."""

import pytest

from ledger.errors import Invalid
from ledger.merkle import leaf_hash, root_of
from ledger.recorder import ENTRY_BYTES_MAX as RECORDED_BYTES_MAX
from ledger.sealing import tiles
from ledger.sealing.tiles import (
    ENTRY_BYTES_MAX,
    TileError,
    TileId,
    TileTree,
    decode_bundle,
    encode_bundle,
    entries_path,
    parse_path,
    partial_widths,
    tile_path,
)


def test_paths_are_those_of_the_specification() -> None:
    """Index 1234067 is x001/x234/067, and a partial tile says its width."""
    assert tile_path(0, 1_234_067) == "tile/0/x001/x234/067"
    assert tile_path(0, 1_234_067, 8) == "tile/0/x001/x234/067.p/8"
    assert tile_path(63, 0) == "tile/63/000"
    assert entries_path(999) == "tile/entries/999"
    assert entries_path(1000, 255) == "tile/entries/x001/000.p/255"


def test_70000_entries_have_the_partial_tiles_of_the_specification() -> None:
    """273 full tiles and one of 112 on level 0, one full and one of 17 on level 1, one of 1."""
    assert [tile.path() for tile in partial_widths(70_000)] == [
        "tile/entries/273.p/112",
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ]


def test_a_full_tile_is_a_partial_one_a_level_up() -> None:
    """256 entries have a full tile and bundle, and one hash above; none have no tile at all."""
    assert [tile.path() for tile in partial_widths(256)] == ["tile/1/000.p/1"]
    assert [tile.path() for tile in partial_widths(1)] == ["tile/entries/000.p/1", "tile/0/000.p/1"]
    assert partial_widths(0) == []


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/001/",
        "/tile/0/001",
        "tile//001",
        "tile/00/001",
        "tile/01/001",
        "tile/64/001",
        "tile/-1/001",
        "tile/+1/001",
        "tile/０/001",
        "tile/0/００１",
        "tile/entry/001",
        "tile/Entries/001",
        "tile/data/001",
        "tile/8/0/001/",
        "tile/0/x000/001",
        "tile/0/x000/x001/001",
        "tile/0/001/001",
        "tile/0/x001",
        "tile/0/X001/001",
        "tile/0/x01/001",
        "tile/0/x1/001",
        "tile/0/x001/x234/x067",
        "tile/0/x001/x001/x001/x001/x001/x001/001",
        "tile/0/001.p",
        "tile/0/001.p/",
        "tile/0/001.p/0",
        "tile/0/001.p/08",
        "tile/0/001.p/256",
        "tile/0/001.p/257",
        "tile/0/001.p/999",
        "tile/0/001.p/8/",
        "tile/0/001.p/+8",
        "tile/0/001.P/8",
        "tile/0/001.p/8\n",
        "tile/0/001\n",
        "tile/0/../001",
        "tile/0/..%2f001",
        "tile\\0\\001",
        "tile/0/001?x",
        "checkpoint",
    ],
)
def test_a_tile_has_no_second_spelling(path: str) -> None:
    """What is not exactly a tile's path is refused and says how one is written."""
    with pytest.raises(Invalid, match=r"write it as tile/<level>"):
        parse_path(path)


def test_paths_read_back() -> None:
    """Each path names its tile."""
    assert parse_path("tile/0/x001/x234/067") == TileId(0, 1_234_067)
    assert parse_path("tile/entries/273.p/112") == TileId(None, 273, 112)
    assert parse_path("tile/63/000.p/1") == TileId(63, 0, 1)
    assert parse_path("tile/0/x001/000") == TileId(0, 1000)


def test_a_bundle_is_lengths_and_entries() -> None:
    """Two bytes of length, big-endian, before each entry; the longest entry fits."""
    longest = b"x" * ENTRY_BYTES_MAX

    assert encode_bundle([b"ab", b""]) == b"\0\2ab\0\0"
    assert encode_bundle([b"x" * 258])[:3] == b"\1\2x"
    assert decode_bundle(encode_bundle([longest] * 3)) == [longest] * 3


def test_what_may_be_recorded_fits_a_bundle() -> None:
    """The recorder's limit is the bundle's: an entry that is too long for it is never recorded."""
    assert ENTRY_BYTES_MAX == RECORDED_BYTES_MAX


def test_what_does_not_fit_a_bundle_is_refused() -> None:
    """No bundle is empty, has more than 256 entries, or one of more than 65,535 bytes."""
    for entries in ([], [b"x"] * 257, [b"x" * 65_536]):
        with pytest.raises(TileError):
            encode_bundle(entries)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\0\2a", b"\0\1ab", b"\0\1a\0", b"\0\0" * 257, b"\xff\xff"]
)
def test_a_bundle_that_is_cut_or_longer_is_refused(content: bytes) -> None:
    """A bundle's bytes are its entries' and nothing else."""
    with pytest.raises(TileError, match="lengths do not fit"):
        decode_bundle(content)


LEAVES = [leaf_hash(bytes([number])) for number in range(100)]


def test_a_tile_of_another_length_is_refused() -> None:
    """A tile cut short, or one that grew, is named with what it should be."""
    for width in (0, 99, 101):
        tree = TileTree(100, lambda _, width=width: b"h" * 32 * width)  # type: ignore[misc]
        with pytest.raises(TileError, match=rf"tile/0/000\.p/100 has {width * 32} bytes"):
            tree.root()


def test_a_tree_answers_only_for_what_it_has() -> None:
    """A subtree that is not full, or beyond the size, has no hash yet."""
    tree = TileTree(100, lambda _: b"".join(LEAVES))

    assert tree.subtree(6, 0) == root_of(LEAVES[:64])
    assert tree.subtree(2, 24) == root_of(LEAVES[96:])
    for level, index in ((0, 100), (7, 0), (6, 1), (2, 25), (-1, 0), (0, -1)):
        with pytest.raises(Invalid, match="no such subtree"):
            tree.subtree(level, index)
    with pytest.raises(Invalid, match="no entry 100"):
        tree.inclusion(100)
    with pytest.raises(Invalid, match="from 1 to 100"):
        tree.consistency(101)


def test_what_a_tree_keeps_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tiles are asked for, only so many stay, and answers are the same."""
    read: list[TileId] = []

    def answer(tile: TileId) -> bytes:
        read.append(tile)
        return b"".join(leaf_hash(bytes([tile.index])) for _ in range(tile.width))

    monkeypatch.setattr(tiles, "TILES_KEPT_MAX", 2)
    tree = TileTree(256 * 4, answer)
    for index in (0, 256, 512, 0, 512):
        assert tree.leaf(index) == leaf_hash(bytes([index // 256]))

    assert [tile.index for tile in read] == [0, 1, 2, 0]
    assert len(tree._kept) == 2
