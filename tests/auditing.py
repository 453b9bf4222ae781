"""A stranger's reader of a log, who knows the published formats and none of our code.

Written from RFC 9162 (sections 2.1.1, 2.1.3.2, 2.1.4.2) and C2SP's signed-note, tlog-checkpoint,
tlog-tiles and tlog-proof alone, and as plainly as they can be: a mistake of ours in hashing,
spelling or signing is not made a second time here.
"""

import hashlib
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH = 256


class Tree(NamedTuple):
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes


class Proof(NamedTuple):
    """What a proof file holds."""

    place: int
    path: list[bytes]
    checkpoint: str


def sha256(content: bytes) -> bytes:
    """The only hash there is here."""
    return hashlib.sha256(content).digest()


def root_over(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, from leaf hashes, as the definition has it."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + root_over(leaves[:split]) + root_over(leaves[split:]))


def note_text(note: str, vkey: str) -> str:
    """The text of a note that this key signed."""
    name, key_id, public = vkey.split("+", 2)
    key = b64decode(public)
    assert key[0] == 1, "an Ed25519 key"
    assert sha256(name.encode() + b"\n" + key)[:4].hex() == key_id
    text, blank, lines = note.rpartition("\n\n")
    assert blank, "a blank line stands before the signatures"
    assert lines.endswith("\n")
    text += "\n"
    found = 0
    for line in lines.splitlines():
        dash, signer, signature = line.split(" ")
        assert dash == "—"
        raw = b64decode(signature, validate=True)
        if (signer, raw[:4].hex()) == (name, key_id):
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(raw[4:], text.encode())
            found += 1
    assert found == 1, "signed by this key, once"
    return text


def checkpoint_of(note: str, vkey: str) -> Tree:
    """What a checkpoint says that this key signed."""
    origin, size, root, end = note_text(note, vkey).split("\n")
    assert end == ""
    assert origin == vkey.split("+", maxsplit=1)[0]
    return Tree(origin, int(size), b64decode(root, validate=True))


def proof_of(text: str) -> Proof:
    """A proof file taken apart; what it proves is not yet checked."""
    head, _, checkpoint = text.partition("\n\n")
    header, index, *path = head.split("\n")
    assert header == "c2sp.org/tlog-proof@v1"
    assert index.startswith("index ")
    hashes = [b64decode(one, validate=True) for one in path]
    return Proof(int(index.removeprefix("index ")), hashes, checkpoint)


def is_included(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162, section 2.1.3.2."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = sha256(b"\x01" + p + r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\x01" + r + p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def is_consistent(
    sizes: tuple[int, int], roots: tuple[bytes, bytes], path: Sequence[bytes]
) -> bool:
    """RFC 9162, section 2.1.4.2."""
    first, second = sizes
    if first == second:
        return not path and roots[0] == roots[1]
    if not path:
        return False
    rest = list(path) if first & (first - 1) else [roots[0], *path]
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = rest[0]
    for c in rest[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = sha256(b"\x01" + c + fr), sha256(b"\x01" + c + sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = sha256(b"\x01" + sr + c)
        fn, sn = fn >> 1, sn >> 1
    return (fr, sr, sn) == (roots[0], roots[1], 0)


def address(kind: str, index: int, width: int = WIDTH) -> str:
    """Where a tile of a level, or of `entries`, stands below the log's address."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    return f"tile/{kind}/{'/'.join(groups)}" + (f".p/{width}" if width < WIDTH else "")


def addresses(kind: str, count: int) -> list[str]:
    """Every tile of a level that has so many hashes, or entries: full ones, then the partial."""
    whole, rest = divmod(count, WIDTH)
    return [address(kind, one) for one in range(whole)] + (
        [address(kind, whole, rest)] if rest else []
    )


Fetch = Callable[[str], bytes]
"""The bytes at an address below the log's."""


def fetch_entries(fetch: Fetch, size: int) -> list[bytes]:
    """Every entry of a log, from its bundles."""
    found = []
    for one in addresses("entries", size):
        content = fetch(one)
        while content:
            length = int.from_bytes(content[:2], "big")
            assert len(content) >= 2 + length, "no entry is cut off"
            found.append(content[2 : 2 + length])
            content = content[2 + length :]
    return found


def fetch_level(fetch: Fetch, level: int, count: int) -> list[bytes]:
    """Every hash of a level of tiles."""
    content = b"".join(fetch(one) for one in addresses(str(level), count))
    assert len(content) == 32 * count
    return [content[at : at + 32] for at in range(0, len(content), 32)]
