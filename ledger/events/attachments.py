"""Files beside the log: that one was on its way, that it arrived, and that it is gone."""

from typing import ClassVar, Literal

from ledger.events.fact import Fact
from ledger.vocabulary import AttachmentId, PersonRef


class AttachmentReceived(Fact, frozen=True, kw_only=True):
    """The gate accepted the hash of a file before the file itself; each try is one (ruling 42).

    `attachment` is the keyed commitment to the content (docs/attachments.md), `owner` whose key
    encrypts it. `received_at` is when the request arrived, however long the content took.
    """

    TOPIC: ClassVar[str] = "attachment.received"
    attachment: AttachmentId
    owner: PersonRef
    media_type: str


class AttachmentStored(Fact, frozen=True, kw_only=True):
    """The whole content arrived, is what its hash said, and is on disk."""

    TOPIC: ClassVar[str] = "attachment.stored"
    attachment: AttachmentId
    size_bytes: int


class AttachmentErased(Fact, frozen=True, kw_only=True):
    """The content is removed: nobody named it in time (`unnamed`)."""

    TOPIC: ClassVar[str] = "attachment.erased"
    attachment: AttachmentId
    cause: Literal["unnamed"]
