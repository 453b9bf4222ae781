"""Where a log's files come from, and a folder that holds them.

The verifier reads by itself: what the sealer's own reader makes of a file is no evidence.
Read next: `served.py`, for a log behind an address.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final, Protocol

import msgspec

from ledger.errors import LedgerError, TileError
from ledger.merkle import HASH_BYTES
from ledger.sealing.note import NOTE_BYTES_MAX, VerifierKey
from ledger.sealing.proof import PROOF_BYTES_MAX
from ledger.sealing.succession import successor_path
from ledger.sealing.tiles import TILE_WIDTH, TileId
from ledger.verifying.hashing import LENGTH_BYTES

TILE_BYTES_MAX: Final = TILE_WIDTH * HASH_BYTES
BUNDLE_BYTES_MAX: Final = TILE_WIDTH * (LENGTH_BYTES + 65_535)
DRAFT: Final = ".draft-"
"""Begins the names of files that a sealer is writing at this moment."""


class FileMissing(LedgerError):
    """The log lacks a file that its checkpoint needs; get the whole log."""

    code = "log-file-missing"


class LogFiles(Protocol):
    """The files of one log."""

    in_threads: ClassVar[bool]
    """Whether waiting for files takes longer than hashing them."""

    @property
    def name(self) -> str:
        """Where they are, for people."""

    def checkpoint(self) -> bytes:
        """The newest checkpoint."""

    def read(self, tile: TileId) -> tuple[bytes, bool]:
        """A tile's or bundle's bytes, and whether the full one stands in for a partial one."""

    def successor(self, older: VerifierKey) -> bytes | None:
        """What tells which key follows this one; None where there is nothing of the kind."""

    def paths(self) -> Iterator[str]:
        """The path of every file below `tile/`, where that can be known."""


def bytes_max(tile: TileId) -> int:
    """No tile or bundle has more."""
    return BUNDLE_BYTES_MAX if tile.level is None else TILE_BYTES_MAX


class FolderLog(msgspec.Struct, frozen=True):
    """A folder as the sealer writes it, or a copy of one."""

    in_threads: ClassVar[bool] = False
    path: str

    @property
    def name(self) -> str:
        """The folder."""
        return self.path

    def checkpoint(self) -> bytes:
        """The newest checkpoint."""
        return self._bytes("checkpoint", NOTE_BYTES_MAX)

    def read(self, tile: TileId) -> tuple[bytes, bool]:
        """A partial file that is gone was replaced by the full one."""
        if tile.width < TILE_WIDTH:
            with suppress(FileMissing):
                return self._bytes(tile.path(), bytes_max(tile)), False
            return self._bytes(TileId(tile.level, tile.index).path(), bytes_max(tile)), True
        return self._bytes(tile.path(), bytes_max(tile)), False

    def successor(self, older: VerifierKey) -> bytes | None:
        """Kept by the sealer's folder for ever."""
        with suppress(FileMissing):
            return self._bytes(successor_path(older), PROOF_BYTES_MAX)
        return None

    def paths(self) -> Iterator[str]:
        """Every file below `tile/`, but those being written."""
        for folder, _, names in os.walk(Path(self.path) / "tile"):
            below = Path(folder).relative_to(self.path).as_posix()
            for name in names:
                if not name.startswith(DRAFT):
                    yield f"{below}/{name}"

    def _bytes(self, path: str, limit: int) -> bytes:
        try:
            with (Path(self.path) / path).open("rb") as file:
                content = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise FileMissing(f"{path} is missing; get the whole log") from error
        if len(content) > limit:
            raise TileError(f"{path} has more than the {limit:,} bytes that it may have")
        return content
