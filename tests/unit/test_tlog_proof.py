"""Proof files: what they hold, that they prove one entry only, and everything that is not one."""

import pytest

from ledger.errors import ProofError
from ledger.merkle import inclusion_proof, leaf_hash, root_of
from ledger.sealing.checkpoint import Checkpoint, sign_checkpoint
from ledger.sealing.note import NoteError, SigningKey
from ledger.sealing.proof import PROOF_BYTES_MAX, Proof, check_proof

ENTRIES = [f'{{"position":{number}}}'.encode() for number in range(1, 12)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
KEY = SigningKey.generate("example.com/log")
CHECKPOINT = Checkpoint("example.com/log", len(LEAVES), root_of(LEAVES))
SIGNED = sign_checkpoint(CHECKPOINT, [KEY])


def proof_of(index: int) -> Proof:
    """The proof of one of the entries."""
    hashes = inclusion_proof(
        index, len(LEAVES), lambda level, at: root_of(LEAVES[at << level : at + 1 << level])
    )
    return Proof(index, tuple(hashes), SIGNED)


GOOD = proof_of(6).text()


def test_every_entry_proves_itself() -> None:
    """A proof file read back leads from its entry to the signed checkpoint."""
    for index, entry in enumerate(ENTRIES):
        proof = Proof.parse(proof_of(index).text().encode())
        assert proof == proof_of(index)
        assert check_proof(proof, entry, [KEY.verifier]) == CHECKPOINT


def test_the_file_is_written_as_the_format_says() -> None:
    """Header, index from zero, hashes, an empty line, and the checkpoint as it is."""
    lines = GOOD.split("\n")

    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 6"]
    assert [len(line) for line in lines[2:6]] == [44] * 4
    assert lines[6] == ""
    assert "\n".join(lines[7:]) == SIGNED


def test_a_log_of_one_entry_needs_no_hash() -> None:
    """Its root is the leaf: the empty line follows on the index."""
    alone = sign_checkpoint(Checkpoint("example.com/log", 1, LEAVES[0]), [KEY])
    text = Proof(0, (), alone).text()

    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 0\n\nexample.com/log\n1\n")
    assert check_proof(Proof.parse(text), ENTRIES[0], [KEY.verifier]).size == 1


def test_extra_data_is_carried_and_not_trusted() -> None:
    """An extra line reads back, and changing it changes nothing that is proven."""
    proof = Proof(6, proof_of(6).hashes, SIGNED, b"for the reader")

    assert "\nextra Zm9yIHRoZSByZWFkZXI=\nindex 6\n" in proof.text()
    assert Proof.parse(proof.text()) == proof
    assert check_proof(proof, ENTRIES[6], [KEY.verifier]) == CHECKPOINT


def test_another_entry_is_not_proven() -> None:
    """A proof is of one entry's bytes: its neighbour, or one byte more, is refused."""
    proof = proof_of(6)

    for entry in (ENTRIES[5], ENTRIES[6] + b"\n", ENTRIES[6][:-1], b""):
        with pytest.raises(ProofError, match="another root"):
            check_proof(proof, entry, [KEY.verifier])


def test_a_checkpoint_by_somebody_else_proves_nothing() -> None:
    """The proof may hold and the checkpoint be signed: an unknown key's word is no word."""
    stranger = SigningKey.generate("example.com/log")

    with pytest.raises(NoteError, match="No key that you trust"):
        check_proof(proof_of(6), ENTRIES[6], [stranger.verifier])


def test_every_flipped_bit_is_noticed() -> None:
    """No bit of a proof file can change and it still prove its entry."""
    content = GOOD.encode()

    for place in range(len(content) * 8):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises((ProofError, NoteError)):
            check_proof(Proof.parse(bytes(flipped)), ENTRIES[6], [KEY.verifier])


def test_every_flipped_bit_of_the_entry_is_noticed() -> None:
    """No bit of an entry can change and its proof still hold."""
    for place in range(len(ENTRIES[6]) * 8):
        flipped = bytearray(ENTRIES[6])
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(ProofError):
            check_proof(proof_of(6), bytes(flipped), [KEY.verifier])


HEAD, _, REST = GOOD.partition("\n")
HASH = GOOD.split("\n")[2]
MALFORMED = {
    "empty": ("", "no blank line"),
    "another header": (GOOD.replace("@v1", "@v2"), "begins with c2sp.org/tlog-proof@v1"),
    "a line before": ("\n" + GOOD, "begins with"),
    "no index": (GOOD.replace("index 6\n", ""), "does not say its index"),
    "nothing but a header": (f"{HEAD}\n\n{SIGNED}", "does not say its index"),
    "index twice": (GOOD.replace("index 6\n", "index 6\nindex 6\n"), "hash is not base64"),
    "a leading zero": (GOOD.replace("index 6", "index 06"), "without leading zeros"),
    "a sign": (GOOD.replace("index 6", "index +6"), "without leading zeros"),
    "negative": (GOOD.replace("index 6", "index -6"), "without leading zeros"),
    "a space more": (GOOD.replace("index 6", "index  6"), "without leading zeros"),
    "an index too large": (GOOD.replace("index 6", f"index {2**63}"), "below 2\\*\\*63"),
    "capitals": (GOOD.replace("index 6", "Index 6"), "does not say its index"),
    "extra after index": (GOOD.replace("index 6\n", "index 6\nextra AAAA\n"), "hash is not base64"),
    "extra twice": (f"{HEAD}\nextra AAAA\nextra AAAA\n{REST}", "does not say its index"),
    "extra that is empty": (f"{HEAD}\nextra \n{REST}", "extra line is empty"),
    "extra that is not base64": (f"{HEAD}\nextra !\n{REST}", "extra data is not base64"),
    "unused bits in extra": (f"{HEAD}\nextra AB==\n{REST}", "as it is always written"),
    "a hash too short": (GOOD.replace(HASH, "AAAA"), "3 bytes, not 32"),
    "a hash too long": (GOOD.replace(HASH, HASH[:-1] + "A"), "33 bytes, not 32"),
    "a hash without padding": (GOOD.replace(HASH, HASH[:-1]), "hash is not base64"),
    "a trailing space": (GOOD.replace(HASH, HASH + " "), "hash is not base64"),
    "no blank line": (GOOD.replace("\n\n", "\n"), "no blank line"),
    "no checkpoint": (GOOD.partition("\n\n")[0] + "\n\n", "no blank line before"),
    "64 hashes": (GOOD.replace(HASH, "\n".join([HASH] * 61)), "at most 63 hashes"),
    "CRLF": (GOOD.replace("\n", "\r\n"), "CR line ends"),
    "NUL": (GOOD + "\0", "control characters"),
    "too long": (GOOD + "x" * PROOF_BYTES_MAX, "above the limit"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_not_a_proof_is_refused_with_its_reason(case: str) -> None:
    """Each malformation of the file is named."""
    text, reason = MALFORMED[case]

    with pytest.raises(ProofError, match=reason):
        Proof.parse(text)


@pytest.mark.parametrize("change", ["one more", "one fewer", "swapped", "none"])
def test_a_path_of_another_shape_is_refused(change: str) -> None:
    """Hashes added, left out or exchanged lead nowhere."""
    hashes = proof_of(6).hashes
    shapes = {
        "one more": (*hashes, hashes[0]),
        "one fewer": hashes[:-1],
        "swapped": (hashes[1], hashes[0], *hashes[2:]),
        "none": (),
    }

    with pytest.raises(ProofError):
        check_proof(Proof(6, shapes[change], SIGNED), ENTRIES[6], [KEY.verifier])


def test_bytes_after_the_checkpoint_are_refused() -> None:
    """The checkpoint is the rest of the file: anything after it spoils the note."""
    for more in ("x", "\n", "x\n", "\n\n— x AAAA\n"):
        with pytest.raises(NoteError):
            check_proof(Proof.parse(GOOD + more), ENTRIES[6], [KEY.verifier])
