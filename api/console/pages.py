"""The console's routes: each page asks one question and shows its answer.

A page needs the same permission as the JSON beside it, and sees as much. Who has not signed in is
led to the form that asks for a key; on a ledger that is open for reading nobody is asked.
"""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency, Provide
from litestar.enums import RequestEncodingType
from litestar.params import BodyKwarg, FromPath, QueryParameter
from litestar.response import Redirect
from litestar.types import ExceptionHandlersMap

from api.auth import SESSION_COOKIE, SESSION_LIFETIME, Permission, require_same_site
from api.console import matrix as matrix_view
from api.console import trace as trace_view
from api.console.assets import show_asset
from api.console.language import other_than
from api.console.layout import MomentParameter, Page, provide_page
from api.console.replay_pages import show_replay
from api.console.wording import person_label, sentences, unit_label
from api.events import EventBytes, read_event
from api.ledgers import Ledgers, OpenLedger
from api.obligations import named_trace
from api.problems import NotSignedIn, answer_problem, problem_of
from api.visits import asked_span
from ledger.errors import NotFound
from ledger.timeliness import Outcome
from ledger.vocabulary import DutyRef, UnitRef
from projections.matrix import Matrix, matrix
from projections.standpoint import Standpoint

_PAGE: Final[dict[str, Any]] = {"json": False, "include_in_schema": False}
CursorParameter = Annotated[str | None, QueryParameter(max_length=1_000)]


@get("/", permission=Permission.PUBLIC, sync_to_thread=False, **_PAGE)
def show_start(request: Request[Any, Any, Any]) -> Redirect:
    """The default ledger's first page."""
    ledgers: Ledgers = request.app.state.ledgers
    return Redirect(f"/{ledgers.settings.name}/matrix", status_code=302)


@get("/{ledger:str}", permission=Permission.PUBLIC, sync_to_thread=False, **_PAGE)
def show_ledger(page: NamedDependency[Page]) -> Redirect:
    """A ledger's first page."""
    return Redirect(page.address("matrix"), status_code=302)


@get("/{ledger:str}/matrix", permission=Permission.SEE_ANSWERS, sync_to_thread=True, **_PAGE)
def show_matrix(  # noqa: PLR0913, PLR0917  (one parameter a filter, given by name)
    page: NamedDependency[Page],
    as_of: MomentParameter = None,
    duty: Annotated[str | None, QueryParameter(max_length=40)] = None,
    period: Annotated[str | None, QueryParameter(max_length=40)] = None,
    unit: Annotated[str | None, QueryParameter(max_length=40)] = None,
    failing: Annotated[bool, QueryParameter()] = False,
    cursor: CursorParameter = None,
) -> Response[bytes]:
    """The reporting matrix."""
    visit = page.visitor
    within = visit.unit_or_own(unit or None)
    question = msgspec.json.encode([page.path, duty, period, within, failing]).decode()
    went = visit.cursor(cursor, question)
    with visit.standing_as_before(page.view(as_of), went) as here:
        code = duty or next(iter(sorted(here.background.rows["duty"])), None)
        shared: dict[str, Any] = {
            "section": "matrix",
            "crumbs": page.line(here, within),
            "duties": matrix_view.duty_choices(page, here, code),
            "unit": within,
            "failing": failing,
        }
        if code is None:
            shared |= {"found": None, "duty_label": "", "period": period or ""}
            return page.render("matrix.html", here.as_of, **shared)
        wanted = period or _usual_span(here, code, within)
        found = matrix(
            here,
            asked_span(wanted),
            DutyRef(code),
            unit=None if within is None else UnitRef(within),
            failing=failing,
            limit=matrix_view.ROWS_SHOWN,
            after=UnitRef(str(went.after[0])) if went else None,
        )
        following = visit.following(found.as_of, found.next, question)
        return _matrix_page(page, here, found, wanted, following, shared)


def _usual_span(here: Standpoint, duty: str, unit: str | None) -> str:
    row = here.background.rows["duty"].get(duty)
    if row is None or not row.terms:
        raise NotFound(f"there is no duty {duty!r} in this ledger; check the identifier")
    return matrix_view.default_span(here, row.latest().cadence, unit)


def _matrix_page(  # noqa: PLR0913, PLR0917  (what the page shows)
    page: Page,
    here: Standpoint,
    found: Matrix,
    period: str,
    following: str | None,
    shared: dict[str, Any],
) -> Response[bytes]:
    cadence = here.background.rows["duty"][found.duty].latest().cadence
    before, after = matrix_view.neighbours(cadence, found.span)
    asked = {"period": period, "unit": found.unit, "duty": found.duty}
    moment = page.view(page.asked("as_of")).as_of
    only = "true" if shared["failing"] else None
    return page.render(
        "matrix.html",
        found.as_of,
        answer=found,
        **shared,
        found=found,
        duty_label=page.language.label(found.names.duties.get(found.duty), found.duty),
        period=period,
        before=before,
        after=after,
        columns=matrix_view.columns(page, found),
        rows=matrix_view.rows(page, found),
        shown=matrix_view.ROWS_SHOWN,
        cursor_next=following,
        twin=page.twin("/matrix", as_of=moment, failing=only, **asked),
        listed=lambda outcome: page.twin("/obligations", as_of=moment, outcome=outcome, **asked),
    )


@get(
    "/{ledger:str}/traces/{obligation:str}",
    permission=Permission.SEE_ANSWERS,
    sync_to_thread=True,
    **_PAGE,
)
def show_trace(
    page: NamedDependency[Page], obligation: FromPath[str], as_of: MomentParameter = None
) -> Response[bytes]:
    """The trace of one obligation."""
    visit, words = page.visitor, page.language
    visit.require("obligation", obligation)
    view = page.view(as_of)
    with visit.standing(view) as here:
        found = named_trace(visit, here, obligation)
        crumbs = page.line(here, found.of_whom.unit)
    unit = unit_label(words, found, found.of_whom.unit)
    duty = words.label(found.names.duties.get(found.verdict.duty), found.verdict.duty)
    flags = (*found.verdict.computed.flags, *_attribution_flags(found))
    return page.render(
        "trace.html",
        found.as_of,
        answer=found,
        section="trace",
        crumbs=page.to_matrix(crumbs),
        title=f"{unit} {found.period}",
        found=found,
        unit_name=unit,
        duty_name=duty,
        sentences=sentences(words, found),
        other_sentences=sentences(other_than(words), found),
        persons=trace_view.persons(words, found),
        still_possible=found.verdict.computed.outcome is Outcome.MISSED
        and found.verdict.computed.kind is None,
        holder=person_label(words, found, found.of_whom.holder),
        flags=words.words("flag", dict.fromkeys(flags)),
        lines=trace_view.waterfall(words, found),
        actor=lambda one: trace_view.actor(words, found, one),
        twin=page.twin(f"/obligations/{obligation}/trace", as_of=view.as_of),
    )


def _attribution_flags(found: Any) -> tuple[str, ...]:  # noqa: ANN401  (a trace)
    attribution = found.verdict.attribution
    return attribution.flags if attribution else ()


def _event(page: Page, template: str, event: str, as_of: str | None) -> Response[bytes]:
    view = page.view(as_of)
    with page.visitor.standing(view) as here:
        stored = read_event(page.visitor, here, event)
        moment = here.as_of
    content = msgspec.json.decode(stored.entry)
    return page.render(
        template,
        moment,
        answer=EventBytes.of(page.visitor, stored),
        section="event",
        position=stored.position,
        type=content["type"],
        leaf_hash=stored.leaf_hash.hex(),
        entry=msgspec.json.format(stored.entry, indent=2).decode(),
        erased=page.visitor.opened.sealed.erased_in(stored.entry),
        files=_files(page, content),
        twin=page.twin(f"/events/{stored.position}", as_of=view.as_of),
    )


class File(msgspec.Struct, frozen=True):
    """A file that a fact names: where it is fetched, None when it is here no more."""

    name: str
    media_type: str
    address: str | None


def _files(page: Page, entry: dict[str, Any]) -> list[File]:
    """The files that an entry names, for whoever may fetch them: who sees the fact sees these."""
    visit = page.visitor
    if not visit.caller.may(Permission.SEE_ATTACHMENTS):
        return []
    files = []
    for one in entry.get("evidence", ()):
        address: str | None = f"/api/v1/{page.ledger}/attachments/{one['sha256']}"
        try:
            visit.opened.uploads.require_here(visit.opened.uploads.known(one["sha256"]).row)
        except NotFound:
            address = None
        files.append(File(one["sha256"][:8], one["media_type"], address))
    return files


@get(
    "/{ledger:str}/events/{event:str}",
    permission=Permission.SEE_EVENTS,
    sync_to_thread=True,
    **_PAGE,
)
def show_event(
    page: NamedDependency[Page], event: FromPath[str], as_of: MomentParameter = None
) -> Response[bytes]:
    """One fact as the log holds it."""
    return _event(page, "event.html", event, as_of)


@get(
    "/{ledger:str}/_/events/{event:str}",
    permission=Permission.SEE_EVENTS,
    sync_to_thread=True,
    **_PAGE,
)
def show_event_part(
    page: NamedDependency[Page], event: FromPath[str], as_of: MomentParameter = None
) -> Response[bytes]:
    """The same as a part of a page."""
    return _event(page, "partials/event.html", event, as_of)


class SignIn(msgspec.Struct, frozen=True):
    """What the form sends."""

    key: str = ""
    next: str = ""


NextParameter = Annotated[str | None, QueryParameter(max_length=2_000)]
SignInForm = Annotated[SignIn, BodyKwarg(media_type=RequestEncodingType.URL_ENCODED)]


@get("/{ledger:str}/sign-in", permission=Permission.PUBLIC, sync_to_thread=True, **_PAGE)
def show_sign_in(page: NamedDependency[Page], next: NextParameter = None) -> Response[bytes]:  # noqa: A002
    """The form that asks for a key."""
    return page.render("sign_in.html", section="", next=_own(page, next), problem="")


@post("/{ledger:str}/sign-in", permission=Permission.PUBLIC, status_code=200, **_PAGE)
async def sign_in(
    request: Request[Any, Any, Any], page: NamedDependency[Page], data: SignInForm
) -> Response[Any]:
    """Begin a session for whoever holds the key."""
    require_same_site(request)
    opened: OpenLedger = await request.app.state.ledgers.get(page.ledger)
    target = _own(page, data.next)
    try:
        session = await asyncio.to_thread(
            opened.doorkeeper.begin_session, data.key, opened.clock.now()
        )
    except NotSignedIn:
        problem = page.language.text("This key opens nothing; check it, or ask for a new one.")
        return page.render("sign_in.html", status=401, section="", next=target, problem=problem)
    cookie = Cookie(
        key=SESSION_COOKIE,
        value=session,
        httponly=True,
        samesite="strict",
        secure=page.is_secure,
        max_age=int(SESSION_LIFETIME.total_seconds()),
    )
    return Redirect(target, status_code=303, cookies=[cookie])


@post(
    "/{ledger:str}/sign-out",
    permission=Permission.PUBLIC,
    status_code=303,
    sync_to_thread=False,
    **_PAGE,
)
def sign_out(request: Request[Any, Any, Any], page: NamedDependency[Page]) -> Redirect:
    """End the session."""
    require_same_site(request)
    gone = Cookie(key=SESSION_COOKIE, value="", max_age=0, httponly=True, samesite="strict")
    return Redirect(page.address("sign-in"), status_code=303, cookies=[gone])


def _own(page: Page, target: str | None) -> str:
    """Where to go after signing in: a page of this ledger, and nowhere else."""
    home = f"/{page.ledger}/"
    wanted = target or ""
    is_own = wanted.startswith(home) and "\\" not in wanted and wanted.isprintable()
    return wanted if is_own else f"{home}matrix"


def answer_as_page(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A refusal as a page; who is not signed in is led to the form."""
    page = Page(request, None, None)
    if isinstance(error, NotSignedIn) and request.method == "GET":
        given = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Redirect(page.address("sign-in", next=given, as_of=None), status_code=302)
    plain = answer_problem(request, error)
    problem = msgspec.structs.replace(
        problem_of(error), instance=f"urn:uuid:{request.scope.get('request_id', '')}"
    )
    title = (
        page.language.text("There is nothing here")
        if problem.status == HTTPStatus.NOT_FOUND
        else page.language.text("That did not work")
    )
    answer = page.render(
        "problem.html", status=problem.status, section="", title=title, problem=problem
    )
    answer.headers.update(
        {name: value for name, value in plain.headers.items() if name != "cache-control"}
    )
    return answer


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A refusal as a page for a browser that asked for one, else as a problem."""
    accepted = request.headers.get("accept", "")
    below = request.scope["path"].split("/")[1:2]
    wants_page = "text/html" in accepted and below not in (["api"], ["schema"], ["log"])
    return answer_as_page(request, error) if wants_page else answer_problem(request, error)


HANDLERS: Final[ExceptionHandlersMap] = {Exception: answer_as_page}


def console_router() -> Router:
    """Every page, and the files that pages load."""
    return Router(
        "/",
        route_handlers=[
            show_start,
            show_ledger,
            show_matrix,
            show_trace,
            show_event,
            show_event_part,
            show_replay,
            show_sign_in,
            sign_in,
            sign_out,
            show_asset,
        ],
        dependencies={"page": Provide(provide_page, sync_to_thread=False)},
        exception_handlers=HANDLERS,
    )
