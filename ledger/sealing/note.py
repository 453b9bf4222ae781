"""Signed notes (c2sp.org/signed-note, v1.0.0) with Ed25519 keys: text that names its signers.

A note is text, a blank line, and one line a signature: `— name base64(key id || signature)`. The
key id comes from name and key, so that a reader knows at once which of its keys to try. Strangers'
programs read ours, so everything is to the byte; and whoever reads one here must say which keys
are known, because a note says nothing until a known key vouches for it.
Read next: `ledger/sealing/checkpoint.py`.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import NoteError
from ledger.sealing import spelling

__all__ = [
    "Note",
    "NoteError",
    "NoteSignature",
    "SigningKey",
    "VerifierKey",
    "open_note",
    "sign_note",
]

ED25519: Final = b"\x01"
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
KEY_ID_BYTES: Final = 4

NAME_BYTES_MAX: Final = 255
"""What a cosigner's name may have, so that every key of ours could also cosign."""

NOTE_BYTES_MAX: Final = 131_072
SIGNATURES_MAX: Final = 16
"""The fewest that every reader of the format must take; no note of ours needs more."""

KEY_TEXT_CHARACTERS_MAX: Final = 512
PRIVATE: Final = "PRIVATE+KEY+"
DASH: Final = "— "


class VerifierKey(msgspec.Struct, frozen=True):
    """A public key and the name that it signs under; its text form is a `vkey`."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != KEY_BYTES:
            raise NoteError(f"An Ed25519 key has {KEY_BYTES} bytes, not {len(self.public)}.")

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature line says which key it is of."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:KEY_ID_BYTES]

    @classmethod
    def parse(cls, vkey: str) -> "VerifierKey":
        """The key of `<name>+<hex key id>+<base64>`; the base64 may hold '+' itself."""
        name, key_id, content = _split_key(vkey, "verifier key")
        found = cls(name, content)
        if found.key_id.hex() != key_id:
            raise NoteError("The verifier key's id is not that of its name and key; copy it anew.")
        return found

    def vkey(self) -> str:
        """The text form, for publishing."""
        return f"{self.name}+{self.key_id.hex()}+{spelling.write_bytes(ED25519 + self.public)}"

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this key signed these bytes."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey:
    """A private key and its name; it shows itself only where `private_text` is asked for."""

    __slots__ = ("_private", "verifier")

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.verifier = VerifierKey(name, private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey({self.verifier.vkey()!r})"

    @property
    def name(self) -> str:
        """The name it signs under."""
        return self.verifier.name

    @classmethod
    def generate(cls, name: str) -> "SigningKey":
        """A new key."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, private_text: str) -> "SigningKey":
        """The key of `PRIVATE+KEY+<name>+<hex key id>+<base64>`."""
        if not private_text.startswith(PRIVATE):
            raise NoteError("A signing key begins with PRIVATE+KEY+; check the key's file.")
        name, key_id, seed = _split_key(private_text.removeprefix(PRIVATE), "signing key")
        found = cls(name, Ed25519PrivateKey.from_private_bytes(seed))
        if found.verifier.key_id.hex() != key_id:
            raise NoteError("The signing key's id is not that of its name and key; restore it.")
        return found

    def private_text(self) -> str:
        """The text form, secret: whoever reads it can sign."""
        seed = spelling.write_bytes(ED25519 + self._private.private_bytes_raw())
        return f"{PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{seed}"

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature."""
        return self._private.sign(message)


class NoteSignature(msgspec.Struct, frozen=True):
    """One signature line: whose, by which key, and the bytes after the key id."""

    name: str
    key_id: bytes
    signature: bytes


class Note(msgspec.Struct, frozen=True):
    """The text of an opened note, and those of its signatures that known keys made."""

    text: str
    signatures: tuple[NoteSignature, ...]


def sign_note(text: str, keys: Sequence[SigningKey]) -> str:
    """The text with a signature line of each key, in their order."""
    if not text.endswith("\n"):
        raise NoteError("A note's text ends in a line feed; it cannot be signed without.")
    named = {(key.name, key.verifier.key_id) for key in keys}
    if not 1 <= len(keys) <= SIGNATURES_MAX or len(named) != len(keys):
        raise NoteError(f"Sign with 1 to {SIGNATURES_MAX} different keys, not with {len(keys)}.")
    message = spelling.read_text(text, "text to sign", NOTE_BYTES_MAX, NoteError).encode()
    lines = [
        f"{DASH}{key.name} {spelling.write_bytes(key.verifier.key_id + key.sign(message))}\n"
        for key in keys
    ]
    note = text + "\n" + "".join(lines)
    return spelling.read_text(note, "signed note", NOTE_BYTES_MAX, NoteError)


def open_note(note: str | bytes, known: Sequence[VerifierKey]) -> Note:
    """What known keys vouch for; raises NoteError when none does, or one of them does not.

    Signatures of unknown keys are passed over, as the format demands, even under a known name.
    """
    text, lines = _split_note(spelling.read_text(note, "note", NOTE_BYTES_MAX, NoteError))
    keys = _by_name(known)
    message = text.encode()
    verified: dict[tuple[str, bytes], NoteSignature] = {}
    for line in lines:
        found = _signature(line)
        named = (found.name, found.key_id)
        key = keys.get(named)
        if key is None:
            continue
        if named in verified:
            raise NoteError(f"The note has two signatures of the key {_show(named)}; reject it.")
        if not key.verify(message, found.signature):
            raise NoteError(f"The signature of the key {_show(named)} is wrong; reject the note.")
        verified[named] = found
    if not verified:
        raise NoteError("No key that you trust signed this note; ask its maker for the vkey.")
    return Note(text, tuple(verified.values()))


def check_name(name: str) -> None:
    """Raise NoteError unless this may name a key: not empty, no space, no plus."""
    spelling.read_text(name, "key name", NAME_BYTES_MAX, NoteError)
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NoteError("A key name is not empty and holds neither spaces nor '+'; correct it.")


def _split_key(text: str, what: str) -> tuple[str, str, bytes]:
    """Name, hex key id and 32 key bytes of either text form."""
    if len(text) > KEY_TEXT_CHARACTERS_MAX:
        raise NoteError(f"The {what} is too long; copy it anew.")
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    content = spelling.read_bytes(encoded, what, NoteError)
    if content[:1] != ED25519 or len(content) != 1 + KEY_BYTES:
        raise NoteError(f"The {what} is not an Ed25519 key of the form name+id+base64.")
    return name, key_id, content[1:]


def _split_note(note: str) -> tuple[str, list[str]]:
    """Text and signature lines, parted at the last blank line."""
    text, blank, signatures = note.rpartition("\n\n")
    if not blank:
        raise NoteError("The note has no blank line before its signatures; fetch it whole.")
    if not signatures.endswith("\n"):
        raise NoteError("The note does not end in a signature line; fetch it whole.")
    lines = signatures[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise NoteError(
            f"The note has {len(lines)} signatures, above the limit of {SIGNATURES_MAX}; reject it."
        )
    return text + "\n", lines


def _signature(line: str) -> NoteSignature:
    """The parts of a signature line."""
    name, space, encoded = line.removeprefix(DASH).partition(" ")
    if not line.startswith(DASH) or not space:
        raise NoteError("A signature line is not of the form '— name base64'; reject the note.")
    check_name(name)
    content = spelling.read_bytes(encoded, "signature", NoteError)
    if len(content) <= KEY_ID_BYTES:
        raise NoteError("A signature line holds no signature; reject the note.")
    return NoteSignature(name, content[:KEY_ID_BYTES], content[KEY_ID_BYTES:])


def _by_name(known: Sequence[VerifierKey]) -> dict[tuple[str, bytes], VerifierKey]:
    keys: dict[tuple[str, bytes], VerifierKey] = {}
    for key in known:
        named = (key.name, key.key_id)
        if keys.setdefault(named, key) != key:
            raise NoteError(f"Two known keys are called {_show(named)}; trust only one of them.")
    return keys


def _show(named: tuple[str, bytes]) -> str:
    return f"{named[0]}+{named[1].hex()}"
