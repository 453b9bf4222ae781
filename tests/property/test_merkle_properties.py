"""Trees, proofs and tiles of any size equal the RFC's plain definitions and another program's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from ledger.merkle import (
    EMPTY_ROOT,
    CompactRange,
    ProofError,
    Subtree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from ledger.sealing.tiles import (
    TILE_WIDTH,
    TileId,
    TileTree,
    decode_bundle,
    encode_bundle,
    parse_path,
    partial_widths,
)

ENTRIES = [f'{{"position":{number + 1}}}'.encode() for number in range(70_000)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]

sizes = st.one_of(st.integers(1, 70), st.integers(1, 1_200), st.sampled_from((255, 256, 257, 512)))
"""Every shape of small trees, and the edges of tiles."""


def plain_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 s2.1.1, word by word."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else EMPTY_ROOT
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(plain_root(leaves[:split]), plain_root(leaves[split:]))


def plain_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162 s2.1.3.1, word by word."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*plain_path(index, leaves[:split]), plain_root(leaves[split:])]
    return [*plain_path(index - split, leaves[split:]), plain_root(leaves[:split])]


def plain_subproof(first: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 9162 s2.1.4.1, word by word."""
    if first == len(leaves):
        return [] if whole else [plain_root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if first <= split:
        return [*plain_subproof(first, leaves[:split], whole=whole), plain_root(leaves[split:])]
    rest = plain_subproof(first - split, leaves[split:], whole=False)
    return [*rest, plain_root(leaves[:split])]


def subtrees_of(leaves: list[bytes]) -> Subtree:
    """What a holder of these leaves answers."""
    return lambda level, index: plain_root(leaves[index << level : index + 1 << level])


class Tiles:
    """The tiles of a tree, made by the format's own words, and which of them were asked for."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = leaves
        self.asked: list[TileId] = []

    def read(self, tile: TileId) -> bytes:
        """MTH(D[(n*256+i) * 256**l : (n*256+i+1) * 256**l]) for i below the width."""
        assert tile.level is not None
        self.asked.append(tile)
        below = 256**tile.level
        first = tile.index * 256
        hashes = [
            plain_root(self.leaves[at * below : (at + 1) * below])
            for at in range(first, first + tile.width)
        ]
        return b"".join(hashes)


@settings(deadline=None)
@given(size=sizes, data=st.data())
def test_growing_equals_the_plain_definition(size: int, data: st.DataObject) -> None:
    """Fed in parts of any size, a tree has the root of the definition and of pymerkle."""
    leaves = LEAVES[:size]
    tree = CompactRange()
    while tree.size < size:
        part = data.draw(st.integers(1, size - tree.size))
        tree.extend(leaves[tree.size : tree.size + part])

    assert tree.root() == plain_root(leaves) == root_of(leaves)
    assert tree.root() == InmemoryTree.init_from_entries(ENTRIES[:size]).get_root()


@settings(deadline=None)
@given(size=sizes, data=st.data())
def test_inclusion_equals_the_plain_definition(size: int, data: st.DataObject) -> None:
    """Proofs are those of the definition and of pymerkle, hash by hash, and they hold."""
    index = data.draw(st.integers(0, size - 1))
    leaves = LEAVES[:size]

    proof = inclusion_proof(index, size, subtrees_of(leaves))
    theirs = InmemoryTree.init_from_entries(ENTRIES[:size]).prove_inclusion(index + 1)

    assert proof == plain_path(index, leaves)
    assert proof == theirs.path[1:]
    verify_inclusion(index, size, leaves[index], proof, plain_root(leaves))


@settings(deadline=None)
@given(size=sizes, data=st.data())
def test_consistency_equals_the_plain_definition(size: int, data: st.DataObject) -> None:
    """Proofs are those of the definition, and hold between roots that pymerkle proves too."""
    first = data.draw(st.integers(1, size))
    leaves = LEAVES[:size]

    proof = consistency_proof(first, size, subtrees_of(leaves))
    theirs = InmemoryTree.init_from_entries(ENTRIES[:size]).prove_consistency(first, size)

    assert proof == plain_subproof(first, leaves)
    roots = root_of(leaves[:first]), root_of(leaves)
    verify_consistency(first, size, *roots, proof)
    theirs.verify(*roots, prior_size=first, later_size=size)


def with_a_bit_flipped(hashes: list[bytes], data: st.DataObject) -> list[bytes]:
    """The hashes with one bit of one of them changed."""
    which = data.draw(st.integers(0, len(hashes) - 1))
    bit = 1 << data.draw(st.integers(0, 255))
    flipped = (int.from_bytes(hashes[which], "big") ^ bit).to_bytes(32, "big")
    return [*hashes[:which], flipped, *hashes[which + 1 :]]


@settings(deadline=None)
@given(size=st.integers(2, 40), data=st.data())
def test_an_inclusion_proof_with_any_bit_flipped_fails(size: int, data: st.DataObject) -> None:
    """With one bit of one hash changed, it leads to another root."""
    leaves = LEAVES[:size]
    index = data.draw(st.integers(0, size - 1))
    flipped = with_a_bit_flipped(plain_path(index, leaves), data)

    with pytest.raises(ProofError, match="another root"):
        verify_inclusion(index, size, leaves[index], flipped, plain_root(leaves))


@settings(deadline=None)
@given(size=st.integers(2, 40), data=st.data())
def test_a_consistency_proof_with_any_bit_flipped_fails(size: int, data: st.DataObject) -> None:
    """With one bit of one hash changed, it leads to another root than one of the two."""
    leaves = LEAVES[:size]
    first = data.draw(st.integers(1, size - 1))
    flipped = with_a_bit_flipped(plain_subproof(first, leaves), data)
    roots = plain_root(leaves[:first]), plain_root(leaves)

    with pytest.raises(ProofError, match="does not begin"):
        verify_consistency(first, size, *roots, flipped)


@settings(deadline=None, max_examples=60)
@given(size=st.one_of(sizes, st.integers(65_000, 70_000)), data=st.data())
def test_tiles_give_the_same_tree(size: int, data: st.DataObject) -> None:
    """Root and proofs from tiles are those from leaves, and no tile is asked for but its size's."""
    leaves = LEAVES[:size]
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    tiles = Tiles(leaves)

    tree = TileTree(size, tiles.read)

    assert tree.leaf(index) == leaves[index]
    assert tree.root() == root_of(leaves)
    verify_inclusion(index, size, leaves[index], tree.inclusion(index), tree.root())
    verify_consistency(first, size, root_of(leaves[:first]), tree.root(), tree.consistency(first))
    assert len(tiles.asked) == len(set(tiles.asked))
    partial = set(partial_widths(size))
    for tile in tiles.asked:
        assert parse_path(tile.path()) == tile
        assert tile.width == TILE_WIDTH or tile in partial


@given(size=st.integers(0, 2**63 - 1))
def test_partial_tiles_are_those_of_the_format(size: int) -> None:
    """At each level `size // 256**level % 256` hashes are partial, and nothing is empty."""
    found = partial_widths(size)
    widths = {tile.level: tile.width for tile in found}

    for level in range(8):
        assert widths.get(level, 0) == size // 256**level % 256
    assert widths.get(None, 0) == size % 256
    assert all(0 < tile.width < 256 for tile in found)
    for tile in found:
        assert tile.index == size // 256 ** ((tile.level or 0) + 1)
        assert parse_path(tile.path()) == tile


@given(
    tile=st.builds(
        TileId,
        st.one_of(st.none(), st.integers(0, 63)),
        st.integers(0, 2**55),
        st.integers(1, 256),
    )
)
def test_every_path_reads_back(tile: TileId) -> None:
    """A tile has one path, and the path names the tile."""
    assert parse_path(tile.path()) == tile


@given(entries=st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_every_bundle_reads_back(entries: list[bytes]) -> None:
    """A bundle holds its entries, empty ones included, in their order."""
    assert decode_bundle(encode_bundle(entries)) == entries
