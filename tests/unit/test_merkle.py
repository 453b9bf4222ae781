"""Merkle hashes and proofs: published vectors, and what a proof must not be."""

import json
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Invalid
from ledger.merkle import (
    BLOCK,
    EMPTY_ROOT,
    CompactRange,
    ProofError,
    Subtree,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"
INPUTS = [
    bytes.fromhex(one)
    for one in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""The eight inputs of the published test vectors."""

ROOT_OF_EIGHT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def vectors() -> list[Any]:
    """Every vector of the folder, or one that skips because the folder is not there."""
    if not VECTORS.exists():
        missing = pytest.mark.skip(reason="no ../shared/vectors beside the project")
        return [pytest.param({}, id="none", marks=missing)]
    return [
        pytest.param(json.loads(path.read_bytes()), id=str(path.relative_to(VECTORS)))
        for path in sorted(VECTORS.rglob("*.json"))
    ]


def verify(vector: dict[str, Any]) -> None:
    """Give a vector to the verifier that it is for."""
    proof = [b64decode(one) for one in vector["proof"] or ()]
    if "leafIdx" in vector:
        leaf, root = b64decode(vector["leafHash"] or ""), b64decode(vector["root"] or "")
        verify_inclusion(vector["leafIdx"], vector["treeSize"], leaf, proof, root)
    else:
        roots = b64decode(vector["root1"]), b64decode(vector["root2"])
        verify_consistency(vector["size1"], vector["size2"], *roots, proof)


@pytest.mark.parametrize("vector", vectors())
def test_the_published_vectors_are_judged_as_they_say(vector: dict[str, Any]) -> None:
    """A proof is accepted exactly when its vector wants no error."""
    if vector["wantErr"]:
        with pytest.raises(ProofError):
            verify(vector)
    else:
        verify(vector)


@pytest.mark.skipif(not VECTORS.exists(), reason="no ../shared/vectors beside the project")
def test_the_folder_of_vectors_is_whole() -> None:
    """No vector is left out silently: 98 of each kind, accepted ones among them."""
    known = [json.loads(path.read_bytes()) for path in VECTORS.rglob("*.json")]

    assert len(known) == 196
    assert any(not one["wantErr"] for one in known if "leafIdx" in one)
    assert any(not one["wantErr"] for one in known if "size1" in one)


def test_leaves_nodes_and_nothing_hash_as_rfc_6962_says() -> None:
    """Leaves and nodes differ in their first byte; no entries hash to the hash of nothing."""
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex().startswith("6e340b9c")
    assert leaf_hash(b"").hex().endswith("afa01d")
    assert leaf_hash(b"\0").hex().startswith("96a296d2")
    assert leaf_hash(b"\0").hex().endswith("09cfc7")
    assert node_hash(b"a" * 32, b"b" * 32) == sha256(b"\1" + b"a" * 32 + b"b" * 32).digest()
    assert root_of([]) == EMPTY_ROOT


def test_the_eight_inputs_have_the_published_root() -> None:
    """Whole or leaf by leaf, the tree over the vectors' inputs has their root."""
    tree = CompactRange()
    for entry in INPUTS:
        tree.append(leaf_hash(entry))

    assert tree.size == 8
    assert tree.root().hex() == ROOT_OF_EIGHT
    assert root_of([leaf_hash(entry) for entry in INPUTS]).hex() == ROOT_OF_EIGHT


def test_a_saved_frontier_goes_on_where_it_was() -> None:
    """Size and hashes are all that must be kept to go on growing, at every size."""
    leaves = [leaf_hash(entry) for entry in INPUTS]

    for size in range(len(leaves) + 1):
        grown = CompactRange()
        grown.extend(leaves[:size])
        again = CompactRange(grown.size, grown.hashes)
        again.extend(leaves[size:])
        assert again.root().hex() == ROOT_OF_EIGHT


@pytest.mark.parametrize(
    ("size", "hashes"),
    [(1, []), (0, [b"a" * 32]), (3, [b"a" * 32]), (-1, []), (1, [b"a" * 31])],
)
def test_a_frontier_that_does_not_fit_its_size_is_refused(size: int, hashes: list[bytes]) -> None:
    """A damaged saved tree is noticed before anything is hashed on top of it."""
    with pytest.raises(ProofError):
        CompactRange(size, hashes)


@pytest.mark.parametrize("start", [0, 1, 5, BLOCK - 1, BLOCK, BLOCK + 1])
@pytest.mark.parametrize("count", [0, 1, 7, BLOCK, 2 * BLOCK + 3])
def test_extending_by_many_is_appending_each(start: int, count: int) -> None:
    """Wherever a batch begins and ends among the blocks, the frontier is the same."""
    leaves = [leaf_hash(number.to_bytes(4, "big")) for number in range(start + count)]
    one_by_one, together = CompactRange(), CompactRange()
    for leaf in leaves:
        one_by_one.append(leaf)

    together.extend(leaves[:start])
    together.extend(iter(leaves[start:]))

    assert (together.size, together.hashes) == (one_by_one.size, one_by_one.hashes)


def test_a_proof_has_no_more_hashes_than_the_tree_has_levels() -> None:
    """The ranges of a proof are few, disjoint, and make up the tree together with the leaf."""
    size = 5_000_003

    for index in (0, 1, 4_194_303, 4_194_304, size - 1):
        ranges = inclusion_nodes(index, size)
        covered = sorted([*ranges, (index, index + 1)])
        assert len(ranges) <= size.bit_length()
        assert [end for _, end in covered[:-1]] == [start for start, _ in covered[1:]]
        assert (covered[0][0], covered[-1][1]) == (0, size)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_what_is_not_in_the_log_has_no_proof(index: int, size: int) -> None:
    """Asking for an entry that is not there is refused by naming both numbers."""
    with pytest.raises(Invalid, match=f"{size} entries"):
        inclusion_nodes(index, size)


@pytest.mark.parametrize(("first", "second"), [(0, 3), (4, 3), (-1, 3)])
def test_sizes_between_which_nothing_can_be_shown_are_refused(first: int, second: int) -> None:
    """A consistency proof leads from one or more entries to as many or more."""
    with pytest.raises(Invalid, match="give a size from 1"):
        consistency_nodes(first, second)


def subtrees_of(leaves: list[bytes]) -> Subtree:
    """What a holder of these leaves answers."""
    return lambda level, index: root_of(leaves[index << level : index + 1 << level])


LEAVES = [leaf_hash(entry) for entry in INPUTS]
subtree = subtrees_of(LEAVES)


def test_a_proof_for_one_place_proves_no_other() -> None:
    """A proof moved to another index, size or leaf fails, whichever it is."""
    for size in range(1, len(LEAVES) + 1):
        root = root_of(LEAVES[:size])
        for index in range(size):
            proof = inclusion_proof(index, size, subtree)
            verify_inclusion(index, size, LEAVES[index], proof, root)
            for other in range(size + 2):
                if other != index:
                    with pytest.raises(ProofError):
                        verify_inclusion(other, size, LEAVES[index], proof, root)
            with pytest.raises(ProofError):
                verify_inclusion(index, size, leaf_hash(b"another"), proof, root)


def test_an_inner_node_is_no_leaf() -> None:
    """A node's two hashes, offered as an entry, do not have the node's hash: no second preimage."""
    left, right = leaf_hash(b"a"), leaf_hash(b"b")

    assert leaf_hash(left + right) != node_hash(left, right)


def test_a_repeated_last_leaf_is_another_tree() -> None:
    """Odd leaves are not doubled: [a, b, c] and [a, b, c, c] have different roots."""
    a, b, c = (leaf_hash(one) for one in (b"a", b"b", b"c"))

    assert root_of([a, b, c]) != root_of([a, b, c, c])


def test_a_log_that_was_changed_is_not_consistent() -> None:
    """No proof, old or made anew, leads from a kept root to a log with an earlier entry edited."""
    for first in range(1, len(LEAVES)):
        kept = root_of(LEAVES[:first])
        proof = consistency_proof(first, len(LEAVES), subtree)
        verify_consistency(first, len(LEAVES), kept, root_of(LEAVES), proof)
        for edited in range(first):
            other = [*LEAVES]
            other[edited] = leaf_hash(b"edited")
            anew = consistency_proof(first, len(other), subtrees_of(other))
            for one in (proof, anew):
                with pytest.raises(ProofError, match="does not begin with"):
                    verify_consistency(first, len(other), kept, root_of(other), one)


@pytest.mark.parametrize("hashes", [[b""], [b"x" * 31], [b"x" * 33]])
def test_a_hash_of_another_length_is_refused(hashes: list[bytes]) -> None:
    """A proof whose hashes are not 32 bytes is refused as such."""
    with pytest.raises(ProofError, match="32 bytes"):
        verify_inclusion(0, 2, b"l" * 32, hashes, b"r" * 32)
    with pytest.raises(ProofError, match="32 bytes"):
        verify_consistency(1, 2, b"l" * 32, b"r" * 32, hashes)
