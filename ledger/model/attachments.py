"""What the facts say of an uploaded file: who sent it, when the gate first heard of it, its fate.

A file may be sent in several tries; each try is a receipt of its own, because a report that names
the file may count from the try that was under way at the due instant (ruling 42). Every fact that
names the file is tagged with it, so that the dossier knows whether anything does.
Read next: `naming.py` (who may name a file), then `ledger/uploads.py`.
"""

from datetime import datetime

import msgspec

from ledger.entry import Event
from ledger.events.attachments import AttachmentErased, AttachmentReceived, AttachmentStored
from ledger.vocabulary import Actor, EventId, PersonRef


class Try(msgspec.Struct, frozen=True):
    """An upload that was begun."""

    received_at: datetime
    event: EventId
    position: int


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The dossier of one file; `tries` are those since it was last erased."""

    attachment: str
    owner: PersonRef
    uploader: str
    media_type: str
    tries: tuple[Try, ...]
    size_bytes: int | None = None
    is_named: bool = False
    is_erased: bool = False

    @property
    def is_stored(self) -> bool:
        """Whether the whole content arrived and was not erased since."""
        return self.size_bytes is not None and not self.is_erased

    def begun_within(self, since: datetime) -> Try | None:
        """The first try received after an instant."""
        return next((one for one in self.tries if one.received_at > since), None)


def uploader_of(actor: Actor) -> str:
    """Who sent something: the person, else the system, else the door."""
    return str(actor.person or actor.system or actor.via)


def fold_attachment(row: Attachment | None, event: Event, key: str) -> Attachment | None:
    """The dossier of file `key` after one more event that is tagged with it."""
    fact = event.fact
    if isinstance(fact, AttachmentReceived):
        return _received(row, fact, event, key)
    if row is None:
        return None
    if isinstance(fact, AttachmentStored):
        return msgspec.structs.replace(row, size_bytes=fact.size_bytes)
    if isinstance(fact, AttachmentErased):
        return msgspec.structs.replace(row, is_erased=True)
    # Whatever else carries the tag names the file as its evidence.
    return msgspec.structs.replace(row, is_named=True)


def _received(
    row: Attachment | None, fact: AttachmentReceived, event: Event, key: str
) -> Attachment:
    one = Try(event.received_at, event.id, event.position)
    if row is not None and not row.is_erased:
        # What is stored stays so, whatever becomes of another try.
        kept = row.media_type if row.is_stored else fact.media_type
        return msgspec.structs.replace(row, media_type=kept, tries=(*row.tries, one))
    return Attachment(
        attachment=key,
        owner=fact.owner,
        uploader=uploader_of(event.actor),
        media_type=fact.media_type,
        tries=(one,),
        is_named=row is not None and row.is_named,
    )
