"""Signed notes: the published vectors, and everything that is not a note."""

import pytest

from ledger.sealing.note import (
    NOTE_BYTES_MAX,
    SIGNATURES_MAX,
    NoteError,
    SigningKey,
    VerifierKey,
    open_note,
    sign_note,
)

SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuw"
    "HjG1Yu72IneyaQM=\n"
)
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZ"
    "b6KE6RyyBwJnAM=\n"
)
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33W"
    "Wd1RvMc+QQ=\n"
)


@pytest.fixture
def peter() -> VerifierKey:
    """A known signer of the format's examples."""
    return VerifierKey.parse(PETER)


def test_the_format_s_own_example_opens() -> None:
    """The note printed in the specification is signed by its key."""
    key = VerifierKey.parse(SPEC_KEY)

    opened = open_note(SPEC_NOTE, [key])

    assert opened.text == "This is an example message.\n"
    assert [(one.name, one.key_id.hex()) for one in opened.signatures] == [
        ("example.com/foo", "530d903a")
    ]
    assert key.vkey() == SPEC_KEY


def test_go_s_example_is_signed_to_the_byte(peter: VerifierKey) -> None:
    """Ed25519 is deterministic: our note is the one that Go's library makes with this key."""
    key = SigningKey.parse(PETER_PRIVATE)

    assert sign_note(TEXT, [key]) == f"{TEXT}\n{PETER_LINE}"
    assert key.verifier == peter
    assert key.private_text() == PETER_PRIVATE


def test_a_new_key_signs_what_its_vkey_opens() -> None:
    """Key and vkey survive their text forms, '+' within the base64 included."""
    for _ in range(64):
        key = SigningKey.generate("example.com/log")
        again = SigningKey.parse(key.private_text())
        known = VerifierKey.parse(key.verifier.vkey())
        opened = open_note(sign_note("text\n", [again]).encode(), [known])
        assert opened.text == "text\n"


def test_a_private_key_does_not_show_itself() -> None:
    """What a log or a traceback prints of a signing key is its public half."""
    key = SigningKey.parse(PETER_PRIVATE)

    assert "AYEKFALV" not in repr(key)
    assert "AYEKFALV" not in str(key)
    assert PETER in repr(key)


def test_one_known_signature_is_enough(peter: VerifierKey) -> None:
    """Unknown signers are passed over, before and after the known one."""
    for lines in (PETER_LINE + ENOCH_LINE, ENOCH_LINE + PETER_LINE):
        opened = open_note(f"{TEXT}\n{lines}", [peter])
        assert [one.name for one in opened.signatures] == ["PeterNeumann"]


def test_all_known_signatures_are_told(peter: VerifierKey) -> None:
    """During a rotation both keys sign, and a reader of both learns so."""
    opened = open_note(f"{TEXT}\n{PETER_LINE}{ENOCH_LINE}", [VerifierKey.parse(ENOCH), peter])

    assert [one.name for one in opened.signatures] == ["PeterNeumann", "EnochRoot"]


def test_two_keys_of_one_name_sign_side_by_side() -> None:
    """A rotated key keeps its name; whoever knows either key opens the note."""
    old, new = SigningKey.generate("example.com/log"), SigningKey.generate("example.com/log")
    note = sign_note("text\n", [old, new])

    for known in ([old.verifier], [new.verifier], [old.verifier, new.verifier]):
        assert len(open_note(note, known).signatures) == len(known)


def test_a_note_without_a_known_signature_is_refused(peter: VerifierKey) -> None:
    """A good signature by somebody unknown vouches for nothing."""
    with pytest.raises(NoteError, match="No key that you trust"):
        open_note(f"{TEXT}\n{ENOCH_LINE}", [peter])
    with pytest.raises(NoteError, match="No key that you trust"):
        open_note(f"{TEXT}\n{PETER_LINE}", [])


def test_a_known_key_s_bad_signature_refuses_the_whole_note(peter: VerifierKey) -> None:
    """A second, good signature does not make up for a known key's wrong one."""
    enoch = VerifierKey.parse(ENOCH)
    wrong = PETER_LINE.replace("x08go/ZJ", "x08go/ZK")

    with pytest.raises(NoteError, match=r"PeterNeumann\+c74f20a3 is wrong"):
        open_note(f"{TEXT}\n{ENOCH_LINE}{wrong}", [peter, enoch])


def test_a_signature_under_another_name_or_id_is_not_the_key_s(peter: VerifierKey) -> None:
    """Name and id must both match: the same bytes under another name are an unknown key's."""
    for line in (
        PETER_LINE.replace("PeterNeumann", "CarmenSandiego"),
        PETER_LINE.replace("x08g", "xxxx"),
    ):
        with pytest.raises(NoteError, match="No key that you trust"):
            open_note(f"{TEXT}\n{line}", [peter])


def test_a_signature_that_is_there_twice_is_refused(peter: VerifierKey) -> None:
    """A known key signs once; a repetition, good or bad, is no note of ours."""
    with pytest.raises(NoteError, match="two signatures"):
        open_note(f"{TEXT}\n{PETER_LINE}{PETER_LINE}", [peter])


def test_two_known_keys_of_one_id_are_refused(peter: VerifierKey) -> None:
    """When two trusted keys bear the same name and id, nobody can tell whose a signature is."""

    class Colliding(VerifierKey, frozen=True):
        @property
        def key_id(self) -> bytes:
            return bytes.fromhex("c74f20a3")

    with pytest.raises(NoteError, match="trust only one"):
        open_note(f"{TEXT}\n{PETER_LINE}", [peter, Colliding("PeterNeumann", b"k" * 32)])


def test_sixteen_signatures_are_read_and_seventeen_are_not(peter: VerifierKey) -> None:
    """The format asks for at least sixteen; above that a note is refused before any is checked."""
    others = [SigningKey.generate(f"witness{number}.example") for number in range(SIGNATURES_MAX)]
    lines = sign_note(TEXT, others).removeprefix(f"{TEXT}\n").splitlines(keepends=True)

    assert open_note(f"{TEXT}\n{''.join(lines[1:])}{PETER_LINE}", [peter]).text == TEXT
    with pytest.raises(NoteError, match="17 signatures, above the limit of 16"):
        open_note(f"{TEXT}\n{''.join(lines)}{PETER_LINE}", [peter])


MALFORMED = {
    "only text": (TEXT, "no blank line"),
    "no signature": (f"{TEXT}\n", "does not end"),
    "empty": ("", "no blank line"),
    "no blank line": (f"{TEXT}{PETER_LINE}", "no blank line"),
    "cut off": (f"{TEXT}\n{PETER_LINE}"[:-1], "does not end"),
    "cut off in a line": (f"{TEXT}\n{PETER_LINE}"[:-20], "does not end"),
    "CRLF": (f"{TEXT}\n{PETER_LINE}".replace("\n", "\r\n"), "CR line ends"),
    "one CR": (f"{TEXT}\n{PETER_LINE}".replace(",\n", ",\r\n"), "CR line ends"),
    "control character": (f"\x01{TEXT}\n{PETER_LINE}", "control characters"),
    "tab": (f"\t{TEXT}\n{PETER_LINE}", "control characters"),
    "NUL": (f"{TEXT}\n{PETER_LINE}\0", "control characters"),
    "blank line at the end": (f"{TEXT}\n{PETER_LINE}\n", "does not end"),
    "two blank lines at the end": (f"{TEXT}\n{PETER_LINE}\n\n", "does not end"),
    "a line that is no signature": (f"{TEXT}\n{PETER_LINE}Unexpected line.\n", "not of the form"),
    "a hyphen for the dash": (f"{TEXT}\n{PETER_LINE.replace('—', '-')}", "not of the form"),
    "no space after the dash": (f"{TEXT}\n{PETER_LINE.replace('— ', '—')}", "not of the form"),
    "no name": (f"{TEXT}\n{PETER_LINE.replace('PeterNeumann', '')}", "key name"),
    "a space in the name": (f"{TEXT}\n{PETER_LINE.replace('Peter', 'Peter ')}", "signature"),
    "a wide space in the name": (f"{TEXT}\n{PETER_LINE.replace('Peter', 'Peter　')}", "key name"),
    "a plus in the name": (f"{TEXT}\n{PETER_LINE.replace('Peter', 'Peter+')}", "key name"),
    "two spaces": (f"{TEXT}\n{PETER_LINE.replace(' x08', '  x08')}", "signature is not base64"),
    "trailing space": (f"{TEXT}\n{PETER_LINE[:-1]} \n", "signature is not base64"),
    "trailing base64": (f"{TEXT}\n{PETER_LINE[:-1]}AAAA\n", "signature is not base64"),
    "no padding": (f"{TEXT}\n{PETER_LINE.replace('=', '')}", "signature is not base64"),
    "padding twice": (f"{TEXT}\n{PETER_LINE.replace('=', '==')}", "signature is not base64"),
    "unused bits": (f"{TEXT}\n{PETER_LINE.replace('nAM=', 'nAN=')}", "as it is always written"),
    "url-safe base64": (f"{TEXT}\n{PETER_LINE.replace('/', '_')}", "signature is not base64"),
    "only a key id": (f"{TEXT}\n— PeterNeumann x08gow==\n", "holds no signature"),
    "no signature bytes": (f"{TEXT}\n— PeterNeumann \n", "holds no signature"),
    "too long": ("x" * NOTE_BYTES_MAX + f"\n\n{PETER_LINE}", "above the limit of 131072"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_not_a_note_is_refused_with_its_reason(case: str, peter: VerifierKey) -> None:
    """Each malformation is named, as text and as bytes."""
    note, reason = MALFORMED[case]

    for given in (note, note.encode()):
        with pytest.raises(NoteError, match=reason):
            open_note(given, [peter])


def test_text_that_is_not_utf8_is_refused(peter: VerifierKey) -> None:
    """Bytes that are not UTF-8, and text that could not become it, are no notes."""
    with pytest.raises(NoteError, match="not UTF-8"):
        open_note(b"\xff" + f"{TEXT}\n{PETER_LINE}".encode(), [peter])
    with pytest.raises(NoteError, match="not UTF-8"):
        open_note("\ud800" + f"{TEXT}\n{PETER_LINE}", [peter])


def test_blank_lines_within_the_text_are_text() -> None:
    """Text and signatures part at the last blank line."""
    key = SigningKey.parse(PETER_PRIVATE)
    for text in ("a\n\nb\n", "\n", "a\n\n", "— Peter AAAA\n\n— Peter\n"):
        assert open_note(sign_note(text, [key]), [key.verifier]).text == text


def test_every_flipped_bit_is_noticed(peter: VerifierKey) -> None:
    """No bit of text, blank line or signature line can change and the note still open."""
    note = f"{TEXT}\n{PETER_LINE}".encode()

    for place in range(len(note) * 8):
        flipped = bytearray(note)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(NoteError):
            open_note(bytes(flipped), [peter])


def test_every_mangled_key_is_refused() -> None:
    """Any part of a key, or a key with one character raised, is not taken for a key."""
    for whole, parse in ((PETER, VerifierKey.parse), (PETER_PRIVATE, SigningKey.parse)):
        cut = {whole[start:end] for start in range(len(whole)) for end in range(len(whole) + 1)}
        raised = {
            whole[:at] + chr(ord(whole[at]) + 1) + whole[at + 1 :] for at in range(len(whole))
        }
        for text in (cut | raised) - {whole}:
            with pytest.raises(NoteError):
                parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW=",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PETER + "\n",
    ],
)
def test_what_is_not_a_verifier_key_is_refused(text: str) -> None:
    """Other algorithms, other lengths, other spellings, and no key at all."""
    with pytest.raises(NoteError):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\u2003b", "a\nb", "a\tb", "x" * 256, "\ud800"]
)
def test_a_name_that_no_key_may_bear_is_refused(name: str) -> None:
    """A name is not empty, not too long, and holds neither spaces nor '+'."""
    with pytest.raises(NoteError):
        SigningKey.generate(name)


def test_a_key_s_text_has_a_limit() -> None:
    """A text much longer than any key is not even decoded."""
    with pytest.raises(NoteError, match="verifier key is too long"):
        VerifierKey.parse(PETER + "A" * 1000)
    with pytest.raises(NoteError, match="signing key is too long"):
        SigningKey.parse(PETER_PRIVATE + "A" * 1000)


@pytest.mark.parametrize("public", [b"", b"k" * 31, b"k" * 33])
def test_a_key_of_another_length_is_refused(public: bytes) -> None:
    """An Ed25519 key has 32 bytes."""
    with pytest.raises(NoteError, match="32 bytes"):
        VerifierKey("example.com/log", public)


def test_what_could_not_be_read_back_is_not_signed() -> None:
    """A text without its line feed, with control characters, or too long is refused at signing."""
    key = SigningKey.generate("example.com/log")

    for text in ("abc", "", "a\rb\n", "a\0b\n", "x" * (NOTE_BYTES_MAX - 50) + "\n"):
        with pytest.raises(NoteError):
            sign_note(text, [key])
    for keys in ([], [key, key], [SigningKey.generate(f"k{at}") for at in range(17)]):
        with pytest.raises(NoteError, match="1 to 16 different keys"):
            sign_note("text\n", keys)


def test_a_signature_is_not_another_key_s() -> None:
    """A key says no to another key's signature, to other bytes, and to no signature."""
    key, other = SigningKey.generate("a"), SigningKey.generate("a")
    signature = key.sign(b"message")

    assert key.verifier.verify(b"message", signature)
    assert not other.verifier.verify(b"message", signature)
    assert not key.verifier.verify(b"massage", signature)
    assert not key.verifier.verify(b"message", b"")
    assert not key.verifier.verify(b"message", signature + b"\0")
