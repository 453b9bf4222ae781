"""Uploads: what happens when between a file's arrival, its content on disk, and the log.

First the log hears that a file of this hash is on its way, then the content is written, then the
log hears that it is here: so no entry names a file that is not there, and a slow line costs
nobody a deadline (ruling 42). What no fact names is let go of after a day.
Read next: `ledger/decisions/attachments.py`.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from ledger.attached_content import Incoming
from ledger.attachments import (
    AttachmentGone,
    AttachmentStore,
    AttachmentTooLarge,
)
from ledger.decisions.attachments import (
    UNNAMED_KEPT,
    ReceiveAttachment,
    StoreAttachment,
    SweepAttachment,
)
from ledger.entry import Context, Event
from ledger.errors import Conflict, Invalid, NotFound
from ledger.log import Log, item_of
from ledger.media_types import MARK_BYTES_MAX, mismatch
from ledger.model.attachments import Attachment
from ledger.model.history import History, about
from ledger.settings import Settings
from ledger.vocabulary import Actor, AttachmentId, Evidence, PersonRef, Sealed

SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Announced(msgspec.Struct, frozen=True):
    """What a caller says of a file before sending it."""

    sha256: str
    media_type: str
    size_bytes: int | None = None


class Naming(msgspec.Struct, frozen=True):
    """A fact that names a file: what it concerns, and what it calls the file."""

    tags: tuple[str, ...]
    name: Sealed | None


class Known(msgspec.Struct, frozen=True):
    """A file as the log knows it: its dossier, and every fact that names it."""

    row: Attachment
    namings: tuple[Naming, ...]


class Uploads:
    """The uploads of one ledger."""

    def __init__(self, log: Log, store: AttachmentStore, settings: Settings) -> None:
        self._log = log
        self._store = store
        self.bytes_max = settings.attachment_bytes_max
        self.media_types = frozenset(settings.attachment_types.split(","))

    def begin(self, announced: Announced, context: Context) -> tuple[Attachment, Incoming | None]:
        """The log hears of the file; what to write it into, or None when it is here already."""
        self._require_acceptable(announced)
        owner = owner_of(context.actor)
        attachment = self._store.identify(owner, announced.sha256)
        known = self._row(attachment)
        if known is not None and known.is_stored and self._store.holds(attachment):
            if known.media_type != announced.media_type:
                raise Conflict(f"this file is here already, as {known.media_type}; name it so")
            return known, None
        row = self._heard(announced, attachment, context)
        return row, self._store.begin(owner, attachment)

    def arrived(self, sha256: str, actor: Actor) -> tuple[int, bool]:
        """How many bytes of a caller's file are here, and whether that is all of it."""
        if not SHA256.fullmatch(sha256):
            raise Invalid.field("sha256", "write the content's SHA-256 in 64 small hex digits")
        attachment = self._store.identify(owner_of(actor), sha256)
        row = self._row(attachment)
        if row is not None and row.is_stored and self._store.holds(attachment):
            return row.size_bytes or 0, True
        return self._store.arrived(attachment), False

    def go_on(
        self, announced: Announced, offset: int, context: Context
    ) -> tuple[Attachment, Incoming]:
        """Go on with an upload that broke off after `offset` bytes; `Conflict` says how many."""
        self._require_acceptable(announced)
        owner = owner_of(context.actor)
        attachment = self._store.identify(owner, announced.sha256)
        incoming = self._store.take_up(owner, attachment) if offset else None
        size = incoming.size if incoming is not None else 0
        if incoming is None or size != offset:
            if incoming is not None:
                self._store.suspend(incoming, attachment)
            raise Conflict(
                f"{size:,} bytes of this file are here; go on from there, or send it all"
            )
        try:
            return self._heard(announced, attachment, context), incoming
        except BaseException:
            self._store.suspend(incoming, attachment)
            raise

    def suspend(self, incoming: Incoming, row: Attachment) -> None:
        """The line broke: keep what came, to be gone on with within a day."""
        self._store.suspend(incoming, AttachmentId(row.attachment))

    def take(self, incoming: Incoming, content: bytes, row: Attachment) -> None:
        """Write what came next, as long as it may still become the file."""
        if incoming.size + len(content) > self.bytes_max:
            raise AttachmentTooLarge(self._too_large())
        incoming.write(content)
        if incoming.size >= MARK_BYTES_MAX:
            _require_type(incoming, row.media_type)

    def finish(
        self, incoming: Incoming, announced: Announced, row: Attachment, context: Context
    ) -> Attachment:
        """The content is here: keep it, and tell the log; a repetition changes nothing."""
        attachment = AttachmentId(row.attachment)
        _require_type(incoming, row.media_type)
        size = self._store.keep(incoming, attachment, announced.sha256)
        command = StoreAttachment(attachment=attachment, size_bytes=size)
        try:
            self._log.execute(command, context)
        except Conflict:
            # Two requests with one file: whichever came second finds it stored.
            if not self._existing(attachment).is_stored:
                raise
        return self._existing(attachment)

    def _heard(
        self, announced: Announced, attachment: AttachmentId, context: Context
    ) -> Attachment:
        """The log hears that a file is on its way."""
        owner, media_type = owner_of(context.actor), announced.media_type
        command = ReceiveAttachment(attachment=attachment, owner=owner, media_type=media_type)
        self._log.execute(command, context)
        return self._existing(attachment)

    def known(self, attachment: str) -> Known:
        """What the log says of a file; `NotFound` where it never heard of it."""
        events = self._events(attachment) if SHA256.fullmatch(attachment) else []
        row = History.of(events).rows["attachment"].get(attachment)
        if row is None:
            raise NotFound(f"there is no attachment {attachment!r} in this ledger")
        namings = (
            Naming(tuple(event.tags), one.name)
            for event in events
            for one in event.envelope.evidence
            if one.sha256 == attachment
        )
        return Known(row, tuple(namings))

    def require_here(self, row: Attachment) -> None:
        """Refuse what was let go of, or never arrived."""
        if row.is_erased or self._store.is_erased(row.owner):
            raise AttachmentGone
        if not row.is_stored:
            raise NotFound("this attachment has not arrived whole; its uploader sends it again")

    def named(self, evidence: Iterable[Evidence], actor: Actor) -> tuple[Evidence, ...]:
        """What a caller names by the content's own hash, as entries name it."""
        owner = owner_of(actor)
        return tuple(
            msgspec.structs.replace(one, sha256=self._store.identify(owner, one.sha256))
            for one in evidence
        )

    def sweep(self, context: Context, erased: Mapping[str, int]) -> int:
        """Settle what is named, let go of what waited in vain; how many files that were.

        `erased` has who the log says was erased, and where: nothing of them stays on disk.
        """
        self._store.remove_parts((datetime.now(UTC) - UNNAMED_KEPT).timestamp())
        swept = sum(self._sweep_one(attachment, context) for attachment in self._store.waiting())
        return swept + self._sweep_erased(erased)

    def _sweep_erased(self, erased: Mapping[str, int]) -> int:
        """Remove the files of who was erased since files were last looked through."""
        newest = max(erased.values(), default=0)
        if newest <= self._store.swept_up_to():
            return 0
        gone = 0
        for attachment in self._store.settled():
            row = self._row(attachment)
            if row is not None and row.owner in erased and self._store.is_erased(row.owner):
                self._store.remove_settled(attachment)
                gone += 1
        self._store.note_swept(newest)
        return gone

    def _sweep_one(self, attachment: AttachmentId, context: Context) -> bool:
        row = self._row(attachment)
        if row is None:
            # The log never heard of it: a database older than its files. Nothing is removed then.
            return False
        if row.is_named:
            self._store.settle(attachment)
            return False
        seen = self._store.seen(attachment)
        if not row.is_erased:
            try:
                self._log.execute(SweepAttachment(attachment=attachment), context)
            except Conflict:
                return False
        self._store.remove_waiting(attachment, seen)
        return True

    def _require_acceptable(self, announced: Announced) -> None:
        if not SHA256.fullmatch(announced.sha256):
            raise Invalid.field("sha256", "write the content's SHA-256 in 64 small hex digits")
        if announced.media_type not in self.media_types:
            taken = ", ".join(sorted(self.media_types))
            raise Invalid.field("content-type", f"is not taken here; these are: {taken}")
        if announced.size_bytes == 0:
            raise Invalid.field("body", "is empty; send the file's content")
        if announced.size_bytes is not None and announced.size_bytes > self.bytes_max:
            raise AttachmentTooLarge(self._too_large())

    def _too_large(self) -> str:
        return f"the file is larger than {self.bytes_max:,} bytes; send a smaller one"

    def _row(self, attachment: AttachmentId) -> Attachment | None:
        rows = History.of(self._events(attachment)).rows["attachment"]
        found: Attachment | None = rows.get(attachment)
        return found

    def _existing(self, attachment: AttachmentId) -> Attachment:
        row = self._row(attachment)
        assert row is not None, "the log heard of it a moment ago"
        return row

    def _events(self, attachment: str) -> list[Event]:
        return self._log.events((item_of(about("attachment", attachment)),))


def owner_of(actor: Actor) -> PersonRef:
    """Whose key encrypts what somebody sends: the person's, else the system's."""
    return actor.person or PersonRef(f"system:{actor.system}")


def _require_type(incoming: Incoming, media_type: str) -> None:
    if incoming.size and (problem := mismatch(media_type, incoming.head)):
        raise Invalid.field("body", f"is not {media_type}: {problem}")
