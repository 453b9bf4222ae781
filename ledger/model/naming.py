"""Who may name an uploaded file as evidence: whoever uploaded it whole, while it is there.

Every decision whose facts carry evidence asks here, so that an entry never names a file that the
gate has not seen, and nobody reaches a file of somebody else by naming it.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from eventsourcing.dcb.domain import Selector

from ledger.entry import Context
from ledger.errors import FieldProblem, Invalid
from ledger.model.attachments import Try, uploader_of
from ledger.model.history import History, about
from ledger.vocabulary import Evidence

EVIDENCE_MAX = 20
"""Files that one fact may name: an entry has a limit of its own."""


def named_boundary(evidence: Sequence[Evidence]) -> list[Selector]:
    """Everything that happened to the files named."""
    return [about("attachment", one.sha256) for one in evidence[:EVIDENCE_MAX]]


def problems_of_naming(
    history: History, context: Context, evidence: Sequence[Evidence]
) -> Iterator[FieldProblem]:
    """Why files may not be named, file by file."""
    if len(evidence) > EVIDENCE_MAX:
        yield FieldProblem("evidence", f"at most {EVIDENCE_MAX} files are named at a time")
        return
    seen: set[str] = set()
    for place, one in enumerate(evidence):
        if message := _problem(history, context, one):
            yield FieldProblem(f"evidence[{place}].sha256", message)
        elif (stored := history.rows["attachment"][one.sha256].media_type) != one.media_type:
            yield FieldProblem(f"evidence[{place}].media_type", f"was uploaded as {stored}")
        elif one.sha256 in seen:
            yield FieldProblem(f"evidence[{place}].sha256", "is named twice; name it once")
        seen.add(one.sha256)


def _problem(history: History, context: Context, one: Evidence) -> str | None:
    row = history.rows["attachment"].get(one.sha256)
    if row is None or row.uploader != uploader_of(context.actor):
        return "was not uploaded by you; upload the file first, then name it"
    if row.is_erased:
        return "was erased, because nothing named it in time; upload it again"
    if not row.is_stored:
        return "has not arrived yet; finish the upload, then name it"
    return None


def require_named(history: History, context: Context, evidence: Sequence[Evidence]) -> None:
    """Refuse a command that names what it may not."""
    if problems := tuple(problems_of_naming(history, context, evidence)):
        raise Invalid(fields=problems)


def last_begun(
    history: History, context: Context, evidence: Sequence[Evidence], window: timedelta
) -> Try | None:
    """Since when the gate knew every file that was on its way lately; None: none was.

    Of each file the first try within the window counts; of several files the last, because only
    then did the gate know all that the report holds.
    """
    since = context.received_at - window
    begun = [history.rows["attachment"][one.sha256].begun_within(since) for one in evidence]
    return max(
        (one for one in begun if one is not None),
        key=lambda one: (one.received_at, one.position),
        default=None,
    )
