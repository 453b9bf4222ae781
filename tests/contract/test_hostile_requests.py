"""Bad input of every kind gets a 4xx with a sentence that helps; none gets a 500."""

import json
from typing import Any

import pytest

from tests.visiting import Doors

SUBMIT = "/reports/submit-report"
REPORT = {"obligation": "weekly.O1.2026W12", "form_revision": 1, "content": {"headcount": 3}}
JSON = "application/json"


def as_json(**changes: Any) -> bytes:
    """A report with something changed."""
    return json.dumps({**REPORT, **changes}).encode()


BODIES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "empty"),
    "cut off": (b"{", 400, "line 1, column 2"),
    "an array": (b"[]", 400, "object"),
    "null": (b"null", 400, "object"),
    "a name twice": (b'{"obligation":"a","obligation":"b"}', 400, "more than once"),
    "NUL, escaped": (b'{"obligation":"a\\u0000"}', 400, "control character"),
    "NUL, raw": (b'{"obligation":"a\x00"}', 400, "control character"),
    "a control character": (b'{"obligation":"a\\u0007"}', 400, "control character"),
    "a control character in a name": (b'{"a\\u0007":1}', 400, "control character"),
    "half a surrogate pair": (b'{"obligation":"a\\ud800"}', 400, "surrogate"),
    "26 digits": (b'{"form_revision":' + b"9" * 26 + b"}", 400, "9007199254740991"),
    "10,000 digits": (b'{"form_revision":' + b"9" * 10_000 + b"}", 400, "9007199254740991"),
    "NaN": (b'{"form_revision":NaN}', 400, "NaN"),
    "minus infinity": (b'{"form_revision":-Infinity}', 400, "Infinity"),
    "1e999": (b'{"form_revision":1e999}', 400, "larger"),
    "1,000 levels": (b"[" * 1_000 + b"]" * 1_000, 400, "32 levels"),
    "100,000 levels": (b'{"a":' * 100_000, 400, "32 levels"),
    "40 levels": (b'{"a":' * 40 + b"1" + b"}" * 40, 400, "32 levels"),
    "Latin-1": ('{"obligation":"é"}'.encode("latin-1"), 400, "UTF-8"),
    "UTF-16": (json.dumps(REPORT).encode("utf-16"), 400, "UTF-8"),
    "a megabyte and more": (b'{"obligation":"' + b"a" * (1 << 20) + b'"}', 413, "1 MiB"),
    "unknown fields": (as_json(unti="O1", perid="x"), 400, "unti"),
    "no fields": (b"{}", 400, "obligation: is missing"),
    "a float": (as_json(content={"headcount": 1.5}), 400, "content.headcount"),
    "an unknown obligation": (as_json(obligation="no.such.thing"), 404, "no.such.thing"),
    "an endless id": (as_json(obligation="a" * 5_000), 422, "255"),
    "a line break in an id": (as_json(obligation="weekly.O1\n"), 422, "control character"),
    "an endless content": (
        as_json(content={f"x{number}": "y" * 100 for number in range(900)}),
        422,
        "x0",
    ),
    "revision nought": (as_json(form_revision=0), 422, "form_revision"),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies(network: Doors, name: str) -> None:
    """No body is read leniently, and each refusal says what is wrong with it."""
    body, status, word = BODIES[name]

    answer = network.post(SUBMIT, body, headers={"content-type": JSON})

    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert word in problem["detail"] + json.dumps(problem.get("errors", []), ensure_ascii=False)


def test_every_bad_field_is_named_at_once(network: Doors) -> None:
    """Wrong types, unknown names, missing and nested fields: all of them, each by its place."""
    body = {
        "obligation": 1,
        "content": {"headcount": 1.5, "remark": []},
        "nil_return": "yes",
        "evidence": [{"sha256": "x"}, {"sha256": 2, "media_type": "m", "nmae": "n"}],
        "unti": "O1",
    }

    problem = network.post(SUBMIT, body).json()

    assert {one["field"] for one in problem["errors"]} == {
        "obligation",
        "content.headcount",
        "content.remark",
        "nil_return",
        "evidence[0].media_type",
        "evidence[0].sha256",
        "evidence[1].sha256",
        "evidence[1].nmae",
        "form_revision",
        "unti",
    }


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "", "application/xml", "application/x-www-form-urlencoded", "multipart/mixed"],
)
def test_only_json_is_taken_for_json(network: Doors, kind: str) -> None:
    """A form of another site, or a body without a type, is not a command."""
    answer = network.post(SUBMIT, as_json(), headers={"content-type": kind})

    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


def test_json_of_a_vendor_is_json(network: Doors) -> None:
    """`+json` and a charset are fine; a compressed body is not."""
    vendor = network.post(
        SUBMIT, b"{}", headers={"content-type": "application/x+json; charset=utf-8"}
    )
    zipped = network.post(
        SUBMIT, as_json(), headers={"content-type": JSON, "content-encoding": "gzip"}
    )

    assert (vendor.status_code, zipped.status_code) == (400, 415)


QUERIES: dict[str, int] = {
    "/who-failed": 400,
    "/who-failed?period=x": 422,
    "/who-failed?period=2026W99": 422,
    "/who-failed?period=2026-13": 422,
    "/who-failed?period=0000": 422,
    "/who-failed?period=9999": 422,
    "/who-failed?period=0001W01..9999W52": 422,
    "/who-failed?period=2026W14..2025W01": 422,
    "/who-failed?period=2026W14&period=2026W15": 400,
    "/who-failed?period=2026W14&perid=2026W15": 400,
    "/who-failed?period=2026W14&limit=0": 400,
    "/who-failed?period=2026W14&limit=501": 400,
    "/who-failed?period=2026W14&limit=x": 400,
    "/who-failed?period=2026W14&unit=nope": 404,
    "/who-failed?period=2026W14&unit=%00": 400,
    "/who-failed?period=2026W14&unit=%ff": 400,
    "/who-failed?period=2026W14&duty=nope": 404,
    "/who-failed?period=2026W14&cursor=abc": 400,
    "/who-failed?period=2026W14&cursor=%E4%BD%A0": 400,
    "/who-failed?period=2026W14&as_of=x": 422,
    "/who-failed?period=2026W14&as_of=-1": 422,
    "/who-failed?period=2026W14&as_of=99999999": 422,
    "/who-failed?period=2026W14&as_of=2026-01-01": 422,
    "/who-failed?period=2026W14&as_of=2999-01-01T00:00:00Z": 422,
    f"/who-failed?period=2026W14&as_of={'9' * 60}": 422,
    f"/who-failed?period=2026W14&as_of={'9' * 5_000}": 400,
    "/who-failed?period=2026W14&min_position=-1": 400,
    "/who-failed?" + "&".join(f"a{number}=1" for number in range(100)): 400,
    "/obligations/nope": 404,
    "/obligations/nope/trace": 404,
    "/obligations/nope/verdict": 404,
    "/obligations/%00/trace": 400,
    "/obligations/a%2Fb/trace": 404,
    "/obligations?period=2026W14&outcome=nope": 400,
    "/units/nope": 404,
    "/units/nope/status": 404,
    "/posts/nope": 404,
    "/duties/nope": 404,
    "/forms/nope": 404,
    "/organisation?on=x": 422,
    "/organisation?on=2026-02-30": 422,
    "/organisation?on=0001-01-01": 422,
    "/organisation?on=9999-12-31": 422,
    "/organisation?on=2026-01-01T00:00:00": 422,
    "/organisation?depth=99": 400,
    "/organisation?ended=maybe": 400,
    "/events?subject=x": 400,
    "/events?since=2026-01-01": 400,
    "/events?order=up": 400,
    "/events/0": 404,
    "/events/-1": 404,
    f"/events/{'9' * 30}": 404,
    "/events/abc": 404,
    "/timeline/x": 422,
    "/timeline/unit:": 422,
    "/timeline/unit:O1?type=a%01b": 400,
    "/matrix?duty=weekly": 400,
    "/matrix?duty=nope&period=2026W14": 404,
    "/matrix?duty=weekly&period=2026W14&then=x": 422,
    "/nope": 404,
}


@pytest.mark.parametrize("path", QUERIES)
def test_queries(network: Doors, path: str) -> None:
    """A misspelt filter, a moment that has not come, a number too large: refused, and said."""
    answer = network.get(path)

    assert answer.status_code == QUERIES[path]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.json()["detail"]) > 20


def test_unknown_parameters_are_told_the_known_ones(network: Doors) -> None:
    """A typo in a filter must not show everything; the answer helps to correct it."""
    problem = network.get("/who-failed?period=2026W14&uint=O1").json()

    assert [one["field"] for one in problem["errors"]] == ["uint"]
    assert "unit" in problem["errors"][0]["message"]


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "TRACE", "BREW"])
def test_other_methods_are_refused_as_problems(network: Doors, method: str) -> None:
    """405, with what is allowed."""
    answer = network.client.request(method, "/api/v1/demo/duties", headers=network.key())

    assert (answer.status_code, answer.json()["type"]) == (405, "/problems/method-not-allowed")
    assert {"GET", "HEAD", "OPTIONS"} <= set(answer.headers["allow"].split(", "))


def test_what_is_not_json_is_not_served(network: Doors) -> None:
    """An address that answers JSON refuses who accepts none, and knows wildcards and weights."""
    refused = network.get("/duties", headers={"accept": "text/csv, application/json;q=0"})
    accepted = network.get("/duties", headers={"accept": "text/html, application/*;q=0.1"})

    assert (refused.status_code, accepted.status_code) == (406, 200)
