"""Who may see and do what: every route, every role, in every place of the line."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.testing import TestClient
from msgspec.structs import replace

from api.app import create_app
from api.auth import KEY_KNOWN_SECONDS, MAY, Permission
from api.ledgers import Ledgers
from ledger.access import SECRET_CHARACTERS, Grant, digest_of, new_access_id
from ledger.database import Role
from ledger.decisions.access import ROLES
from tests.visiting import Doors, issue, seal

OWN, CHILD, PARENT, SIBLING = "B1", "S1", "R1", "B2"
PLACES = {OWN: True, CHILD: True, PARENT: False, SIBLING: False}
"""Units as seen by a key that is bound to the branch B1, and whether it reaches them."""

HEAD_OF = {unit: f"{unit}-head" for unit in PLACES}
OBLIGATIONS = {"B1": "weekly.O4.2026W14", "S1": "weekly.O1.2026W14", "B2": "weekly.O6.2026W14"}


def handlers(doors: Doors) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Every handler of the application: method, path, handler."""
    for route in doors.client.app.routes:
        assert isinstance(route, HTTPRoute), route
        for handler in route.route_handlers:
            for method in handler.http_methods - {"OPTIONS"}:
                yield method, route.path_format, handler


def test_every_route_names_one_permission(network: Doors) -> None:
    """A route that forgot to say what it needs would be open; none did."""
    without = [
        (method, path)
        for method, path, handler in handlers(network)
        if not isinstance(handler.opt.get("permission"), Permission)
    ]

    assert without == []


def test_only_what_must_be_is_public(network: Doors) -> None:
    """Health, metrics, the schema, explanations, hashes of the log, and the way in."""
    public = {
        path
        for _, path, handler in handlers(network)
        if handler.opt["permission"] is Permission.PUBLIC
    }

    assert public == {
        "/",
        "/{ledger}",
        "/{ledger}/sign-in",
        "/{ledger}/sign-out",
        "/health/live",
        "/health/ready",
        "/log/{ledger}/checkpoint",
        "/log/{ledger}/successors/{key_id}",
        "/log/{ledger}/tile/{tile}",
        "/metrics",
        "/problems/{code}",
        "/schema",
        "/schema/{path}",
        "/schema/openapi.json",
        "/static/{version}/{name}",
    }


def test_every_role_that_a_key_can_have_is_in_the_table() -> None:
    """A role without a line in the table may do nothing; every role has one."""
    assert set(ROLES) == set(MAY)


@pytest.mark.parametrize("role", ROLES)
def test_routes_by_role(network: Doors, role: str) -> None:
    """Each of more than a hundred routes lets in exactly the roles that have its permission."""
    wrong = []
    for method, template, handler in handlers(network):
        if not template.startswith("/api/v1/"):
            continue
        path = template.replace("{ledger}", "demo")
        for name in ("obligation", "unit", "post", "person", "duty", "form", "event", "subject"):
            path = path.replace(f"{{{name}}}", "nothing")
        key = network.key(role)
        answer = network.client.request(
            method, path, headers=key, json={} if method == "POST" else None
        )
        allowed = handler.opt["permission"] in MAY[role]
        if (answer.status_code == 403) is allowed:
            wrong.append((method, path, answer.status_code))

    assert wrong == []


OF_EVENTS = (
    "/timeline",
    "/events",
    "/replay",
    "/compare",
    "/views/",
    "/organisation/difference",
)
"""Where facts are shown, or rows that name them."""


def read_paths(unit: str) -> list[str]:
    """Everything that one can ask about a unit and what belongs to it."""
    paths = [
        f"/who-failed?period=2026W14&unit={unit}",
        f"/obligations?period=2026W14&unit={unit}",
        f"/matrix?duty=weekly&period=2026W14&unit={unit}",
        f"/organisation?unit={unit}",
        f"/units/{unit}",
        f"/units/{unit}/status",
        f"/posts/{HEAD_OF[unit]}",
        f"/timeline/unit:{unit}",
        f"/timeline/post:{HEAD_OF[unit]}",
        f"/timeline/person:{unit}-boss",
        f"/events?subject=unit:{unit}",
        f"/replay?unit={unit}",
        f"/replay?subject=post:{HEAD_OF[unit]}",
        f"/compare?from=1&unit={unit}&limit=1",
        f"/views/post?unit={unit}",
        f"/persons/{unit}-boss",
        f"/organisation/difference?on=2026-03-09&known_then=5&unit={unit}",
        f"/organisation/difference?on=2026-03-09&known_then=5&post={HEAD_OF[unit]}",
        f"/organisation/difference?on=2026-03-09&known_then=5&person={unit}-boss",
    ]
    if unit in OBLIGATIONS:
        obligation = OBLIGATIONS[unit]
        paths += [
            f"/obligations/{obligation}",
            f"/obligations/{obligation}/trace",
            f"/obligations/{obligation}/verdict",
            f"/timeline/obligation:{obligation}",
        ]
    return paths


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("unit", PLACES)
def test_reads_by_place(network: Doors, role: str, unit: str) -> None:
    """A key bound to a branch reads what is below it; the rest is as if it did not exist."""
    wrong = []
    for path in read_paths(unit):
        sees_events = Permission.SEE_EVENTS in MAY[role]
        if not sees_events and path.startswith(OF_EVENTS):
            continue
        status = network.get(path, role, unit=OWN).status_code
        if status != (200 if PLACES[unit] else 404):
            wrong.append((path, status))

    assert wrong == []


def commands(unit: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Commands that name a unit, a post of it, or an obligation of it."""
    at = "2026-06-20T00:00:00+08:00"
    yield "/organisation/close-unit", {"unit": unit, "effective_from": at}
    yield "/organisation/abolish-post", {"post": HEAD_OF[unit]}
    yield "/organisation/appoint-holder", {"post": HEAD_OF[unit], "person": "O1-boss"}
    yield "/organisation/attach-support", {"unit": unit, "supporter": unit}
    yield "/outlets/plan-outlet", {"unit": unit, "planned_open": "2026-12-01"}
    if unit in OBLIGATIONS:
        of = {"obligation": OBLIGATIONS[unit], "reason": {"code": "x"}}
        yield "/relief/grant-waiver", {**of, "by": HEAD_OF[unit]}
        yield "/relief/request-extension", {**of, "requested_due": "2026-07-01T00:00:00Z"}
        yield (
            "/reports/submit-report",
            {"obligation": OBLIGATIONS[unit], "form_revision": 1, "content": {"headcount": 1}},
        )


@pytest.mark.parametrize("unit", [unit for unit, reached in PLACES.items() if not reached])
def test_writes_outside_of_the_key_are_not_found(network: Doors, unit: str) -> None:
    """An administrator's key bound to a branch does nothing elsewhere, whatever it commands."""
    answers = {
        path: network.post(path, body, "administrator", unit=OWN).status_code
        for path, body in commands(unit)
    }

    assert set(answers.values()) == {404}, answers


def test_writes_within_the_key_reach_the_decision(network: Doors) -> None:
    """Within its branch the same key is answered by the rules, not by its scope."""
    answer = network.post(
        "/organisation/rename-unit",
        {"unit": "S1", "name_zh": "", "name_en": "x"},
        "administrator",
        unit=OWN,
    )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "name_zh"


def test_one_event_outside_is_not_found(network: Doors) -> None:
    """A fact is visible to a bound key when it concerns its subtree, by position and by id."""
    head = network.opened.recorder.head().position
    seen = {}
    for position in range(1, head + 1):
        answer = network.get(f"/events/{position}", "auditor", unit="S3")
        if answer.status_code == 200:
            seen[position] = answer.json()["entry"]["tags"]
    outside = [
        tags
        for tags in seen.values()
        if any(tag.startswith("unit:") for tag in tags) and not {"unit:S3", "unit:O6"} & set(tags)
    ]

    assert outside == []
    assert 0 < len(seen) < head


@pytest.mark.parametrize("path", ["/timeline/duty:weekly?", "/events?subject=duty:weekly&"])
@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_everybodys_subject_shows_a_bound_key_its_own(
    network: Doors, path: str, order: str
) -> None:
    """A duty belongs to everybody, what it asked of others does not; pages go on over them."""
    entries = []
    following = ""
    while True:
        address = f"{path}order={order}&limit=20{following}"
        answer = network.get(address, "manager", unit=OWN).json()
        entries += [one["entry"] for one in answer["events"]]
        cursor = answer.get("next_cursor", answer.get("next"))
        if cursor is None:
            break
        following = f"&cursor={cursor}"
    units = {tag for one in entries for tag in one["tags"] if tag.startswith("unit:")}
    positions = [one["position"] for one in entries]

    assert units == {f"unit:O{number}" for number in range(1, 6)}
    assert "duty.published" in {one["type"] for one in entries}
    assert positions == sorted(set(positions), reverse=order == "newest")
    everything = network.get("/events?subject=duty:weekly&limit=500").json()["events"]
    theirs = [one for one in everything if "unit:O6" in one["entry"]["tags"]]
    assert len(entries) == len(everything) - len(theirs)


def test_a_bound_key_must_name_its_subject(network: Doors) -> None:
    """The whole log is for keys of the whole ledger."""
    answer = network.get("/events", "auditor", unit=OWN)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "subject")


def test_a_coach_sees_whom_the_unit_supports(network: Doors) -> None:
    """The dotted line shows what it supports, and nothing beside it."""
    assert network.get("/units/O1", "obligor", unit="T1").status_code == 200
    assert network.get("/units/O2", "obligor", unit="T1").status_code == 404


BUNDLE = "/log/demo/tile/entries/000.p/1"


@pytest.mark.parametrize("role", ROLES)
def test_entries_of_the_log_by_role_and_place(network: Doors, role: str) -> None:
    """Every fact of every unit: for auditors of the whole ledger, whatever else a key may do."""
    seal(network.opened)
    whole = network.client.get(BUNDLE, headers=network.key(role))
    bound = network.client.get(BUNDLE, headers=network.key(role, unit=OWN))

    assert whole.status_code == (200 if role in {"administrator", "auditor"} else 403)
    assert bound.status_code == 403
    assert f"bound to {OWN}" in bound.json()["detail"]


def test_entries_of_the_log_without_a_key(network: Doors) -> None:
    """Nobody in particular reads them where the operator made the log public, and only there."""
    seal(network.opened)
    settings = network.ledgers.settings
    statuses = {}
    for public in (False, True):
        served = Ledgers(network.ledgers.database, replace(settings, log_public=public))
        with TestClient(create_app(served), raise_server_exceptions=False) as client:
            for name, headers in (
                ("nobody", {}),
                ("a wrong key", {"authorization": "Bearer ldg_x_y"}),
                ("a bound key", network.key("manager", unit=OWN)),
            ):
                statuses[public, name] = client.get(BUNDLE, headers=headers).status_code
        served.close()

    assert {one for (public, _), one in statuses.items() if public} == {200}
    assert statuses[False, "nobody"] == statuses[False, "a wrong key"] == 401
    assert statuses[False, "a bound key"] == 403


def test_open_pages_do_not_open_the_log(network: Doors) -> None:
    """Who may look around without a key still needs one for the entries in bulk."""
    seal(network.opened)
    settings = replace(network.ledgers.settings, console_open=True)
    served = Ledgers(network.ledgers.database, settings)
    with TestClient(create_app(served), raise_server_exceptions=False) as client:
        looked = client.get("/api/v1/demo/events?limit=1")
        taken = client.get(BUNDLE)
        with_key = client.get(BUNDLE, headers=network.key("auditor"))
    served.close()

    assert (looked.status_code, taken.status_code, with_key.status_code) == (200, 401, 200)


def test_hashes_of_the_log_are_for_everybody(network: Doors) -> None:
    """They say nothing of what is reported, and are of use to whoever keeps them."""
    seal(network.opened)
    for path in ("/log/demo/checkpoint", "/log/demo/tile/0/000.p/1"):
        for headers in ({}, {"authorization": "Bearer nonsense"}, network.key("dashboard")):
            assert network.client.get(path, headers=headers).status_code == 200, path


def test_names_are_for_roles_that_may_see_them(network: Doors) -> None:
    """A dashboard gets the same answer with ids alone."""
    path = "/obligations/weekly.O3.2026W13/trace"

    with_names = network.get(path, "auditor").json()["names"]["persons"]
    without = network.get(path, "dashboard").json()["names"]["persons"]

    assert with_names["S1-boss"] == "吴建国"
    assert set(without) == set(with_names)
    assert set(without.values()) == {None}


HOSTILE_KEYS = {
    "nothing": "",
    "another scheme": "Basic bGVkZ2VyOmtleQ==",
    "no key": "Bearer",
    "not a key": "Bearer x",
    "a short secret": "Bearer ldg_abcdefghijkm_short",
    "an unknown key": f"Bearer ldg_abcdefghijkm_{'A' * SECRET_CHARACTERS}",
    "an endless key": f"Bearer ldg_{'a' * 8_000}",
    "a statement": "Bearer ldg_' OR 1=1 --_" + "A" * SECRET_CHARACTERS,
    "two keys": "Bearer ldg_a_b, Bearer ldg_c_d",
}


@pytest.mark.parametrize("name", HOSTILE_KEYS)
def test_hostile_keys(network: Doors, name: str) -> None:
    """None of them opens anything, and the answer says how to sign in."""
    answer = network.client.get(
        "/api/v1/demo/duties", headers={"authorization": HOSTILE_KEYS[name]}
    )

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="ledger"'


def test_a_key_with_another_secret_opens_nothing(network: Doors) -> None:
    """The public part of a key, with a secret that differs in one character."""
    key = network.key("auditor")["authorization"]
    other = key[:-1] + ("A" if key[-1] != "A" else "B")

    answer = network.client.get("/api/v1/demo/duties", headers={"authorization": other})

    assert answer.status_code == 401


def test_revoked_and_expired_keys_open_nothing(
    network: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Revoking holds at once where it was done, and after a second everywhere."""
    opened = network.opened
    key = issue(opened, "auditor")
    headers = {"authorization": f"Bearer {key}"}
    first = network.client.get("/api/v1/demo/duties", headers=headers).status_code
    found = opened.keys.find(key)
    assert found is not None, "a key that was issued is found"
    opened.keys.revoke(found.access, opened.clock.now())
    opened.doorkeeper.forget()
    revoked = network.client.get("/api/v1/demo/duties", headers=headers).status_code
    other = {"authorization": f"Bearer {issue(opened, 'auditor')}"}
    later = opened.clock.now() + timedelta(days=400)
    monkeypatch.setattr(opened.clock, "now", lambda: later)
    expired = network.client.get("/api/v1/demo/duties", headers=other).status_code

    assert (first, revoked, expired) == (200, 401, 401)
    assert KEY_KNOWN_SECONDS <= 1.0


def test_only_a_digest_of_a_key_is_kept(network: Doors) -> None:
    """Whoever reads the database cannot sign in with what stands there."""
    opened = network.opened
    now = opened.clock.now()
    grant = Grant(
        access=new_access_id(),
        role="auditor",
        unit=None,
        person=None,
        system="tests",
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    key = opened.keys.issue(grant)
    secret = key.rpartition(grant.access + "_")[2]

    with opened.database.pooled(Role.WRITER) as connection:
        rows = connection.execute("SELECT * FROM ledger.api_key").fetchall()

    assert len(secret) == SECRET_CHARACTERS
    assert secret not in repr(rows)
    assert digest_of(secret) in {row[2] for row in rows}
