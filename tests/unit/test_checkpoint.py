"""Checkpoints: their three lines, whose signature counts, and everything that is not one."""

import pytest

from ledger.merkle import EMPTY_ROOT
from ledger.sealing.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.sealing.note import NoteError, SigningKey, sign_note
from ledger.sealing.spelling import NUMBER_MAX

ORIGIN = "example.com/behind-the-sofa"
SPEC_TEXT = f"{ORIGIN}\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
"""The text of the specification's example."""

HASH = SPEC_TEXT.split("\n")[2]


@pytest.fixture(scope="module")
def key() -> SigningKey:
    """The log's key."""
    return SigningKey.generate(ORIGIN)


def test_the_format_s_own_example_reads_back() -> None:
    """The text printed in the specification is parsed, and written again to the byte."""
    found = Checkpoint.parse(SPEC_TEXT)

    assert (found.origin, found.size) == (ORIGIN, 20_852_163)
    assert found.root.hex().startswith("0ac5186a91863e8e")
    assert found.text() == SPEC_TEXT


def test_what_the_log_signs_opens_with_its_key(key: SigningKey) -> None:
    """A checkpoint comes back as it was signed, of an empty log too."""
    for checkpoint in (Checkpoint.parse(SPEC_TEXT), Checkpoint(ORIGIN, 0, EMPTY_ROOT)):
        assert open_checkpoint(sign_checkpoint(checkpoint, [key]), [key.verifier]) == checkpoint


def test_extension_lines_are_kept(key: SigningKey) -> None:
    """A foreign log's further lines are part of what it signed."""
    found = Checkpoint.parse(SPEC_TEXT + "extension\nand another\n")

    assert found.extensions == ("extension", "and another")
    assert open_checkpoint(sign_checkpoint(found, [key]), [key.verifier]) == found


def test_another_log_s_signature_does_not_count(key: SigningKey) -> None:
    """A known key signs for the log that it is named after, and for no other."""
    other = SigningKey.generate("example.com/other")
    known = [key.verifier, other.verifier]
    checkpoint = Checkpoint.parse(SPEC_TEXT)

    with pytest.raises(NoteError, match="none of that log's keys"):
        open_checkpoint(sign_note(SPEC_TEXT, [other]), known)
    with pytest.raises(NoteError, match=f"Only keys named {ORIGIN}"):
        sign_checkpoint(checkpoint, [other])
    assert open_checkpoint(sign_note(SPEC_TEXT, [other, key]), known) == checkpoint


def test_every_flipped_bit_is_noticed(key: SigningKey) -> None:
    """No bit of a checkpoint can change and it still be accepted."""
    note = sign_checkpoint(Checkpoint.parse(SPEC_TEXT), [key]).encode()

    for place in range(len(note) * 8):
        flipped = bytearray(note)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(NoteError):
            open_checkpoint(bytes(flipped), [key.verifier])


MALFORMED = {
    "empty": "",
    "two lines": f"{ORIGIN}\n5\n",
    "no line feed": SPEC_TEXT[:-1],
    "no origin": f"\n5\n{HASH}\n",
    "leading zero": f"{ORIGIN}\n05\n{HASH}\n",
    "a plus": f"{ORIGIN}\n+5\n{HASH}\n",
    "negative": f"{ORIGIN}\n-5\n{HASH}\n",
    "underscore": f"{ORIGIN}\n5_0\n{HASH}\n",
    "space": f"{ORIGIN}\n5 \n{HASH}\n",
    "digits that are not ASCII": f"{ORIGIN}\n５\n{HASH}\n",
    "no size": f"{ORIGIN}\n\n{HASH}\n",
    "too large": f"{ORIGIN}\n{NUMBER_MAX + 1}\n{HASH}\n",
    "hexadecimal": f"{ORIGIN}\n0x5\n{HASH}\n",
    "root too short": f"{ORIGIN}\n5\nAAAA\n",
    "root too long": f"{ORIGIN}\n5\n{HASH[:-1]}A\n",
    "root not base64": f"{ORIGIN}\n5\n{HASH.replace('/', '_')}\n",
    "root with unused bits": f"{ORIGIN}\n5\n{HASH.replace('q2I=', 'q2J=')}\n",
    "root without padding": f"{ORIGIN}\n5\n{HASH[:-1]}\n",
    "a root for nothing": f"{ORIGIN}\n0\n{HASH}\n",
    "an empty extension": f"{SPEC_TEXT}\nextension\n",
    "a last line without a line feed": f"{SPEC_TEXT}extension",
    "an empty line at the end": f"{SPEC_TEXT}\n",
    "CRLF": SPEC_TEXT.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_not_a_checkpoint_is_refused(case: str) -> None:
    """One spelling for each value, three lines, and a root of nothing only for nothing."""
    with pytest.raises(NoteError):
        Checkpoint.parse(MALFORMED[case])


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, b"r" * 32),
        ("a\nb", 1, b"r" * 32),
        ("a", -1, b"r" * 32),
        ("a", NUMBER_MAX + 1, b"r" * 32),
        ("a", 1, b"r" * 31),
        ("a", 0, b"r" * 32),
    ],
)
def test_what_could_not_be_read_back_is_not_made(origin: str, size: int, root: bytes) -> None:
    """A checkpoint that no reader would take is refused before it could be signed."""
    with pytest.raises(NoteError):
        Checkpoint(origin, size, root)


def test_the_largest_size_reads_back() -> None:
    """Sizes go up to 2**63 - 1, as other programs' signed 64 bits do."""
    assert Checkpoint.parse(f"{ORIGIN}\n{NUMBER_MAX}\n{HASH}\n").size == NUMBER_MAX
