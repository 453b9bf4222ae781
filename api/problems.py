"""Every refusal as an RFC 9457 problem: the one table from errors to HTTP answers.

A problem names *every* bad field, says what to do next, and never shows what is inside: its `type`
is stable (`/problems/<code>` explains it), its `instance` is the request's id, and an error that
nobody foresaw says so and nothing more. Litestar's own answers (404, 405, 413 ...) pass through
here as well, so that no caller meets two shapes of refusal.
"""

import http
from typing import Any, ClassVar, Final

import msgspec
import psycopg
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from psycopg_pool import PoolTimeout

from ledger import errors
from ledger.attachments import AttachmentTooLarge
from ledger.errors import FieldProblem, LedgerError

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 1

logger = structlog.get_logger(__name__)


class DoorError(LedgerError):
    """The request could not be understood; correct it."""

    code = "bad-request"
    status: ClassVar[int] = 400

    def __init__(self, message: str = "", fields: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields


class UnknownParameter(DoorError):
    """The query names a parameter that this address does not have; remove or correct it."""

    code = "unknown-parameter"


class BadParameter(DoorError):
    """A parameter is not acceptable; correct each one that is named."""

    code = "bad-parameter"


class BadBody(DoorError):
    """The body is not acceptable JSON; correct what is named."""

    code = "bad-body"


class UnsupportedMediaType(DoorError):
    """Send the body as `application/json`."""

    code = "unsupported-media-type"
    status = 415


class NotAcceptable(DoorError):
    """This address answers with `application/json`; accept that."""

    code = "not-acceptable"
    status = 406


class NotSignedIn(DoorError):
    """Send an API key: `Authorization: Bearer ldg_...`; `ledger keys api new` issues one."""

    code = "not-signed-in"
    status = 401


class KeyMissing(DoorError):
    """Send an `Idempotency-Key` of 16 to 128 characters, so that repeating is harmless."""

    code = "idempotency-key-missing"


class CrossSite(DoorError):
    """A form may only be sent from the console's own pages."""

    code = "cross-site"
    status = 403


class NotYetThere(DoorError):
    """The views have not yet reached the position asked for; repeat the request in a moment."""

    code = "not-yet-there"
    status = 503


class NotSealedYet(DoorError):
    """No checkpoint covers this yet; the next one will, so repeat the request in a moment."""

    code = "not-sealed-yet"
    status = 404


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457, with the bad fields: what is wrong, and what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    errors: tuple[FieldProblem, ...] = ()


STATUSES: Final[dict[type[Exception], int]] = {
    errors.Refused: 409,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Invalid: 422,
    errors.Conflict: 409,
    errors.ConditionFailed: 409,
    errors.KeyReused: 422,
    errors.DuplicateId: 409,
    errors.EntryTooLarge: 413,
    AttachmentTooLarge: 413,
    errors.BadLabel: 422,
    errors.OutcomeUnknown: 503,
    errors.LogStopped: 503,
    errors.DatabaseUnreachable: 503,
    errors.ViewBehind: 503,
    errors.ViewStopped: 503,
    errors.ViewMissing: 503,
    errors.TooManyRows: 422,
}
"""The ledger's errors by class; the nearest ancestor counts, and what is not here is a 500."""

FOREIGN: Final[dict[type[Exception], tuple[int, str, str]]] = {
    RecursionError: (400, "bad-body", "The JSON is nested too deeply; 32 levels are accepted."),
    UnicodeError: (400, "bad-request", "A text is not valid UTF-8; correct it."),
    psycopg.DataError: (
        400,
        "bad-parameter",
        "A value cannot be stored or compared; remove control characters and shorten numbers.",
    ),
    PoolTimeout: (503, "busy", "The database is busy; repeat the request in a moment."),
    psycopg.OperationalError: (
        503,
        "database-unreachable",
        "The database does not answer; repeat the request, with the same Idempotency-Key.",
    ),
    psycopg.InterfaceError: (
        503,
        "database-unreachable",
        "The database does not answer; repeat the request, with the same Idempotency-Key.",
    ),
}
"""Errors of libraries that bad input or a missing database can cause: status, code, detail."""

_HTTP_CODES: Final = {
    400: ("bad-request", "The request could not be understood; correct it."),
    404: ("no-such-address", "There is nothing at this address; /schema/openapi.json lists all."),
    405: ("method-not-allowed", "This address does not do that; the Allow header says what."),
    413: ("too-large", "The body is larger than this address accepts; 1 MiB is the limit."),
}
_UNFORESEEN: Final = (
    "Something went wrong on our side. Repeat the request with the same Idempotency-Key; if it "
    "fails again, tell the operator the instance."
)


def problem_of(error: Exception) -> Problem:
    """The problem that an error is shown as; what was not foreseen tells nothing but that."""
    for kind, (status, code, detail) in FOREIGN.items():
        if isinstance(error, kind):
            return _problem(status, code, detail)
    if isinstance(error, DoorError):
        return _problem(error.status, error.code, str(error), error.fields)
    if isinstance(error, LedgerError):
        status = next((STATUSES[one] for one in type(error).__mro__ if one in STATUSES), 500)
        if status != http.HTTPStatus.INTERNAL_SERVER_ERROR:
            fields = error.fields if isinstance(error, errors.Invalid) else ()
            return _problem(status, error.code, _said(error, fields), fields)
    if isinstance(error, ValidationException):
        return _validation_problem(error)
    if isinstance(error, HTTPException) and error.status_code < 500:  # noqa: PLR2004
        code, detail = _HTTP_CODES.get(error.status_code, ("refused", error.detail))
        return _problem(error.status_code, code, detail)
    return _problem(500, "unforeseen", _UNFORESEEN)


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to a request that failed, logged when it is our fault."""
    request_id = str(request.scope.get("request_id", ""))
    if isinstance(error, ValidationException):
        _name_as_sent(request, error)
    problem = problem_of(error)
    if problem.status == http.HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request failed", request_id=request_id, exc_info=error)
    problem = msgspec.structs.replace(problem, instance=f"urn:uuid:{request_id}")
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=headers_of(error, problem.status),
    )


def headers_of(error: Exception, status: int) -> dict[str, str]:
    """What a refusal says in headers: how to sign in, what is allowed, when to come back."""
    headers = {"cache-control": "no-store"}
    if isinstance(error, HTTPException):
        headers |= {name.lower(): value for name, value in (error.headers or {}).items()}
    if status == http.HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="ledger"'
    if status == http.HTTPStatus.SERVICE_UNAVAILABLE or isinstance(error, NotSealedYet):
        headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    return headers


def catalogue() -> dict[str, tuple[int, str]]:
    """Every code that a problem can have, with its status and its usual sentence."""
    found = {code: (status, detail) for status, (code, detail) in _HTTP_CODES.items()}
    found["unforeseen"] = (500, _UNFORESEEN)
    found |= {code: (status, detail) for status, code, detail in FOREIGN.values()}
    for kind, status in STATUSES.items():
        found[kind.code] = (status, (kind.__doc__ or "").strip())  # type: ignore[attr-defined]
    for kind in _descendants(errors.Refused) | _descendants(DoorError) | {DoorError}:
        problem = problem_of(kind())
        found[kind.code] = (problem.status, problem.detail)
    return found


def _descendants(kind: type[LedgerError]) -> set[type[LedgerError]]:
    below = set(kind.__subclasses__())
    return below.union(*(_descendants(one) for one in below))


def _name_as_sent(request: Request[Any, Any, Any], error: ValidationException) -> None:
    """Litestar names a parameter as Python does; `from`, say, cannot be such a name."""
    taken = request.scope["route_handler"].parsed_fn_signature.parameters
    for one in error.extra if isinstance(error.extra, list) else ():
        if isinstance(one, dict) and one.get("key") in taken:
            kwarg = taken[one["key"]].kwarg_definition
            one["key"] = getattr(kwarg, "name", None) or one["key"]


def _validation_problem(error: ValidationException) -> Problem:
    """Litestar's parameter errors; its own detail repeats the address, which says nothing new."""
    given = error.extra if isinstance(error.extra, list) else []
    fields = tuple(
        FieldProblem(str(one.get("key", "")), plain_message(str(one.get("message", ""))))
        for one in given
        if isinstance(one, dict)
    )
    if not fields:
        # "Missing required query parameter 'x' for path /..." has no list of fields.
        return _problem(400, "bad-parameter", f"{error.detail.partition(' for path ')[0]}.")
    named = "; ".join(f"{one.field}: {one.message}" for one in fields)
    return _problem(400, "bad-parameter", named, fields)


def _said(error: LedgerError, fields: tuple[FieldProblem, ...]) -> str:
    """What an error says, and which fields it means where it only says that there are some."""
    named = "; ".join(f"{one.field}: {one.message}" for one in fields)
    is_general = str(error) == (type(error).__doc__ or "").strip()
    return named if named and is_general else str(error)


def plain_message(message: str) -> str:
    """A msgspec message as a sentence for people: `Expected `int`, got `str`` and the like."""
    return message.replace("`", "").partition(" - at ")[0] or "is not acceptable"


def _problem(status: int, code: str, detail: str, fields: tuple[FieldProblem, ...] = ()) -> Problem:
    title = http.HTTPStatus(status).phrase
    return Problem(f"/problems/{code}", title, status, detail, errors=fields)
