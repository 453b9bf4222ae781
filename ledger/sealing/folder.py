"""The folder of one ledger's log: what strangers fetch, and what the sealer must not forget.

    checkpoint   the newest signed checkpoint
    tile/...     hash tiles and entry bundles, full and partial
    vkeys        every public key that ever signed here; for convenience, no verifier trusts it
    successors/  for each key that was replaced, the proof of which one follows it; for ever
    state        what was sealed last: the tree's compact range; never served
    lock         held by the one sealer of this folder

A file appears whole or not at all: it is written under a name of its own beside its place, synced,
renamed, and the folder is synced. Whoever is killed in between leaves drafts, which the next
writer removes. Read next: `ledger/sealing/sealer.py`.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from ledger.errors import NotFound, ProofError, SealerLeading, TileError
from ledger.merkle import HASH_BYTES, CompactRange
from ledger.sealing.note import VerifierKey
from ledger.sealing.succession import successor_path
from ledger.sealing.tiles import (
    TILE_WIDTH,
    TileId,
    TileTree,
    decode_bundle,
    encode_bundle,
)
from ledger.settings import Settings

DRAFT: Final = ".draft-"
"""Begins the name of a file that is being written; no path of the log does."""

FILES_MAX: Final = 256
BYTES_MAX: Final = 16 * 1024 * 1024
"""So many files, or bytes in them, are written before they are synced together."""

SYNCS_AT_ONCE: Final = 8
SYNCS_ALONE_MAX: Final = 4
"""For so few files threads are not worth it."""

# Its threads begin when they are first needed, and stay: a pass would make them anew.
_SYNCING: Final = ThreadPoolExecutor(SYNCS_AT_ONCE, thread_name_prefix="sync")


class State(msgspec.Struct, frozen=True):
    """What was sealed last: the size of the tree and its full subtrees, largest first."""

    size: int
    hashes: tuple[bytes, ...]

    def tree(self) -> CompactRange:
        """The tree, ready to grow; `ProofError` when this is none."""
        return CompactRange(self.size, self.hashes)


class LogFolder:
    """The files of one log. Anybody may read them; one sealer at a time writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._drafts = DRAFT + secrets.token_hex(8)
        self._known: set[Path] = set()

    def latest(self) -> str | None:
        """The newest signed checkpoint; None before the first."""
        try:
            return (self.path / "checkpoint").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None

    def read(self, tile: TileId) -> bytes:
        """A tile or bundle; a partial one may be the beginning of the full one. `NotFound`."""
        with suppress(FileNotFoundError):
            return (self.path / tile.path()).read_bytes()
        # In this order: a partial file is removed only when the full one is there.
        full = TileId(tile.level, tile.index)
        try:
            content = (self.path / full.path()).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"{tile.path()} is not in this log; ask for one that is") from error
        if tile.level is None:
            return encode_bundle(decode_bundle(content)[: tile.width])
        return content[: tile.width * HASH_BYTES]

    def tree(self, size: int) -> TileTree:
        """The tree of a size that was sealed, from its tiles."""
        return TileTree(size, self.read)

    def state(self) -> State | None:
        """What was sealed last; None when nothing was, or nobody can tell any more."""
        try:
            state = msgspec.json.decode((self.path / "state").read_bytes(), type=State)
            state.tree()
        except (FileNotFoundError, msgspec.DecodeError, ProofError):
            return None
        return state

    # -- for the sealer --------------------------------------------------------------------------

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other sealer of this machine out; `SealerLeading` when one is at work."""
        for changed in _made(self.path):
            _sync(changed)
        with (self.path / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SealerLeading from error
            self._known.clear()
            yield

    def write_tiles(self, tiles: Iterable[tuple[TileId, bytes]]) -> None:
        """Put tiles and bundles in their places, a few hundred at a time."""
        waiting: dict[str, bytes] = {}
        size_bytes = 0
        for tile, content in tiles:
            if tile.level is not None and len(content) != tile.width * HASH_BYTES:
                raise TileError(f"{tile.path()} would have {len(content)} bytes; report this")
            waiting[tile.path()] = content
            size_bytes += len(content)
            if len(waiting) >= FILES_MAX or size_bytes >= BYTES_MAX:
                self._write(waiting)
                waiting, size_bytes = {}, 0
        self._write(waiting)

    def remove_partials(self, tiles: Iterable[TileId]) -> None:
        """Remove the partial files of those full tiles that are there."""
        for tile in tiles:
            full = self.path / tile.path()
            assert tile.width == TILE_WIDTH, "only full tiles replace partial ones"
            partial = full.with_name(f"{full.name}.p")
            if partial.exists() and full.exists():
                shutil.rmtree(partial, ignore_errors=True)

    def save_state(self, state: State) -> None:
        """Remember what was sealed."""
        self._write({"state": msgspec.json.encode(state)})

    def publish(self, note: str, signers: Sequence[VerifierKey]) -> None:
        """Replace the checkpoint by a newer one; everything that it covers is there already."""
        vkeys = self.path / "vkeys"
        known = vkeys.read_text(encoding="utf-8").splitlines() if vkeys.exists() else []
        new = [one.vkey() for one in signers if one.vkey() not in known]
        if new:
            self._write({"vkeys": "".join(f"{line}\n" for line in [*known, *new]).encode()})
        self._write({"checkpoint": note.encode()})

    def keep_successor(self, older: VerifierKey, proof: str) -> None:
        """Keep for ever which key follows this one, as the log itself shows it."""
        self._write({successor_path(older): proof.encode()})

    def successor(self, key_id: str) -> str:
        """What is kept of the key of this id (hexadecimal); `NotFound`."""
        try:
            return (self.path / "successors" / key_id).read_text(encoding="ascii")
        except FileNotFoundError as error:
            raise NotFound("no key of this id was replaced in this log") from error

    def _write(self, files: Mapping[str, bytes]) -> None:
        """Put files in their places: durable before they are named, and named durably."""
        changed: dict[Path, None] = {}
        drafts: list[tuple[int, Path, Path]] = []
        try:
            for name, content in files.items():
                path = self.path / name
                changed.update(dict.fromkeys(self._enter(path.parent)))
                draft = path.with_name(f"{self._drafts}-{path.name}")
                handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
                drafts.append((handle, draft, path))
                _write_all(handle, content)
            _sync_all([handle for handle, _, _ in drafts])
        finally:
            for handle, _, _ in drafts:
                os.close(handle)
        for _, draft, path in drafts:
            draft.replace(path)
        for folder in changed:
            _sync(folder)

    def _enter(self, folder: Path) -> list[Path]:
        """The folders that change when a file appears in this one, which is made if need be."""
        if folder in self._known:
            return [folder]
        changed = _made(folder)
        for left in folder.glob(f"{DRAFT}*"):
            left.unlink(missing_ok=True)
        self._known.add(folder)
        return [folder, *changed]


def log_folder(settings: Settings, ledger: str) -> LogFolder:
    """Where the log of a ledger lies: LEDGER_LOG_DIR, or the folder `log` in LEDGER_HOME."""
    return LogFolder(Path(settings.log_dir or Path(settings.home) / "log") / ledger)


def _made(folder: Path) -> list[Path]:
    """Make a folder where there is none; the folders that changed by it."""
    if folder.is_dir():
        return []
    changed = _made(folder.parent)
    folder.mkdir(exist_ok=True)
    return [*changed, folder.parent]


def _write_all(handle: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


def _sync_all(handles: Sequence[int]) -> None:
    """Put many files on the disk: side by side, so that they share the disk's own commits."""
    if len(handles) <= SYNCS_ALONE_MAX:
        for handle in handles:
            os.fsync(handle)
        return
    list(_SYNCING.map(os.fsync, handles))


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
