"""The published schema: complete, true, the same as committed, and nothing from elsewhere.

`docs/openapi.json` is the promise to callers. What it lists may grow; a path, method, field or
value that is gone breaks somebody. `python -m tests.contract.test_openapi` writes it anew.
"""

import json
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from litestar import Litestar, get
from litestar.testing import TestClient

from api.app import create_app
from api.auth import Permission
from api.ledgers import Ledgers
from api.problems import catalogue, problem_of
from api.wire import wire_of
from ledger.database import Database
from ledger.decisions.command import Command
from ledger.settings import Settings
from tests.visiting import Doors

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
EXAMPLES = 12
"""Requests an operation in the property test; raise it to look longer."""


def described(network: Doors) -> dict[str, Any]:
    """The schema as it is served."""
    answer = network.client.get("/schema/openapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Every operation by path and method."""
    return {
        (path, method): one
        for path, item in document["paths"].items()
        for method, one in item.items()
    }


def test_it_is_openapi_with_nothing_from_elsewhere(network: Doors) -> None:
    """Version 3.1, one file, no viewer that loads scripts of others."""
    document = described(network)

    assert document["openapi"].startswith("3.1")
    assert "://" not in json.dumps(document)
    assert network.client.get("/schema/swagger").status_code == 404


def test_every_command_has_its_route_and_a_true_example(network: Doors) -> None:
    """Whatever can be decided can be sent, and each example is one that would be read."""
    found = {
        one["operationId"].partition("_")[2]: one
        for (_, method), one in operations(described(network)).items()
        if method == "post"
    }
    internal = {"DestroyPersonalKey", "GrantAccess", "ResumeLog", "RevokeAccess", "RotateLogKey"}
    # Each a step of an upload, which is a request of another kind, or of its end.
    internal |= {"ReceiveAttachment", "StoreAttachment", "SweepAttachment"}
    commands = {one.__name__: one for one in _commands(Command)}  # type: ignore[type-abstract]

    assert set(commands) - internal == set(found) - {""}
    for name, operation in found.items():
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        (example,) = body["examples"]
        if name != "AnnulFact":
            msgspec.convert(example, wire_of(commands[name]))


def _commands(base: type[Command]) -> list[type[Command]]:
    """Every command that is decided by itself and not only inherited from."""
    found = []
    for one in base.__subclasses__():
        below = _commands(one)
        found += below
        public = not one.__name__.startswith("_") and one.__module__.startswith("ledger.decisions")
        if public and not below and "abstract" not in str(getattr(one, "decide", "")):
            found.append(one)
    return found


def test_refusals_are_described_as_problems(network: Doors) -> None:
    """Every operation says what its refusals look like, and who may call it."""
    document = described(network)
    for (path, method), one in operations(document).items():
        refusals = {code for code in one["responses"] if code >= "400"}
        assert {"400", "404"} <= refusals, (path, method)
        if path.startswith("/api/"):
            assert one["security"] == [{"key": []}], (path, method)
            assert one["x-permission"] in {*Permission}, (path, method)


def test_bodies_take_no_unknown_fields(network: Doors) -> None:
    """The schema says so, as the door does."""
    document = described(network)
    schemas = document["components"]["schemas"]

    for name in ("SubmitReport", "Reason", "Evidence", "DueRule", "FormField", "PublishForm"):
        assert schemas[name]["additionalProperties"] is False, name
    # Answers may grow: their readers must let new fields pass.
    assert "additionalProperties" not in schemas["Trace"]


def test_nothing_that_was_promised_is_gone(network: Doors) -> None:
    """The committed schema and the served one differ by additions only, which are committed."""
    promised, served = json.loads(COMMITTED.read_text("utf-8")), described(network)

    assert missing(promised, served) == []
    assert promised == served, "what is new is not committed: python -m tests.contract.test_openapi"


def test_an_application_describes_itself_alone() -> None:
    """What one application serves besides never shows in another's schema (no database needed)."""

    @get("/only-here", permission=Permission.PUBLIC, sync_to_thread=False)
    def only_here() -> str:
        return ""

    def paths(application: Litestar) -> set[str]:
        with TestClient(application) as client:
            return set(client.get("/schema/openapi.json").json()["paths"])

    larger, usual = (create_app(Ledgers(Database(""), Settings())) for _ in range(2))
    larger.register(only_here)

    assert paths(larger) - paths(usual) == {"/only-here"}
    assert paths(usual) == set(json.loads(COMMITTED.read_text("utf-8"))["paths"])


def missing(promised: Any, served: Any, place: str = "") -> list[str]:
    """What the promise holds and the served schema does not."""
    if isinstance(promised, dict) and isinstance(served, dict):
        gone = [f"{place}/{name}" for name in promised if name not in served]
        kept = (name for name in promised if name in served)
        return gone + [
            one for name in kept for one in missing(promised[name], served[name], f"{place}/{name}")
        ]
    if isinstance(promised, list) and isinstance(served, list) and place.endswith("/enum"):
        return [f"{place}/{one}" for one in promised if one not in served]
    return []


def test_the_gate_notices_what_is_gone() -> None:
    """A field, a path and a value that were taken away are each named."""
    promised = {"paths": {"/a": {}}, "fields": {"x": 1}, "kind": {"enum": ["a", "b"]}}

    assert missing(promised, {"paths": {}, "fields": {}, "kind": {"enum": ["b", "c"]}}) == [
        "/paths//a",
        "/fields/x",
        "/kind/enum/a",
    ]


def test_every_code_of_a_problem_is_explained(network: Doors) -> None:
    """The type of each problem leads to its meaning."""
    for code, (status, meaning) in catalogue().items():
        answer = network.client.get(f"/problems/{code}")
        assert answer.json() == {"code": code, "status": status, "meaning": meaning}

    assert network.client.get("/problems/nope").status_code == 404
    assert problem_of(ValueError("a secret")).detail.count("secret") == 0


# The test client that schemathesis opens for each request is left to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning")
def test_what_is_served_keeps_to_the_schema(network: Doors) -> None:
    """Requests made up from the schema meet no 500 and no answer that it does not describe."""
    schema = schemathesis.openapi.from_asgi("/schema/openapi.json", network.client.app)
    checks = [
        schemathesis.checks.CHECKS.get_one(name)
        for name in (
            "not_a_server_error",
            "status_code_conformance",
            "content_type_conformance",
            "response_schema_conformance",
            "response_headers_conformance",
        )
    ]
    key = network.key("administrator")
    failures: list[str] = []
    for result in schema.get_all_operations():
        operation = cast("Any", result).ok()
        if "/api/v1/" not in operation.path:
            continue

        def visit(case: Any) -> None:
            case.path_parameters["ledger"] = "demo"
            headers = {**case.headers, **key}
            if case.method == "POST":
                headers["Idempotency-Key"] = case.headers.get("Idempotency-Key") or "k" * 16
            case.headers = headers
            response = case.call()
            case.validate_response(response, checks=checks)

        run = settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        try:
            schemathesis_run(operation, visit, run)
        except BaseException as error:  # noqa: BLE001  (every operation is looked at)
            failures.append(f"{operation.method} {operation.path}: {str(error)[:900]}")

    assert failures == []


def schemathesis_run(operation: Any, visit: Any, run: Any) -> None:
    """Draw requests for one operation, and make them."""
    run(given(case=operation.as_strategy())(visit))()


def write() -> None:
    """Commit the promise anew; a schema needs no database."""
    with TestClient(create_app(Ledgers(Database(""), Settings()))) as client:
        COMMITTED.write_bytes(client.get("/schema/openapi.json").content + b"\n")


if __name__ == "__main__":
    write()
