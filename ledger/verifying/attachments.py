"""The files that entries name: each is there and the one, erased by an entry, missing, or altered.

What entries tell is gathered from their bytes, in parts if need be, and judged at the end: the
erasure of a file may stand after the entry that names it. Files are read whole, which takes their
owners' keys; without the keys only what the log says is known.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from ledger.attachments import AttachmentStore, State
from ledger.events.attachments import AttachmentErased, AttachmentReceived
from ledger.vocabulary import AttachmentId

_NAMES: Final = b'"evidence":['
_TELLS: Final = b'"type":"attachment.'


def tells_of_files(entry: bytes) -> bool:
    """Whether an entry may say something of files; most do not, and cost no parsing."""
    return _NAMES in entry or _TELLS in entry


class Files(msgspec.Struct):
    """What the entries read tell of files; `named` has the first position that names each."""

    named: dict[str, int] = {}
    owners: dict[str, str] = {}
    erased: dict[str, int] = {}

    def take(self, position: int, entry: bytes) -> None:
        """Take in an entry, in the order of the log."""
        if not tells_of_files(entry):
            return
        said: dict[str, Any] = msgspec.json.decode(entry)
        for one in said.get("evidence", ()):
            self.named.setdefault(str(one["sha256"]), position)
        if said.get("type") == AttachmentReceived.TOPIC:
            self.owners[said["data"]["attachment"]] = said["data"]["owner"]
            # Sent again after it was let go of: then it is to be there.
            self.erased.pop(said["data"]["attachment"], None)
        if said.get("type") == AttachmentErased.TOPIC:
            self.erased[said["data"]["attachment"]] = position


class FileChecked(msgspec.Struct, frozen=True, kw_only=True):
    """One file: which entry names it first, what became of it, which entry erased it."""

    attachment: str
    position: int
    state: State
    erased_by: int | None = None

    @property
    def fault(self) -> str | None:
        """What is wrong, if anything is: only an erasure that an entry tells of is right."""
        if self.state is State.PRESENT:
            again = self.erased_by is not None
            return f"attachment {self.attachment} is there again" if again else None
        if self.state is State.ERASED:
            told = self.erased_by is not None
            return None if told else f"attachment {self.attachment} is erased and no entry says so"
        return f"attachment {self.attachment} is {self.state.value.upper()}"


def check_files(
    files: Files, erasures: Mapping[str, int], store: AttachmentStore
) -> Iterator[FileChecked]:
    """Each file that entries name, in the order of those entries.

    `erasures` has the persons whom the log says were erased, with the positions of those entries.
    """
    for attachment, position in sorted(files.named.items(), key=lambda one: one[1]):
        owner = files.owners.get(attachment)
        erased_by = files.erased.get(attachment) or (erasures.get(owner) if owner else None)
        state = store.state(AttachmentId(attachment), owner) if owner else State.MISSING
        if state is State.MISSING and erased_by is not None:
            state = State.ERASED
        yield FileChecked(
            attachment=attachment, position=position, state=state, erased_by=erased_by
        )
