"""The loop that every entry goes through: what it hashes, and what it does not let pass."""

from hashlib import sha256

import pytest

from ledger.merkle import leaf_hash, root_of
from ledger.sealing.tiles import encode_bundle
from ledger.verifying.hashing import fault_of, hash_bundle, split_hashes
from ledger.verifying.stretches import Differing
from ledger.verifying.tree import UNKNOWN, Tree


def entry(position: int, stamp: str = "") -> bytes:
    """An entry as the log has it."""
    told = stamp or f"2026-04-01T02:03:04.{position:06}Z"
    return f'{{"position":{position},"recorded_at":"{told}","id":"x"}}'.encode()


ENTRIES = [entry(position) for position in range(9, 14)]
BUNDLE = encode_bundle(ENTRIES)


def test_every_entry_is_hashed_in_order() -> None:
    """Leaf hashes, first and last time, and where the entries end."""
    found = hash_bundle(BUNDLE + b"more", 9, 5)

    assert found.leaves == [sha256(b"\0" + one).digest() for one in ENTRIES]
    assert found.fault is None
    assert (found.began, found.ended) == (
        b"2026-04-01T02:03:04.000009Z",
        b"2026-04-01T02:03:04.000013Z",
    )
    assert found.bytes_used == len(BUNDLE)


@pytest.mark.parametrize("cut", range(1, len(BUNDLE)))
def test_a_bundle_cut_anywhere_names_the_entry(cut: int) -> None:
    """The first entry that is not there whole."""
    ends = [len(encode_bundle(ENTRIES[:count])) for count in range(1, 6)]
    found = hash_bundle(BUNDLE[:cut], 9, 5)

    assert found.fault is not None
    assert found.fault.position == 9 + sum(end <= cut for end in ends)
    assert len(found.leaves) == found.fault.position - 9


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (entry(12), "another entry stands here"),
        (entry(1) + b" ", "another entry stands here"),
        (b"", "another entry stands here"),
        (entry(11, "2026-04-01T02:03:04.000008Z"), "recorded before its predecessor"),
        (entry(11, "2026-04-01T02:03:04.00000xZ"), "not an instant"),
        (entry(11, "9999-99-99 99:99:99.999999Z"), "not an instant"),
        (entry(11, "2026-04-01T02:03:04.000010+"), "not an instant"),
    ],
)
def test_an_entry_says_where_and_when_it_stands(changed: bytes, what: str) -> None:
    """Its own position, and no time before its predecessor's."""
    found = hash_bundle(encode_bundle([*ENTRIES[:2], changed, *ENTRIES[3:]]), 9, 5)

    assert found.fault is not None
    assert (found.fault.position, what in found.fault.what) == (11, True)
    assert found.leaves[2] == leaf_hash(changed)


def test_entries_of_one_call_share_their_time() -> None:
    """Equal times are in order; the time before a bundle counts as well."""
    same = encode_bundle(
        [entry(1, "2026-04-01T02:03:04.000005Z"), entry(2, "2026-04-01T02:03:04.000005Z")]
    )

    assert hash_bundle(same, 1, 2).fault is None
    assert hash_bundle(same, 1, 2, b"2026-04-01T02:03:04.000005Z").fault is None
    assert hash_bundle(same, 1, 2, b"2026-04-01T02:03:04.000006Z").fault is not None


def test_a_time_in_an_entry_ends_where_it_should() -> None:
    """Digits that go on are no instant."""
    assert fault_of(entry(1, "2026-04-01T02:03:04.0000055Z"), 1, b"") is not None


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 513, 1_000])
def test_a_tree_of_tiles_has_the_root_of_its_leaves(size: int) -> None:
    """And so has every tree that it begins with, where its last tile is known."""
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    tiles = [leaves[at : at + 256] for at in range(0, size, 256)]
    tops = b"".join(root_of(tile) for tile in tiles if len(tile) == 256)
    tree = Tree(tops, dict(enumerate(tiles)))

    for count in {1, size // 2, size} - {0}:
        assert tree.root(count) == root_of(leaves[:count])
    broken = tree.replaced({0: [UNKNOWN, *tiles[0][1:]]})
    assert broken.root(size) != tree.root(size)


def test_what_differs_first_is_named() -> None:
    """A hash, or the end of the shorter side."""
    one, other = [b"a" * 32, b"b" * 32], [b"a" * 32, b"c" * 32]
    assert Differing(one, other).place() == 1
    assert Differing(one, one[:1]).place() == 1
    assert split_hashes(b"a" * 32 + b"b" * 31) == one[:1]
