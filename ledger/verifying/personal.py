"""Personal values: each that an entry commits to is present, erased by an entry, or missing.

An entry outlives the value that it commits to, but only an erasure that is itself in the log may
take the value away; anything else that is gone was lost, or taken.
"""

from collections.abc import Callable, Sequence
from typing import Final

from ledger.sealed import Mark
from ledger.verifying.report import Report, SealedFields

REVEAL_MAX: Final = 10_000

Reveal = Callable[[Sequence[tuple[str, str]]], Sequence[str | Mark]]
"""The values behind (person, commitment), each shown to be the one committed to; or why not."""


class Personal:
    """Counts the values of one ledger; `erasures` may come after the entries that they concern."""

    def __init__(self, reveal: Reveal, report: Report) -> None:
        self._reveal = reveal
        self._report = report
        self._waiting: dict[tuple[str, str], int] = {}
        self._present: dict[str, int] = {}
        self._erased: dict[str, list[int]] = {}
        self._missing: dict[str, list[int]] = {}
        self._told: dict[str, int] = {}
        self._count = 0

    def take(
        self, sealed: Sequence[tuple[int, str, str]], erasures: Sequence[tuple[int, str]]
    ) -> None:
        """Take what some entries commit to, and the erasures among them."""
        for position, person in erasures:
            self._told.setdefault(person, position)
        for position, person, commitment in sealed:
            self._waiting.setdefault((person, commitment), position)
            if len(self._waiting) >= REVEAL_MAX:
                self._look()

    def finish(self, told: dict[str, int]) -> None:
        """Put the counts, and what is missing, into the report; `told`: erasures in other parts."""
        self._look()
        erasures = {**told, **self._told}
        fields = SealedFields(present=self._count)
        for person, positions in self._erased.items():
            if person in erasures:
                fields.erased += len(positions)
                fields.erased_by[person] = erasures[person]
            else:
                fields.missing += len(positions)
                self._report.blame(
                    positions[0],
                    f"the key of {person} was destroyed and no entry says so; record it with "
                    f"`ledger keys personal destroy {person} --reason CODE`",
                )
        for person, positions in self._missing.items():
            if person in erasures:
                fields.erased += len(positions)
                fields.erased_by[person] = erasures[person]
            else:
                fields.missing += len(positions)
                self._report.blame(
                    positions[0],
                    f"MISSING: the value of {person} that this entry commits to is not in the "
                    "sealed store, or is not the one",
                )
        for person, position in erasures.items():
            if person in self._present:
                self._report.blame(
                    position,
                    f"this entry erased {person}, and a value of theirs is there again (entry "
                    f"{self._present[person]}); destroy the key again",
                )
        self._report.sealed = fields

    def _look(self) -> None:
        if not self._waiting:
            return
        values = self._reveal(list(self._waiting))
        for ((person, _), position), value in zip(self._waiting.items(), values, strict=True):
            if value is Mark.ERASED:
                self._erased.setdefault(person, []).append(position)
            elif value is Mark.MISSING:
                self._missing.setdefault(person, []).append(position)
            else:
                self._count += 1
                self._present.setdefault(person, position)
        self._waiting.clear()
