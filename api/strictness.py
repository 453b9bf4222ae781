"""What a request must be before anything reads it: one place for what the framework lets pass.

Litestar takes any Content-Type for JSON, the last of two equal keys, any nesting, numbers that no
other reader keeps exact, control characters that PostgreSQL refuses later, and parameters that
nobody declared (a misspelt filter would show everything). Here each of these is a refusal that
says what to correct. Read next: `validation.py` (every bad field of a body), `problems.py`.
"""

import json
import math
import re
from collections import Counter
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute

from api.problems import (
    BadBody,
    BadParameter,
    NotAcceptable,
    UnknownParameter,
    UnsupportedMediaType,
)
from api.validation import problems_of
from ledger.errors import FieldProblem

BODY_BYTES_MAX: Final = 1024 * 1024
JSON_DEPTH_MAX: Final = 32
INTEGER_MAX: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exact."""

QUERY_PARAMETERS_MAX: Final = 64

# Tab, newline and carriage return are text; DEL and the rest are not.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_CONTROL_OR_BREAK: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_JSON_TYPE: Final = re.compile(r"application/(?:[\w.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)

AnyConnection = ASGIConnection[Any, Any, Any, Any]


async def require_strict_request(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """A guard for every route: query, path, Accept, and the body where there is one."""
    if connection.scope["method"] == "OPTIONS":  # type: ignore[typeddict-item]
        return
    # What a guard is given is a copy; the original is the same at every request.
    handler = connection.scope["route_handler"]
    require_known_query(connection, handler)
    for name, value in connection.path_params.items():
        if isinstance(value, str) and _CONTROL_OR_BREAK.search(value):
            raise BadParameter(f"{name} holds a control character; remove it")
    if not isinstance(handler, HTTPRouteHandler) or not handler.opt.get("json", True):
        return
    _require_accept(connection)
    data = handler.parsed_fn_signature.parameters.get("data")
    if data is None:
        return
    _require_json_type(connection)
    body = await connection.body()  # type: ignore[attr-defined]
    value = parse_strict(body)
    if problems := problems_of(value, data.annotation):
        named = "; ".join(f"{one.field}: {one.message}" for one in problems)
        raise BadBody(named, problems)


def require_known_query(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Every parameter is declared, and stands once unless it is declared as a list."""
    raw = connection.scope["query_string"].decode("latin-1")
    try:
        given = parse_qsl(
            raw, keep_blank_values=True, max_num_fields=QUERY_PARAMETERS_MAX, errors="strict"
        )
    except UnicodeDecodeError:
        raise BadParameter("the query is not valid UTF-8; percent-encode it as UTF-8") from None
    except ValueError:
        raise BadParameter(f"more than {QUERY_PARAMETERS_MAX} parameters; send fewer") from None
    if not given:
        return
    declared: dict[str, bool] = connection.app.state.declared_queries[handler]
    problems = [
        FieldProblem(name, f"is not a parameter here; {_known(declared)}")
        for name, _ in given
        if name not in declared
    ]
    if problems:
        raise UnknownParameter(_sentence(problems), tuple(problems))
    counts = Counter(name for name, _ in given)
    problems = [
        FieldProblem(name, "stands more than once; send one")
        for name, count in counts.items()
        if count > 1 and not declared[name]
    ]
    problems += [
        FieldProblem(name, "holds a control character; remove it")
        for name, value in given
        if _CONTROL_OR_BREAK.search(value)
    ]
    if problems:
        raise BadParameter(_sentence(problems), tuple(problems))


def declared_queries(app: Litestar) -> dict[BaseRouteHandler, dict[str, bool]]:
    """The query parameters that each handler takes, and whether each may be repeated.

    Taken once, from what the framework itself prepared: making its schema changes signatures.
    """
    return {
        handler: {one.field_alias: one.is_sequence for one in model.expected_query_params}
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler, model in route.route_handler_map.values()
    }


def parse_strict(body: bytes) -> object:
    """The JSON value of a body; `BadBody` names what no careful reader would take."""
    if not body:
        raise BadBody("the body is empty; send a JSON object")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadBody(f"the body is not valid UTF-8 at byte {error.start}; correct it") from None
    _require_depth(text)
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadBody(f"the body is not JSON: {error.msg} at {where}") from None
    _require_clean(value)
    return value


_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def _require_depth(text: str) -> None:
    """Nesting is counted before parsing, because parsing recurses."""
    if text.count("[") + text.count("{") <= JSON_DEPTH_MAX:
        return
    depth = 0
    for character in _STRING.sub("", text):
        if character in "[{":
            depth += 1
            if depth > JSON_DEPTH_MAX:
                raise BadBody(f"the JSON is nested deeper than {JSON_DEPTH_MAX} levels")
        elif character in "]}":
            depth -= 1


def _require_clean(value: object) -> None:
    pending: list[tuple[str, object]] = [("", value)]
    while pending:
        place, one = pending.pop()
        if isinstance(one, str) and _CONTROL.search(one):
            raise BadBody(
                f"{place or 'the body'} holds a control character or half a surrogate pair"
            )
        if isinstance(one, int) and abs(one) > INTEGER_MAX:
            raise BadBody(f"{place or 'the body'}: integers end at {INTEGER_MAX}; send a string")
        if isinstance(one, float) and not math.isfinite(one):
            raise BadBody(f"{place or 'the body'}: is larger than a number may be")
        if isinstance(one, dict):
            for key, inner in one.items():
                if _CONTROL_OR_BREAK.search(key):
                    raise BadBody(f"a name inside {place or 'the body'} holds a control character")
                pending.append((f"{place}.{key}" if place else key, inner))
        elif isinstance(one, list):
            pending.extend((f"{place}[{index}]", inner) for index, inner in enumerate(one))


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
        raise BadBody(f"{', '.join(repeated)}: stands more than once in one object; send one")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise BadBody(f"{name} is not JSON; send a number, a string or null")


def _integer(digits: str) -> int:
    # int() itself refuses endless digits with a sentence about the interpreter.
    return int(digits) if len(digits) <= len(str(INTEGER_MAX)) + 1 else INTEGER_MAX + 1


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_without_repeats, parse_constant=_refuse_constant, parse_int=_integer
)


def _require_json_type(connection: AnyConnection) -> None:
    given = connection.headers.get("content-type", "")
    if not _JSON_TYPE.fullmatch(given):
        said = f"this was {given[:80]!r}" if given else "this had no Content-Type"
        raise UnsupportedMediaType(f"send the body as application/json; {said}")
    if connection.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType("send the body without Content-Encoding")


def _require_accept(connection: AnyConnection) -> None:
    accept = connection.headers.get("accept")
    if not accept:
        return
    for one in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in one.split(";"))
        if any(re.fullmatch(r"q=0(?:\.0*)?", parameter) for parameter in parameters):
            continue
        if kind in {"*/*", "application/*", "application/json", "application/problem+json"}:
            return
    raise NotAcceptable


def _known(declared: dict[str, bool]) -> str:
    return f"known are {', '.join(sorted(declared))}" if declared else "this address has none"


def _sentence(problems: list[FieldProblem]) -> str:
    return "; ".join(f"{one.field}: {one.message}" for one in problems)
