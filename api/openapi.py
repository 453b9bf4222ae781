"""The published schema: OpenAPI 3.1 at /schema/openapi.json, no viewer, nothing from elsewhere.

What the framework leaves out of it is put in once, here: refusals are `application/problem+json`,
bodies take no unknown fields, keys are bearer tokens, and the codes that any request can meet are
listed everywhere. Read next: `problems.py`.
"""

from typing import Any, Final

import msgspec
from litestar import Request, Response, Router
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Contact, License, Tag

from api.auth import Permission
from api.problems import PROBLEM_MEDIA_TYPE, Problem
from api.writing import KEY_CHARACTERS_MAX, KEY_CHARACTERS_MIN

DESCRIPTION: Final = """
Who owed which report, when it was due, who held the post, what relief was given, and what was
known when. Every read takes `as_of` and says in `as_of`, and in `Ledger-Position`, `Ledger-As-Of`
and `Ledger-Hash`, what it answers for and can be cited by; every write takes an `Idempotency-Key`
and answers receipts.
"""

_READ_REFUSALS: Final = ("400", "401", "403", "404", "406", "422", "503")
_WRITE_REFUSALS: Final = (*_READ_REFUSALS, "409", "413", "415")
_PROBLEM_REFERENCE: Final = "#/components/schemas/Problem"
_REFUSED: Final = {"$ref": "#/components/responses/Refused"}
JUDGED: Final = ("Ledger-Position", "Ledger-As-Of", "Ledger-Hash")
"""The headers of an answer that is as of a moment."""

_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "Ledger-Position": {
        "description": "The answer knows the facts up to this position",
        "schema": {"type": "integer"},
    },
    "Ledger-As-Of": {
        "description": "The answer judges as the clock stood at this instant",
        "schema": {"type": "string", "format": "date-time"},
    },
    "Ledger-Hash": {
        "description": "The SHA-256 of the answer as compact JSON without `as_of`, `next` and "
        "`next_cursor`: the same whenever it is asked for again",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    },
    "Location": {"description": "The fact's own address", "schema": {"type": "string"}},
}


class _Schema(JsonRenderPlugin):
    """The JSON document, amended once."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json")
        self._rendered: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document as bytes, the same at every request."""
        if self._rendered is None:
            opts = {
                (route.path_format, method.lower()): handler.opt
                for route in request.app.routes
                for handler in getattr(route, "route_handlers", ())
                for method in handler.http_methods
                if "permission" in handler.opt
            }
            self._rendered = msgspec.json.format(
                msgspec.json.encode(amended(openapi_schema, opts)), indent=2
            )
        return self._rendered


def _not_found_as_problem(response: Response[Any]) -> Response[Any]:
    """The framework answers other addresses below /schema with a page of its own."""
    if response.status_code == 404:  # noqa: PLR2004
        raise NotFoundException
    return response


def openapi_config() -> OpenAPIConfig:
    """How one application publishes its schema; the document that is kept is its own."""
    return OpenAPIConfig(
        title="Accountability ledger",
        version="1",
        description=DESCRIPTION.strip(),
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        contact=Contact(name="The operator of this ledger"),
        tags=[
            Tag("obligations", "Who failed to report, why, and the whole trace of it."),
            Tag("events", "The facts themselves, in their one order."),
            Tag("log", "The verifiable log: checkpoints and proofs."),
            Tag("organisation", "Units, posts, holders, both lines."),
            Tag("outlets", "The life of an outlet, from plan to opening."),
            Tag("duties", "Standing demands, forms, rule sets."),
            Tag("calendar", "The working calendar as facts."),
            Tag("reports", "Submissions and what became of them."),
            Tag("attachments", "Files that facts name: sent first, fetched by who sees the fact."),
            Tag("relief", "Extensions, waivers, the late channel."),
        ],
        render_plugins=[_Schema()],
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            include_in_schema=False,
            opt={"permission": Permission.PUBLIC, "json": False},
            after_request=_not_found_as_problem,
        ),
        use_handler_docstrings=True,
    )


def amended(schema: dict[str, Any], opts: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    """The framework's document, put right."""
    components = schema.setdefault("components", {})
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    (described,), more = msgspec.json.schema_components(
        [Problem], ref_template="#/components/schemas/{name}"
    )
    assert described["$ref"] == _PROBLEM_REFERENCE, "the problem's schema has its own name"
    schemas |= more
    components["responses"] = {
        "Refused": {
            "description": "Refused; `detail` says what to do",
            "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": _PROBLEM_REFERENCE}}},
        }
    }
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key: `ldg_...`"}
    }
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict) and "responses" in operation:
                opt = opts.get((path, method), {})
                _amend_operation(operation, method, opt)
                _close_bodies(operation, schemas)
                if method == "get" and _said_by("200", opt) == JUDGED:
                    _say_as_of(operation, schemas)
    schemas["AsOf"]["required"] = sorted(schemas["AsOf"]["properties"])
    return schema


def _amend_operation(operation: dict[str, Any], method: str, opt: dict[str, Any]) -> None:
    permission = opt.get("permission", Permission.PUBLIC)
    refusals: tuple[str, ...] = _READ_REFUSALS if method == "get" else _WRITE_REFUSALS
    if permission is Permission.PUBLIC:
        refusals = ("400", "404", "406", "503")
    else:
        operation["security"] = [{"key": []}]
        operation["x-permission"] = permission.value
    kept = {code: one for code, one in operation["responses"].items() if code < "400"}
    for code, one in kept.items():
        one["headers"] = {name: _HEADERS[name] for name in _said_by(code, opt)}
    operation["responses"] = kept | dict.fromkeys(sorted(refusals), _REFUSED)
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == "Idempotency-Key":
            # The door says what is missing better than a missing parameter could.
            parameter["required"] = True
            parameter["schema"] = {
                "type": "string",
                "minLength": KEY_CHARACTERS_MIN,
                "maxLength": KEY_CHARACTERS_MAX,
                "pattern": r"^[!-~]+$",
            }


def _said_by(code: str, opt: dict[str, Any]) -> tuple[str, ...]:
    """The headers that an answer has: what it is as of, and where a new fact stands."""
    if opt.get("permission", Permission.PUBLIC) is Permission.PUBLIC:
        return ()
    if code == "201":
        return ("Location", "Ledger-Position")
    if opt.get("judged", True):
        return JUDGED
    # A proof says what stands in the log, whatever the hour; a file stands nowhere in it.
    return ("Ledger-Position",) if opt.get("placed", True) else ()


def _say_as_of(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """The door puts `as_of` on every answer, on those too whose content is a dossier."""
    content = operation["responses"]["200"]["content"]["application/json"]
    name = str(content["schema"]["$ref"]).removeprefix("#/components/schemas/")
    if "as_of" not in schemas[name]["properties"]:
        as_of = {
            "type": "object",
            "required": ["as_of"],
            "properties": {"as_of": {"$ref": "#/components/schemas/AsOf"}},
        }
        content["schema"] = {"allOf": [content["schema"], as_of]}


def _close_bodies(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Everything below a request's body takes no unknown fields."""
    pending: list[Any] = [operation.get("requestBody", {})]
    seen: set[str] = set()
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            name = str(one.get("$ref", "")).removeprefix("#/components/schemas/")
            if name and name in schemas and name not in seen:
                seen.add(name)
                pending.append(schemas[name])
                if "properties" in schemas[name]:
                    schemas[name]["additionalProperties"] = False
            pending.extend(value for key, value in one.items() if key != "examples")
        elif isinstance(one, list):
            pending.extend(one)
