"""What a verification found: how far it looked, against what, and everything that is wrong."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

FAULTS_MAX: Final = 100
"""More than these say nothing new; the first by position is the one to begin with."""


NOT_HERE: Final = (
    "not in this source: personal values and attachments (entries only commit to them), views, and "
    "the database's own tables; ask the database with `ledger verify --views`"
)
"""What a folder, an address or an export cannot tell; it is said, never passed over."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong, and the first position that it concerns (None: no single one)."""

    position: int | None
    what: str

    def text(self) -> str:
        """Both in one line."""
        return self.what if self.position is None else f"position {self.position}: {self.what}"


class Checked(msgspec.Struct, frozen=True):
    """A checkpoint that was compared with, and what its signature rests on."""

    size: int
    root: str
    signature: str


class Kept(msgspec.Struct, frozen=True):
    """A checkpoint that an auditor kept, and whether the log still begins with it."""

    file: str
    size: int
    signature: str
    consistent: bool


class SealedFields(msgspec.Struct):
    """The personal values that the entries read commit to."""

    present: int = 0
    erased: int = 0
    missing: int = 0
    erased_by: dict[str, int] = {}
    """Person to the position of the entry that tells of the erasure."""


class AttachedFiles(msgspec.Struct):
    """The attachments that the entries read name."""

    present: int = 0
    erased: int = 0
    missing: int = 0
    altered: int = 0


class Report(msgspec.Struct, kw_only=True):
    """One verification."""

    source: str
    origin: str | None = None
    size: int = 0
    """Entries that the log has."""
    root: str | None = None
    """SHA-256 root (hex) over all of them, computed here."""
    first_position: int = 1
    entries_read: int = 0
    checkpoint: Checked | None = None
    kept: list[Kept] = []
    sealed: SealedFields | None = None
    attachments: AttachedFiles | None = None
    notes: list[str] = []
    faults: list[Fault] = []
    seconds: float = 0.0
    seconds_by_part: dict[str, float] = {}
    """What took how long; what is done beside the reading of rows is in its own part alone."""

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count the time until the end of the block for this part, and for none around it."""
        began, elsewhere = time.monotonic(), sum(self.seconds_by_part.values())
        try:
            yield
        finally:
            within = sum(self.seconds_by_part.values()) - elsewhere
            took = time.monotonic() - began - within
            self.seconds_by_part[part] = self.seconds_by_part.get(part, 0.0) + took

    def blame(self, position: int | None, what: str) -> None:
        """Add a fault."""
        self.add([Fault(position, what)])

    def add(self, faults: list[Fault]) -> None:
        """Add faults, and keep the first by position; what has none stands last."""
        known = dict.fromkeys([*self.faults, *faults])
        ordered = sorted(known, key=lambda one: (one.position is None, one.position or 0))
        self.faults = ordered[:FAULTS_MAX]

    @property
    def first(self) -> Fault | None:
        """The first bad position, or else what concerns the whole log."""
        return self.faults[0] if self.faults else None
