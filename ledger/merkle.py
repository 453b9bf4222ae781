"""The Merkle tree of RFC 6962 / RFC 9162 with SHA-256: hashes, growth, and both kinds of proof.

A tree of n leaves is split at the largest power of two below n, so everything left of the split is
a full subtree that never changes again: proofs are lists of such hashes, and a growing tree needs
to remember only one hash for each one-bit of its size. Pure: whoever holds the leaves (rows,
tiles, an export) hands in a function that answers for full subtrees.
Read next: `ledger/sealing/tiles.py`, which answers from files.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import islice
from typing import Final

from ledger.errors import Invalid, ProofError

__all__ = [
    "EMPTY_ROOT",
    "HASH_BYTES",
    "CompactRange",
    "ProofError",
    "Subtree",
    "consistency_nodes",
    "consistency_proof",
    "inclusion_nodes",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "range_hash",
    "root_of",
    "verify_consistency",
    "verify_inclusion",
]

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()

BLOCK_LEVEL: Final = 12
BLOCK: Final = 1 << BLOCK_LEVEL
"""Leaves that `extend` hashes level by level at a time: the more, the less is done per leaf."""

Subtree = Callable[[int, int], bytes]
"""Answers (level, index) with the hash of leaves [index * 2**level, (index + 1) * 2**level)."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\1" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes; over none it is the hash of nothing."""
    tree = CompactRange()
    tree.extend(leaves)
    return tree.root()


class CompactRange:
    """The frontier of a growing tree: the full subtrees that make it up, largest first."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(hashes) != size.bit_count():
            raise ProofError(
                f"A tree of {size} leaves has one hash for each one-bit of that number, "
                f"not {len(hashes)}; take the saved tree from a backup."
            )
        if any(len(one) != HASH_BYTES for one in hashes):
            raise ProofError("A saved tree holds a hash that is not 32 bytes; take a backup.")
        self.size = size
        self.hashes = list(hashes)

    def append(self, leaf: bytes) -> None:
        """Take one more leaf hash."""
        self._push(0, leaf)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Take many leaf hashes, in order."""
        rest = iter(leaves)
        while block := list(islice(rest, BLOCK - self.size % BLOCK)):
            self._take(block)

    def _take(self, block: list[bytes]) -> None:
        """Cut a block into the aligned powers of two that the tree's size asks for."""
        at = 0
        while at < len(block):
            left = len(block) - at
            level = min(_alignment(self.size), left.bit_length() - 1)
            width = 1 << level
            self._push(level, _full_root(block[at : at + width] if width < left else block[at:]))
            at += width

    def _push(self, level: int, full: bytes) -> None:
        """Take a full subtree whose leaves follow on those taken so far."""
        hashes = self.hashes
        carry = self.size >> level
        while carry & 1:
            full = sha256(b"\1" + hashes.pop() + full).digest()
            carry >>= 1
        hashes.append(full)
        self.size += 1 << level

    def root(self) -> bytes:
        """The root over all leaves taken."""
        return _fold(self.hashes)


def _alignment(size: int) -> int:
    """The level of the largest full subtree that may begin at this leaf."""
    return (size & -size).bit_length() - 1 if size else BLOCK_LEVEL


def _full_root(hashes: list[bytes]) -> bytes:
    """The root over a power of two of hashes, level by level: no call per node but the hash's."""
    one, join = sha256, b"\1"
    while len(hashes) > 1:
        pairs = iter(hashes)
        hashes = [
            one(join + left + right).digest() for left, right in zip(pairs, pairs, strict=True)
        ]
    return hashes[0]


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The root over full subtrees, largest first."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def range_hash(start: int, end: int, subtree: Subtree) -> bytes:
    """MTH(leaves [start:end]), where start is aligned as it is in every proof."""
    parts: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append(subtree(level, start >> level))
        start += 1 << level
    return _fold(parts)


def inclusion_nodes(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges of leaves [start, end) whose hashes prove a leaf, from its sibling upwards."""
    if not 0 <= index < size:
        raise Invalid.field("index", f"a log of {size} entries has no entry {index}")
    low, high = 0, size
    ranges: list[tuple[int, int]] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return ranges[::-1]


def consistency_nodes(first: int, second: int) -> list[tuple[int, int]]:
    """The ranges of leaves whose hashes prove that a tree of `first` leaves begins the other."""
    if not 0 < first <= second:
        raise Invalid.field("first", f"give a size from 1 to {second}, not {first}")
    low, high = 0, second
    ranges: list[tuple[int, int]] = []
    while high != first:
        middle = low + _split(high - low)
        if first <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    if low:  # otherwise the verifier holds this hash already: it is the first tree's root
        ranges.append((low, high))
    return ranges[::-1]


def _split(size: int) -> int:
    """The largest power of two below a size of two or more."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The hashes that prove leaf `index` in a tree of `size` leaves (RFC 9162 s2.1.3.1)."""
    return [range_hash(start, end, subtree) for start, end in inclusion_nodes(index, size)]


def consistency_proof(first: int, second: int, subtree: Subtree) -> list[bytes]:
    """The hashes that prove that the first tree begins the second (RFC 9162 s2.1.4.1)."""
    return [range_hash(start, end, subtree) for start, end in consistency_nodes(first, second)]


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Raise ProofError unless the leaf stands at `index` of this tree (RFC 9162 s2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofError(f"Entry {index} cannot stand in a log of {size} entries; reject it.")
    _check_widths(leaf, root, *proof)
    found = leaf
    for one, left in zip(proof, _on_the_left(index, size - 1, len(proof)), strict=True):
        found = node_hash(one, found) if left else node_hash(found, one)
    if found != root:
        raise ProofError(
            f"The proof leads from entry {index} to another root than the log's; reject it."
        )


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise ProofError unless the first tree begins the second (RFC 9162 s2.1.4.2).

    Size 0 is not proven: every tree begins with the empty one, which the caller knows.
    """
    if not 0 < first <= second:
        raise ProofError(f"A log of {first} entries cannot begin one of {second}; reject it.")
    if first == second:
        if proof or first_root != second_root:
            raise ProofError(f"Two roots, or a needless proof, are shown for size {first}: a fork.")
        return
    _check_widths(first_root, second_root, *proof)
    if not proof:
        raise ProofError("The proof is empty though the log has grown; reject it.")
    # The largest full subtree at the first tree's right edge: all of that tree, or proof[0].
    edge = (first & -first).bit_length() - 1
    start, *rest = proof if first & first - 1 else (first_root, *proof)
    old = new = start
    sides = _on_the_left(first - 1 >> edge, second - 1 >> edge, len(rest))
    for one, left in zip(rest, sides, strict=True):
        if left:
            old, new = node_hash(one, old), node_hash(one, new)
        else:
            new = node_hash(new, one)
    if old != first_root or new != second_root:
        raise ProofError(
            f"The log of {second} entries does not begin with the one of {first}: "
            "keep both checkpoints, they are the evidence."
        )


def _on_the_left(place: int, last: int, count: int) -> list[bool]:
    """Whether each hash of a path stands left of what it joins, from `place` up to the root.

    `last` is the tree's last place on the level where the path begins. A place that is last and
    even has no sibling, so the path goes on where it is odd.
    """
    sides: list[bool] = []
    while last:
        left = bool(place & 1) or place == last
        if left:
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        sides.append(left)
        place, last = place >> 1, last >> 1
    if len(sides) != count:
        raise ProofError(f"The proof has {count} hashes where {len(sides)} belong; reject it.")
    return sides


def _check_widths(*hashes: bytes) -> None:
    for one in hashes:
        if len(one) != HASH_BYTES:
            raise ProofError(f"A hash has {HASH_BYTES} bytes, not {len(one)}; reject the proof.")
