"""A ledger's beginning: its row in the database, and its first fact, which says what it is.

The first fact names the ledger and says whether its clock is real or simulated, so that every
copy of the log says so too. Founding twice, or in two processes at once, founds one ledger.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from ledger.codec import encode
from ledger.database import Database
from ledger.entry import Context, Draft, envelope_of, tags_of
from ledger.errors import ConditionFailed, Conflict
from ledger.events.platform import LedgerCreated
from ledger.identifiers import new_fact_id
from ledger.recorder import (
    AppendRequest,
    Condition,
    LedgerInfo,
    PostgresRecorder,
    create_ledger,
    find_ledger,
)
from ledger.recorder.session import Guard
from ledger.vocabulary import Actor, Via


def found_ledger(  # noqa: PLR0913  (what a beginning consists of, each with its name)
    database: Database,
    name: str,
    *,
    simulated: bool,
    now: datetime,
    new_id: Callable[[], UUID] = new_fact_id,
    guard: Guard | None = None,
) -> LedgerInfo:
    """The ledger of this name, made if there is none; `Conflict` if it has the other clock.

    `guard` refuses to begin anew a ledger that was sealed and whose database was lost.
    """
    info = find_ledger(database, name)
    if info is None:
        create_ledger(database, name, simulated=simulated)
        info = find_ledger(database, name)
        assert info is not None, "a ledger that was made is found"
    if info.simulated != simulated:
        kind = "simulated" if info.simulated else "real"
        raise Conflict(f"ledger {name} has a {kind} clock; choose another name")
    recorder = PostgresRecorder(database, info.ledger_id, guard)
    try:
        if recorder.head().position == 0:
            context = Context(
                actor=Actor(via=Via.OPERATOR, system="ledger"), received_at=now, new_id=new_id
            )
            _record_first(recorder, info, context)
    finally:
        recorder.close()
    return info


def _record_first(recorder: PostgresRecorder, info: LedgerInfo, context: Context) -> None:
    fact = LedgerCreated(name=info.name, clock="simulated" if info.simulated else "real")
    draft = Draft(fact=fact)
    event = encode(draft.fact, envelope_of(draft, context), tags_of(draft), info.name)
    request = AppendRequest(
        events=(event,),
        condition=Condition((), after=0),
        recorded_at=context.received_at if info.simulated else None,
    )
    try:
        recorder.append_one(request)
    except ConditionFailed:
        # Another process founded it at this moment: one first fact is enough.
        return
