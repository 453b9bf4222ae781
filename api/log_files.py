"""The verifiable log as files (C2SP tlog-tiles): newest checkpoint, hash tiles, entry bundles.

Programs that others wrote fetch these and recompute everything, so addresses, types and bytes are
those of the specification and of nothing else. Who only checks hashes needs no key; the entries are
for auditors of the whole ledger, unless the log is public. What the newest checkpoint does not
cover is not served, whatever lies in the folder already.
Read next: `proofs.py`, `ledger/sealing/tiles.py`.
"""

import re
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response, Router, get
from litestar.params import FromPath

from api.auth import Permission
from api.ledgers import Ledgers, OpenLedger
from api.problems import NotSealedYet
from ledger.errors import Invalid, NotFound, TileError
from ledger.merkle import HASH_BYTES
from ledger.sealing.checkpoint import Checkpoint
from ledger.sealing.folder import LogFolder
from ledger.sealing.guard import unsigned
from ledger.sealing.tiles import TILE_HEIGHT, TILE_WIDTH, TileId, TileTree, parse_path

CHECKPOINT_CACHED: Final = "max-age=1"
"""A checkpoint follows a fact within a second; nobody keeps an older one for longer."""

FOR_EVER: Final = "max-age=31536000, immutable"
"""What a tile holds never changes."""

KEY_ID: Final = re.compile(r"[0-9a-f]{8}")

ADDRESS_CHARACTERS_MAX: Final = 128
"""A tile's own address has half of this, however large the log."""


class SealedLog(msgspec.Struct, frozen=True):
    """What the newest checkpoint of a log covers."""

    folder: LogFolder
    note: str
    checkpoint: Checkpoint

    @property
    def size(self) -> int:
        """How many entries it covers."""
        return self.checkpoint.size

    def covers(self, tile: TileId) -> bool:
        """Whether everything in the tile is under the checkpoint."""
        count = self.size >> TILE_HEIGHT * (tile.level or 0)
        return tile.index * TILE_WIDTH + tile.width <= count

    def tree(self, size: int) -> TileTree:
        """The tree as it was at a size, read from the tiles of the newest."""
        return TileTree(size, self._read_first)

    def _read_first(self, tile: TileId) -> bytes:
        # Partial tiles are kept for the sizes of checkpoints only; the newest has every first part.
        assert tile.level is not None, "a tree is computed from hash tiles"
        there = (self.size >> TILE_HEIGHT * tile.level) - tile.index * TILE_WIDTH
        whole = TileId(tile.level, tile.index, min(there, TILE_WIDTH))
        try:
            return self.folder.read(whole)[: tile.width * HASH_BYTES]
        except NotFound as error:
            message = f"{whole.path()} is under the checkpoint and not in the log's folder"
            raise TileError(f"{message}; run `ledger verify`") from error


def sealed_log_of(opened: OpenLedger) -> SealedLog | None:
    """What is sealed of a ledger by now; None before its first checkpoint."""
    note = opened.log_folder.latest()
    if note is None:
        return None
    # Our own file, which the sealer signed: readers verify it, and here only its size is needed.
    return SealedLog(opened.log_folder, note, unsigned(note))


@get(
    "/checkpoint",
    permission=Permission.PUBLIC,
    summary="The newest signed checkpoint",
    media_type=MediaType.TEXT,
    sync_to_thread=True,
)
def show_checkpoint(request: Request[Any, Any, Any], ledger: FromPath[str]) -> Response[str]:
    """A signed note (C2SP tlog-checkpoint): the log's origin, its size and its root hash."""
    if _address(request, ledger) != "checkpoint":
        raise NotFound(_NOTHING_THERE)
    note = _sealed(request, ledger).note
    return Response(note, headers={"cache-control": CHECKPOINT_CACHED})


@get(
    "/successors/{key_id:str}",
    permission=Permission.PUBLIC,
    summary="Which key of the log follows one that was replaced",
    media_type=MediaType.TEXT,
    sync_to_thread=True,
)
def show_successor(
    request: Request[Any, Any, Any], ledger: FromPath[str], key_id: FromPath[str]
) -> Response[str]:
    """A proof (C2SP tlog-proof) of the entry that names it; `key_id` as in the key's own text."""
    if not KEY_ID.fullmatch(key_id):
        raise NotFound(_NOTHING_THERE)
    proof = _ledgers(request).open(ledger).log_folder.successor(key_id)
    return Response(proof, headers={"cache-control": f"public, {FOR_EVER}"})


@get(
    # Addresses of tiles have slashes, which a schema cannot describe; the manual does.
    "/tile/{tile:path}",
    permission=Permission.PUBLIC,
    include_in_schema=False,
    sync_to_thread=True,
)
def show_tile(request: Request[Any, Any, Any], ledger: FromPath[str]) -> Response[bytes]:
    """Up to 256 hashes of one level of the tree."""
    tile = _tile(request, ledger)
    assert tile.level is not None, "an address of entries never leads here"
    return _file(request, ledger, tile, is_public=True)


@get(
    "/tile/entries/{tile:path}",
    permission=Permission.SEE_LOG,
    include_in_schema=False,
    sync_to_thread=True,
)
def show_bundle(request: Request[Any, Any, Any], ledger: FromPath[str]) -> Response[bytes]:
    """Up to 256 entries, byte for byte, each after its length."""
    tile = _tile(request, ledger)
    assert tile.level is None, "an address of hashes never leads here"
    return _file(request, ledger, tile, is_public=_ledgers(request).settings.log_public)


def _file(
    request: Request[Any, Any, Any], ledger: str, tile: TileId, *, is_public: bool
) -> Response[bytes]:
    sealed = _sealed(request, ledger)
    if not sealed.covers(tile):
        raise NotSealedYet(f"the newest checkpoint ends at size {sealed.size}, before this tile")
    content = sealed.folder.read(tile)
    kept = f"{'public' if is_public else 'private'}, {FOR_EVER}"
    return Response(content, media_type="application/octet-stream", headers={"cache-control": kept})


def _tile(request: Request[Any, Any, Any], ledger: str) -> TileId:
    """The tile that the address spells exactly as the specification does; `NotFound` otherwise."""
    address = _address(request, ledger)
    if len(address) > ADDRESS_CHARACTERS_MAX:
        raise NotFound(_NOTHING_THERE)
    try:
        return parse_path(address)
    except Invalid as error:
        raise NotFound(_NOTHING_THERE) from error


def _address(request: Request[Any, Any, Any], ledger: str) -> str:
    """What stands below the log's own address, as it was sent: the framework reads leniently."""
    scope: Any = request.scope
    sent = scope["raw_path"].partition(b"?")[0].decode("ascii", "replace")
    above = f"/log/{ledger}/"
    if not sent.startswith(above):
        raise NotFound(_NOTHING_THERE)
    return str(sent.removeprefix(above))


def _sealed(request: Request[Any, Any, Any], ledger: str) -> SealedLog:
    sealed = sealed_log_of(_ledgers(request).open(ledger))
    if sealed is None:
        raise NotSealedYet
    return sealed


def _ledgers(request: Request[Any, Any, Any]) -> Ledgers:
    ledgers: Ledgers = request.app.state.ledgers
    return ledgers


_NOTHING_THERE: Final = "there is no such file in a log; tlog-tiles says how addresses are spelled"

router: Final = Router(
    "/log/{ledger:str}",
    route_handlers=[show_checkpoint, show_successor, show_tile, show_bundle],
    # Clients of logs name no media type, or one that is not ours.
    opt={"json": False},
    tags=["log"],
)
