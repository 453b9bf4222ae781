"""The steps of all files told in time, first as a rehearsal that records nothing, then in earnest.

A rehearsal takes every decision against everything the ledger holds and everything the files say,
so that what it finds in order is recorded afterwards without a refusal.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Final

from api.importing import claims, rows
from api.importing.files import Problem, Read, Row
from api.importing.people import People
from api.importing.rows import Step, Told
from api.importing.sheets import FIELD_PREFIX, SHEETS
from ledger.bulk import Bulk
from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Invalid, Refused
from ledger.events.platform import ImportCommitted
from ledger.identifiers import new_fact_id
from ledger.retelling import Retelling
from ledger.vocabulary import Actor, ImportId, Source, Via

IMPORT: Final = Actor(via=Via.IMPORT, system="import")
CONTENT: Final = "content."
RANKS: Final = {sheet.name: rank for rank, sheet in enumerate(SHEETS)}


class Story:
    """What the files tell, in the order of its instants."""

    def __init__(self, reads: list[Read], people: People, now: datetime) -> None:
        self._reads = {read.sheet.name: read for read in reads}
        self._people = people
        self._now = now

    def tell(self, bulk: Bulk, on_step: Callable[[], None] = lambda: None) -> list[Problem]:
        """Tell it into a bulk, the clock in between and up to now; what was refused, and why."""
        retelling = Retelling(bulk)
        problems: list[Problem] = []
        for step in self.steps():
            at = min(step.at, self._now)
            for _ in retelling.pass_time(at):
                pass
            actor = Actor(via=Via.IMPORT, person=step.person, post=step.post)
            context = Context(
                actor=actor if step.person else IMPORT,
                received_at=at,
                new_id=new_fact_id,
                source=step.source,
            )
            try:
                command = step.do if isinstance(step.do, Command) else step.do(bulk.history)
                retelling.execute(command, context)
            except Refused as refusal:
                problems.extend(self._problems(step, refusal))
            on_step()
        for _ in retelling.pass_time(self._now):
            pass
        for read in self._reads.values():
            self._commit(retelling, read)
        return problems

    def steps(self) -> list[Step]:
        """Every step, ordered."""
        found = list(self._all())
        found.sort(key=lambda one: (one.at, one.rank, one.row))
        return found

    def _all(self) -> Iterator[Step]:
        told = {name: Told(read, RANKS[name]) for name, read in self._reads.items()}
        began = self._began()
        if "calendar" in told:
            yield from rows.calendar_steps(told["calendar"])
        if "units" in told:
            yield from rows.unit_steps(told["units"])
        first = rows.midnight(min(began.values())) if began else self._now
        if "posts" in told:
            yield from rows.post_steps(told["posts"], began, first)
        if "people" in told:
            yield from rows.people_steps(told["people"], self._people, first)
        if "forms" in told:
            yield from rows.form_steps(told["forms"], self._first_duty())
        if "duties" in told:
            yield from rows.duty_steps(told["duties"])
            years = range(self._first_duty().year, self._now.year + 2)
            yield from rows.known_calendars(years, self._announced())
        if "submissions" in told:
            yield from claims.submission_steps(told["submissions"], self._people, self._now)
        if "relief" in told:
            yield from claims.relief_steps(told["relief"], self._people, self._now)

    def _began(self) -> dict[str, date]:
        read = self._reads.get("units")
        found = read.rows if read else []
        return {row.cells["unit"]: row.cells["established_on"] for row in found}

    def _announced(self) -> set[int]:
        read = self._reads.get("calendar")
        return {row.cells["day"].year for row in read.rows} if read else set()

    def _first_duty(self) -> datetime:
        read = self._reads.get("duties")
        known = [row.cells["published_at"] for row in read.rows] if read else []
        return min(known, default=self._now)

    def _commit(self, retelling: Retelling, read: Read) -> None:
        """The fact that a file was imported, with its hash; its key when it comes again."""
        fact = ImportCommitted(
            imported=ImportId(read.sha256),
            file_sha256=read.sha256,
            file_kind=read.sheet.name,
            rows=len(read.rows),
        )
        context = Context(actor=IMPORT, received_at=self._now, new_id=new_fact_id)
        source = Source(file_sha256=read.sha256, sheet=read.sheet.name)
        retelling.record([Draft(fact=fact, source=source)], context)

    def _problems(self, step: Step, refusal: Refused) -> Iterator[Problem]:
        """A refusal as the problems of its row, a field each."""
        row = self._row(step)
        if not isinstance(refusal, Invalid) or not refusal.fields:
            yield Problem(step.file, step.row, "", "", str(refusal))
            return
        for one in refusal.fields:
            column = one.field
            if column.startswith(CONTENT):
                column = FIELD_PREFIX + column.removeprefix(CONTENT)
            cell = row.fields.get(column.removeprefix(FIELD_PREFIX)) if row else None
            if row is not None and cell is None:
                cell = row.cells.get(column)
            value = "" if cell is None else str(cell)
            yield Problem(step.file, step.row, column, value, one.message)

    def _row(self, step: Step) -> Row | None:
        read = self._reads.get(Path(step.file).stem.lower())
        found = read.rows if read else []
        return next((one for one in found if one.number == step.row), None)
