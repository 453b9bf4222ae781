"""Is it alive, is it ready, and what does a problem's code mean: answered without a key.

Ready means: the database takes writes, the views follow the log, the sealer follows it too and has
found nothing wrong, and the calendar of the coming year is published once December is half over (a
year that nobody can compute dues for is the quietest way for such a system to fail).
"""

import asyncio
from datetime import date
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from api.auth import Permission
from api.ledgers import Ledgers, OpenLedger
from api.problems import catalogue
from ledger.database import Role
from ledger.errors import LedgerError, NotFound
from ledger.sealing.standing import seal_standing

LAG_SECONDS_MAX: Final = 5
SEAL_LAG_SECONDS_MAX: Final = 10
"""Ten times what is promised: a slow disk is no alarm, and a sealer that is gone is soon one."""

CALENDAR_ALARM: Final = (12, 15)
"""From this day on, next year's calendar must be there."""

_ZONE: Final = ZoneInfo("Asia/Shanghai")
WRITABLE: Final = (
    "SELECT NOT pg_is_in_recovery() AND NOT current_setting('transaction_read_only')::bool"
)


class Check(msgspec.Struct, frozen=True):
    """One condition of readiness, and what to do where it fails."""

    name: str
    ok: bool
    detail: str = ""


class Sealing(msgspec.Struct, frozen=True):
    """How one ledger's sealing stands; `stopped` says why nothing may be recorded there."""

    ledger: str
    position: int
    sealed_position: int
    lag_seconds: float
    stopped: str | None


class Health(msgspec.Struct, frozen=True):
    """`ok` when every check is."""

    status: Literal["ok", "failing"]
    checks: tuple[Check, ...] = ()
    sealing: tuple[Sealing, ...] = ()


class ProblemMeaning(msgspec.Struct, frozen=True):
    """What a problem's code means, with its HTTP status and its usual sentence."""

    code: str
    status: int
    meaning: str


@get("/health/live", sync_to_thread=False, permission=Permission.PUBLIC, tags=["health"])
def live() -> Health:
    """Whether the process answers at all."""
    return Health("ok")


@get("/health/ready", permission=Permission.PUBLIC, tags=["health"])
async def ready(request: Request[Any, Any, Any]) -> Response[Health]:
    """Whether the service can do its work now; 503 with the failing checks where it cannot."""
    ledgers: Ledgers = request.app.state.ledgers
    checks, sealing = await asyncio.to_thread(_checks, ledgers)
    ok = all(one.ok for one in checks)
    health = Health("ok" if ok else "failing", tuple(checks), tuple(sealing))
    headers = {"cache-control": "no-store"}
    return Response(health, status_code=200 if ok else 503, headers=headers)


@get("/problems/{code:str}", sync_to_thread=False, permission=Permission.PUBLIC, tags=["health"])
def problem_meaning(code: FromPath[str]) -> ProblemMeaning:
    """What the `type` of a problem means."""
    found = catalogue().get(code)
    if found is None:
        raise NotFound(f"there is no problem {code!r}; the type of an answer leads to its meaning")
    return ProblemMeaning(code, *found)


routes: Final = (live, ready, problem_meaning)


def _checks(ledgers: Ledgers) -> tuple[list[Check], list[Sealing]]:
    sealing: list[Sealing] = []
    try:
        with ledgers.database.pooled(Role.WRITER) as connection:
            row = connection.execute(WRITABLE).fetchone()
        writable = Check("database", bool(row and row[0]), "the database takes no writes")
        opened = ledgers.open(ledgers.settings.name)
        sealing = [sealing_of(one) for one in ledgers.all_open()]
        checks = [writable, _views(opened), _sealer(sealing, opened.info.name), _calendar(opened)]
    except LedgerError as error:
        checks = [Check("database", ok=False, detail=str(error))]
    return [msgspec.structs.replace(one, detail="") if one.ok else one for one in checks], sealing


def sealing_of(opened: OpenLedger) -> Sealing:
    """How the sealing of a ledger stands now, whichever process does it."""
    found = seal_standing(opened.database, opened.info.ledger_id)
    return Sealing(
        ledger=opened.info.name,
        position=found.position,
        sealed_position=found.sealed_position,
        lag_seconds=round(found.lag_seconds(opened.clock.now()), 3),
        stopped=found.stopped,
    )


def _sealer(sealing: list[Sealing], own: str) -> Check:
    """No ledger was stopped, and the one that this service seals is sealed in time."""
    for one in sealing:
        if one.stopped is not None:
            return Check("sealer", ok=False, detail=f"ledger {one.ledger} stopped: {one.stopped}")
    late = next(
        (one for one in sealing if one.ledger == own and one.lag_seconds > SEAL_LAG_SECONDS_MAX),
        None,
    )
    if late is None:
        return Check("sealer", ok=True)
    waiting = late.position - late.sealed_position
    detail = (
        f"{waiting} facts are not sealed, the first for {late.lag_seconds:.0f} s; see why in the "
        "service's log (its key, its folder, its disk), or run `ledger checkpoint`"
    )
    return Check("sealer", ok=False, detail=detail)


def _views(opened: OpenLedger) -> Check:
    """Views may stand behind the log only for as long as a batch takes."""
    head = opened.recorder.head()
    try:
        standings = opened.progress.standings()
    except LedgerError as error:
        return Check("views", ok=False, detail=str(error))
    if stops := [one.stop for one in standings if one.stop]:
        detail = f"{'; '.join(stops)}; `ledger project` says why, mended code goes on from there"
        return Check("views", ok=False, detail=detail)
    position = min((one.position for one in standings), default=0)
    if position >= head.position:
        return Check("views", ok=True)
    since = opened.questions.event_at(position + 1).recorded_at
    lag = (opened.clock.now() - since).total_seconds()
    detail = f"{head.position - position} facts and {lag:.0f} s behind; is the projector running?"
    return Check("views", lag <= LAG_SECONDS_MAX, detail)


def _calendar(opened: OpenLedger) -> Check:
    today = opened.clock.now().astimezone(_ZONE).date()
    if not next_year_needed(today):
        return Check("calendar", ok=True)
    with opened.questions.at(None) as standpoint:
        known = standpoint.history(()).calendar.announcement(today.year + 1) is not None
    detail = f"the calendar of {today.year + 1} is not published: dues are provisional; publish it"
    return Check("calendar", known, detail)


def next_year_needed(today: date) -> bool:
    """Whether the coming year's calendar must be published by now."""
    return (today.month, today.day) >= CALENDAR_ALARM
