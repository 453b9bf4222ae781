"""Every way the ledger says no, in one tree.

An error's docstring is its default message, and each message says what to do next.
`code` is the stable slug that doors show; `api/problems.py` holds the one table from these
classes to HTTP statuses. Refusals (4xx) are `Refused`; everything else is the log protecting
itself or its environment being wrong.
"""

from typing import TYPE_CHECKING, ClassVar

import msgspec

if TYPE_CHECKING:
    from ledger.entry import Draft


class LedgerError(Exception):
    """The ledger could not do that."""

    code: ClassVar[str] = "ledger-error"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class FieldProblem(msgspec.Struct, frozen=True):
    """One thing wrong with one field of an input: where, and what to do about it."""

    field: str
    message: str


class Refused(LedgerError):
    """The rules do not allow this; the message says which rule, and who could do it."""

    code = "refused"


class NotAllowed(Refused):
    """This person or post may not do that; ask the post that the message names."""

    code = "not-allowed"


class NotFound(Refused):
    """There is no such thing in this ledger; check the identifier."""

    code = "not-found"


class Conflict(Refused):
    """The facts changed while this was decided; read again and repeat the request."""

    code = "conflict"


class Invalid(Refused):
    """Some fields are not acceptable; correct each one that is named."""

    code = "invalid"

    def __init__(self, message: str = "", fields: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields

    @classmethod
    def field(cls, field: str, message: str) -> "Invalid":
        """The common case: one field, one reason."""
        return cls(f"{field}: {message}", (FieldProblem(field, message),))


class GateRefused(Invalid):
    """The gate turned the report away; the attempt is recorded. Correct the fields and send again.

    `drafts` are the facts that keep the attempt; the log records them before it raises.
    """

    code = "gate-refused"

    def __init__(
        self,
        message: str = "",
        fields: tuple[FieldProblem, ...] = (),
        drafts: "tuple[Draft, ...]" = (),
    ) -> None:
        super().__init__(message or "The gate turned the report away; correct the fields.", fields)
        self.drafts = drafts


class TimeWentBack(Invalid):
    """A simulated ledger's time never goes back; give an instant at or after its last fact's."""

    code = "time-went-back"


class ConditionFailed(LedgerError):
    """A fact that this decision depends on was recorded meanwhile; read again and decide anew."""

    code = "condition-failed"


class BulkDiverged(LedgerError):
    """Somebody else wrote to this ledger during the load; stop them, then start the load again."""

    code = "bulk-diverged"


class KeyReused(LedgerError):
    """This idempotency key was used for another request; send a new key."""

    code = "key-reused"


class DuplicateId(LedgerError):
    """An event with this id is already recorded; ids are never used twice."""

    code = "duplicate-id"


class EntryTooLarge(LedgerError):
    """An entry may hold 65,535 bytes; store larger content as an attachment and name its hash."""

    code = "entry-too-large"


class BadLabel(LedgerError):
    """A type or tag is empty, repeated, or holds a control character; correct the label."""

    code = "bad-label"


class UnknownFact(LedgerError):
    """This entry's type or version is not registered; upgrade before reading this ledger."""

    code = "unknown-fact"


class UnknownAlgorithm(LedgerError):
    """These rules name a verdict algorithm that this program does not have; upgrade first."""

    code = "unknown-algorithm"


class OutcomeUnknown(LedgerError):
    """The connection broke during the append; retry under the same key to settle it."""

    code = "outcome-unknown"


class LogStopped(LedgerError):
    """The log takes no writes until an operator has looked; the message says why."""

    code = "log-stopped"


class ClockJumped(LogStopped):
    """The clock jumped beyond the limit; confirm the time before the ledger takes writes."""

    code = "clock-jumped"


class ProofError(LedgerError):
    """The proof does not hold; do not accept what it was to prove, and keep it as evidence."""

    code = "proof-invalid"


class NoteError(LedgerError):
    """The signed text is malformed or not signed by a key you trust; do not accept it."""

    code = "note-invalid"


class TileError(LedgerError):
    """A tile or entry bundle is not what its path says; fetch it again, or report its keeper."""

    code = "tile-invalid"


class BadSetting(LedgerError):
    """A LEDGER_* variable is unknown or not acceptable; the message names it and what it takes."""

    code = "bad-setting"


class WrongPostgres(LedgerError):
    """The ledger cannot be kept in this PostgreSQL; the message says what to change."""

    code = "wrong-postgres"


class DatabaseUnreachable(LedgerError):
    """PostgreSQL does not answer; start it, or correct LEDGER_DATABASE_URL."""

    code = "database-unreachable"


class MigrationEdited(LedgerError):
    """An applied migration was edited; restore it and write a new one with the next number."""

    code = "migration-edited"


class MigrationMissing(LedgerError):
    """The migrations have a gap or are older than the database; install the matching version."""

    code = "migration-missing"


class ViewBehind(LedgerError):
    """The view has not reached this position yet; wait a moment, or ask as of an earlier one."""

    code = "view-behind"


class ViewStopped(LedgerError):
    """The view stopped at a fact it could not fold; an operator sees why in `ledger project`."""

    code = "view-stopped"


class ViewMissing(LedgerError):
    """The view was never built for this ledger; run `ledger project`."""

    code = "view-missing"


class TooManyRows(LedgerError):
    """The question matches more rows than one answer may hold; narrow it, or ask page by page."""

    code = "too-many-rows"


class ProjectorLeading(LedgerError):
    """Another process already projects this ledger; let it, or stop it first."""

    code = "projector-leading"


class SealerLeading(LedgerError):
    """Another process already seals this ledger; let it, or stop it first."""

    code = "sealer-leading"


class LeadershipLost(LedgerError):
    """Another projector took over this ledger, so nothing more was saved here; start again."""

    code = "leadership-lost"


class ShapeChanged(LedgerError):
    """The declared rows differ from the stored ones; raise the projection's version."""

    code = "shape-changed"


class FoldChanged(LedgerError):
    """A fold was changed and kept its version; raise the projection's version."""

    code = "fold-changed"


class RebuildGoing(LedgerError):
    """Another process rebuilds views of this ledger; let it end, or interrupt it first."""

    code = "rebuild-going"


class RebuildStopped(LedgerError):
    """The rebuilt view cannot fold a fact, so nothing was switched; mend the fold first."""

    code = "rebuild-stopped"


class MigrationPending(LedgerError):
    """The database is older than this program; run `ledger migrate`."""

    code = "migration-pending"


class MigrationNotAtomic(LedgerError):
    """A migration ends its own transaction; remove COMMIT and ROLLBACK from the file."""

    code = "migration-not-atomic"
