"""Files on their way: hearing of one, having it whole, and letting go of what nobody named.

The doors of `ledger/uploads.py` decide these, never a caller by itself. Hearing of a file is a
fact before its content is here, because a report that names it may count from then (ruling 42).
"""

from datetime import datetime, timedelta
from typing import Final

from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Conflict, NotFound
from ledger.events import attachments as a
from ledger.model.attachments import Attachment, uploader_of
from ledger.model.history import History, about
from ledger.vocabulary import AttachmentId, PersonRef

UNNAMED_KEPT: Final = timedelta(hours=24)
"""How long a file stays that no fact names, from the last time that somebody sent it."""


class _OfAttachment(Command, frozen=True, kw_only=True):
    """Something that happens to one file."""

    attachment: AttachmentId

    def boundary(self, history: History) -> list[Selector]:
        """Everything that happened to the file, and every fact that names it."""
        del history
        return [about("attachment", self.attachment)]

    def _row(self, history: History) -> Attachment:
        row: Attachment | None = history.rows["attachment"].get(self.attachment)
        if row is None:
            raise NotFound(f"there is no attachment {self.attachment!r} in this ledger")
        return row


class ReceiveAttachment(_OfAttachment, frozen=True, kw_only=True):
    """Somebody begins to send a file of this hash."""

    owner: PersonRef
    media_type: str

    def boundary(self, history: History) -> list[Selector]:
        """Nothing: that a file is on its way is so whatever happened before."""
        del history
        return []

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`attachment.received`, at every try."""
        del history, context
        fact = a.AttachmentReceived(
            attachment=self.attachment, owner=self.owner, media_type=self.media_type
        )
        return [Draft(fact=fact)]


class StoreAttachment(_OfAttachment, frozen=True, kw_only=True):
    """The file is here, whole."""

    size_bytes: int

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`attachment.stored`; refuses what another request stored meanwhile."""
        row = self._row(history)
        if row.uploader != uploader_of(context.actor):
            raise Conflict("somebody else is sending this file; begin the upload again")
        if row.is_stored:
            raise Conflict("this file is stored already; nothing is left to do")
        return [
            Draft(fact=a.AttachmentStored(attachment=self.attachment, size_bytes=self.size_bytes))
        ]


class SweepAttachment(_OfAttachment, frozen=True, kw_only=True):
    """Let go of a file that nobody named in time."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`attachment.erased`; refuses while the file is named, or may still be."""
        row = self._row(history)
        if row.is_named or row.is_erased or kept_until(row) > context.received_at:
            raise Conflict("this file is named, or may still be, or is gone already; leave it")
        return [Draft(fact=a.AttachmentErased(attachment=self.attachment, cause="unnamed"))]


def kept_until(row: Attachment) -> datetime:
    """Until when a file waits to be named."""
    return row.tries[-1].received_at + UNNAMED_KEPT
