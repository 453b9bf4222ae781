"""The sealer: one pass, over and over. START READING HERE for how facts become a signed log.

    1. look        is the ledger behind or beside what was sealed? does another sealer lead?
    2. read        new rows, each leaf hash computed anew from its entry
    3. tiles       full ones, and the partial ones of the new size, on the disk
    4. fence       `ledger.seal_v1` says durably in the database what is going to be signed
    5. state       the folder remembers the tree
    6. checkpoint  signed and published

Killed between any two of these, the next pass does the rest: what was fenced is read again and
must give the same root. What the folder remembers is compared with the database, never the other
way round, so rows that were edited after signing are never signed again.
Read next: `frontier.py` (the growing tree), `session.py` (the database), `findings.py`.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import psycopg

from ledger.database import Database
from ledger.errors import (
    BadSetting,
    LeadershipLost,
    LedgerError,
    LogStopped,
    NoteError,
    NotFound,
    ProofError,
    SealerLeading,
    TileError,
)
from ledger.merkle import EMPTY_ROOT, CompactRange
from ledger.sealing import findings
from ledger.sealing.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.sealing.folder import LogFolder, State
from ledger.sealing.frontier import Frontier
from ledger.sealing.guard import unsigned
from ledger.sealing.keys import LogKeys
from ledger.sealing.scrub import Scrub
from ledger.sealing.session import SealerSession
from ledger.sealing.standing import seal_standing
from ledger.sealing.tiles import TILE_WIDTH, TileId

BEHIND_SECONDS: Final = 0.7
"""How long a fact may wait: from one pass's look at the head to the end of the next.

Each pass costs its files, whatever it seals: partial tiles, state, checkpoint, and all their
predecessors deleted. So passes are as rare as the promised second allows, with some of it to spare
for a disk that is slow for once.
"""

PASS_ROWS_MAX: Final = 65_536
"""Rows a pass: a sealer far behind signs as it goes."""

SCRUBBED_IDLE: Final = 4
"""Old tiles that are compared with their rows when a pass finds nothing to seal; else one is."""

STANDBY_SECONDS: Final = 1.0
REST_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


class Sealer:
    """Seals one ledger into one folder."""

    def __init__(
        self, database: Database, ledger_id: int, keys: LogKeys, folder: LogFolder
    ) -> None:
        self._database = database
        self._ledger_id = ledger_id
        self._keys = keys
        self._folder = folder
        self._remake = False

    def seal(self) -> Checkpoint:
        """Seal up to the head, and give the lead back; the newest checkpoint.

        `SealerLeading` when another sealer is at work; `LogStopped` when the ledger is not the one
        that was sealed, which from then on takes no writes.
        """
        with self._leading() as lead:
            while lead.advance():
                """Until nothing is left."""
            return lead.checkpoint()

    def run(self, stopping: threading.Event) -> None:
        """Lead or stand by until `stopping`; beside a stopped ledger, wait until it is resumed."""
        said = ""
        while not stopping.is_set():
            try:
                with self._leading() as lead:
                    log.info("sealing ledger %d into %s", self._ledger_id, self._folder.path)
                    _follow(lead, stopping)
            except SealerLeading:
                stopping.wait(STANDBY_SECONDS)
            except LogStopped as found:
                log.log(
                    logging.ERROR, "sealer of ledger %d stands still: %s", self._ledger_id, found
                )
                self._stand_still(stopping)
            except (LedgerError, psycopg.Error, OSError) as error:
                if str(error) != said:
                    log.warning("the sealer of ledger %d rests: %s", self._ledger_id, error)
                said = str(error)
                stopping.wait(REST_SECONDS)
            except Exception:
                # What nobody foresaw may pass; a sealer that is gone is not missed until too late.
                log.exception("the sealer of ledger %d made a mistake", self._ledger_id)
                stopping.wait(REST_SECONDS)

    def _stand_still(self, stopping: threading.Event) -> None:
        """Wait until an operator has let facts in again; the lead is anybody's meanwhile."""
        while not stopping.wait(STANDBY_SECONDS):
            try:
                if seal_standing(self._database, self._ledger_id).stopped is None:
                    return
            except (LedgerError, psycopg.Error):
                # A server that is down resumes nothing.
                continue

    @contextmanager
    def _leading(self) -> Iterator["Lead"]:
        """The lead, until something is found or lost; a finding stops every writer."""
        with (
            self._folder.locked(),
            closing(SealerSession(self._database, self._ledger_id)) as session,
        ):
            try:
                yield Lead(session, self._keys, self._folder, remake=self._remake)
                self._remake = False
            except LogStopped as found:
                session.stop(found)
                raise
            except TileError:
                self._remake = True
                raise


def _follow(lead: "Lead", stopping: threading.Event) -> None:
    """Pass after pass; old rows are looked at in what time is left."""
    while not stopping.is_set():
        began = time.monotonic()
        behind = lead.advance()
        worked = time.monotonic() - began
        if not behind:
            lead.scrub(SCRUBBED_IDLE if lead.idle else 1)
            # The next pass works for as long as this one, and is to be done in time.
            stopping.wait(max(0.0, began + BEHIND_SECONDS - worked - time.monotonic()))


class Lead:
    """The sealer at work: the growing tree in memory, which agrees with folder and database."""

    def __init__(
        self, session: SealerSession, keys: LogKeys, folder: LogFolder, *, remake: bool = False
    ) -> None:
        self._session = session
        self._keys = keys
        self._folder = folder
        self.idle = False
        self._published: Checkpoint | None = None
        self._partials: set[TileId] = set()
        self._owed = 0
        keys.signing()  # who cannot sign need not begin
        self._frontier = self._begun(remake=remake)
        self._scrub = Scrub(session, folder)
        self._tidy()

    def advance(self) -> bool:
        """One pass; whether there is more to seal already. Raises what forbids to go on."""
        head = self._looked_at()
        size = self._frontier.size
        self.idle = head == size and self._is_published()
        if self.idle:
            return False
        until = max(self._owed, min(head, size + PASS_ROWS_MAX))
        completed = self._grow(until)
        self._seal()
        self._folder.remove_partials(completed)
        return until < head

    def checkpoint(self) -> Checkpoint:
        """The checkpoint published last."""
        return self._published or Checkpoint(self._keys.origin, 0, EMPTY_ROOT)

    def scrub(self, tiles: int) -> None:
        """Compare some old rows with their tiles; `LogStopped` names the first edited one."""
        self._scrub.step(self._frontier.tree(), tiles)

    # -- where to begin --------------------------------------------------------------------------

    def _begun(self, *, remake: bool) -> Frontier:
        """The tree as the folder remembers it, after everything that is known was compared.

        The folder's state, the database's seal and the published checkpoint may be of different
        sizes: after a crash, or when one of them was lost or restored. The rows must give each
        one's root, and nothing is written before they do. `remake`: every tile is made anew.
        """
        look = self._session.look(0)
        if look.stopped is not None:
            raise LogStopped(look.stopped)
        state, claims = self._claims()
        self._owed = max(claims, default=0)
        if look.head < self._owed:
            raise findings.rollback(look.head, self._owed)
        frontier = Frontier() if remake else self._remembered(state)
        in_step = frontier.size > 0 and self._session.seal.size >= frontier.size
        tree = frontier.tree() if in_step else CompactRange()
        for size, root in sorted(claims.items()):
            if size <= tree.size:
                continue
            for leaves in self._session.rows.leaves(tree.size, size):
                tree.extend(leaves)
            if tree.root() != root:
                raise self._forked(size, root)
        return frontier

    def _claims(self) -> tuple[State | None, dict[int, bytes]]:
        """Which sizes were sealed with which roots, as far as anybody remembers."""
        state, seal, note = self._folder.state(), self._session.seal, self._folder.latest()
        claims: dict[int, bytes] = {}
        said_by: dict[int, str] = {}

        def claim(size: int, root: bytes | None, by: str) -> None:
            if root is None or not size:
                return
            if claims.setdefault(size, root) != root:
                raise findings.two_roots(size, said_by[size], by)
            said_by[size] = by

        if state is not None:
            claim(state.size, state.tree().root(), "the state in the folder")
        claim(seal.size, seal.root, "the seal in the database")
        if note is not None:
            # Whoever forges it makes us stricter, no more; but what our keys did not sign is
            # published anew.
            try:
                published = unsigned(note)
                self._require_own(published)
                claim(published.size, published.root, "the published checkpoint")
                self._published = open_checkpoint(note, self._keys.verifiers())
            except NoteError as error:
                log.warning("the checkpoint in %s is made anew: %s", self._folder.path, error)
        return state, claims

    def _require_own(self, published: Checkpoint) -> None:
        if published.origin != self._keys.origin:
            raise BadSetting(
                f"{self._folder.path} holds the log of {published.origin}, not of "
                f"{self._keys.origin}; correct LEDGER_LOG_DIR or LEDGER_HOME"
            )

    def _remembered(self, state: State | None) -> Frontier:
        """The edge of the sealed tree; an empty one, when the files that hold it are lost."""
        if state is None:
            return Frontier()
        try:
            return Frontier.load(state.tree(), self._folder.read)
        except (NotFound, TileError, ProofError) as error:
            log.warning("tiles in %s are made anew: %s", self._folder.path, error)
            return Frontier()

    def _tidy(self) -> None:
        """Remove partial tiles that a killed sealer left beside their full ones."""
        count = self._frontier.size // TILE_WIDTH
        recent = range(max(0, count - PASS_ROWS_MAX // TILE_WIDTH), count)
        for level in (None, 0):
            self._folder.remove_partials(TileId(level, index) for index in recent)

    # -- one pass --------------------------------------------------------------------------------

    def _looked_at(self) -> int:
        """The head, after making sure that the ledger still leads to what was sealed."""
        frontier, session = self._frontier, self._session
        look = session.look(frontier.size)
        if look.stopped is not None:
            raise LogStopped(look.stopped)
        if (look.epoch, look.seal) != (session.epoch, session.seal):
            raise LeadershipLost("another sealer took over this ledger; nothing was signed here")
        if look.head < frontier.size:
            raise findings.rollback(look.head, frontier.size)
        if frontier.last_leaf is not None and look.leaf != frontier.last_leaf:
            raise self._forked(frontier.size, frontier.tree().root())
        return look.head

    def _is_published(self) -> bool:
        """Whether the checkpoint in the folder is the one of everything sealed, ours and signed."""
        size = self._frontier.size
        if self._published is None:
            return not size
        return self._published.size == size == self._session.seal.size

    def _grow(self, until: int) -> list[TileId]:
        """Read the rows up to here and write their tiles; which tiles and bundles became full."""
        completed: list[TileId] = []
        known, self._partials = self._partials, set()

        def grown() -> Iterator[tuple[TileId, bytes]]:
            for leaves, entries in self._session.pages(self._frontier.size, until):
                for tile, content in self._frontier.append(leaves, entries):
                    completed.append(tile)
                    yield tile, content
            for tile, content in self._frontier.partials():
                self._partials.add(tile)
                if tile not in known:
                    yield tile, content

        self._folder.write_tiles(grown())
        return completed

    def _seal(self) -> None:
        """Fence, remember, sign, publish: in this order, each durable before the next."""
        tree = self._frontier.tree()
        root = tree.root()
        self._session.fence(tree.size, root)
        self._owed = 0
        self._folder.save_state(State(tree.size, tuple(tree.hashes)))
        keys = self._keys.signing()
        checkpoint = Checkpoint(keys[0].name, tree.size, root)
        self._require_newest(checkpoint)
        self._folder.publish(sign_checkpoint(checkpoint, keys), [key.verifier for key in keys])
        self._published = checkpoint

    def _require_newest(self, checkpoint: Checkpoint) -> None:
        """A folder that two machines share may hold a newer one by now: it never goes back."""
        note = self._folder.latest()
        if note is None:
            return
        try:
            size = unsigned(note).size
        except NoteError:
            return
        if size > checkpoint.size:
            raise LeadershipLost(f"somebody else published checkpoint {size} here; stop one sealer")

    def _forked(self, size: int, root: bytes) -> LogStopped:
        """The finding, with the position, if the folder's tiles lead to this root."""
        tree = self._folder.tree(size)
        try:
            leads_there = tree.root() == root
        except (NotFound, TileError):
            leads_there = False
        return findings.fork(size, tree if leads_there else None, self._session.rows)
