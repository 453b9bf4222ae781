"""The pages through their doors alone: what they say, in both languages, now and in the past."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.auth import SESSION_COOKIE
from tests.timekeeping import wall
from tests.visiting import Doors, doors, fresh_database, project

MATRIX = "/demo/matrix?duty=weekly&period=2026W08..2026W20"
TRACE = "/demo/traces/weekly.O3.2026W13"
PAGES = (MATRIX, TRACE, "/demo/events/17")


def page(network: Doors, path: str, language: str = "zh-CN", **headers: str) -> Any:
    """A page as an auditor sees it."""
    return network.client.get(
        path, headers={**network.key("auditor"), "accept-language": language, **headers}
    )


def words(answer: Any) -> str:
    """What a page says, without its markup."""
    text = re.sub(r"<(script|style).*?</\1>", " ", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


@pytest.mark.parametrize("path", PAGES)
def test_pages_in_both_languages(network: Doors, path: str) -> None:
    """The language of the reader, on the page and in its `lang`; asked for, it is remembered."""
    chinese, english = page(network, path), page(network, path, "en")
    join = "&" if "?" in path else "?"
    asked = page(network, f"{path}{join}lang=en")

    assert '<html lang="zh-CN">' in chinese.text
    assert "责任台账" in words(chinese)
    assert '<html lang="en">' in english.text
    assert "Accountability ledger" in words(english)
    assert '<html lang="en">' in asked.text
    assert "ledger_lang=en" in asked.headers["set-cookie"]
    network.client.cookies.clear()


@pytest.mark.parametrize("path", PAGES)
def test_the_policy_of_pages(network: Doors, path: str) -> None:
    """Scripts and styles come from here alone; nothing of a page is kept."""
    answer = page(network, path)
    policy = answer.headers["content-security-policy"]
    nonce = re.findall(r"'nonce-([^']+)'", policy)

    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert len(set(nonce)) == 1
    assert nonce[0] in answer.text
    assert nonce[0] not in page(network, path).text
    assert answer.headers["cache-control"] == "no-store"
    assert "://" not in re.sub(r'xmlns="[^"]*"', "", answer.text)


def test_the_matrix_says_what_the_answer_says(network: Doors) -> None:
    """Every figure of the strip, and every cell's outcome, is the JSON's."""
    answer = page(network, MATRIX, "en")
    twin = re.findall(r'href="(/api/v1/demo/matrix[^"]*)"', answer.text)[0]
    found = network.client.get(html.unescape(twin), headers=network.key("auditor")).json()
    strip = re.findall(r'<tr class="now">.*?</tr>', answer.text, re.DOTALL)[0]
    figures = [
        int(one)
        for one in re.findall(r'<td class="[a-z_]+(?: differs)?">(?:<a[^>]*>)?(\d+)', strip)
    ]
    now = found["total"]["now"]
    cells = re.findall(r'<td class="cell ([a-z_]+)', answer.text)

    assert figures == [
        now[name]
        for name in ("expected", "on_time", "late", "missed", "pending", "excused", "exempt")
    ]
    assert [one for one in cells if one != "none"] == [
        cell["outcome"] for row in found["rows"] for cell in row["cells"] if cell
    ]
    rates = [
        one[name]
        for one in (now, found["total"]["then"])
        for name in ("timeliness", "completeness")
    ]
    for rate in rates:
        assert f"{rate['numerator']}/{rate['denominator']}" in words(answer).replace(" / ", "/")


def test_states_are_words_and_never_colour_alone(network: Doors) -> None:
    """Each cell says its unit, period and outcome to whoever does not see it."""
    cells = re.findall(
        r'<td class="cell (\w+)[^>]*><a [^>]*title="([^"]*)"', page(network, MATRIX).text
    )
    spoken = {
        "on_time": "按时",
        "late": "迟报",
        "missed": "未报",
        "exempt": "豁免",
        "not_expected": "不应报",
    }

    assert {kind for kind, _ in cells} == set(spoken)
    for kind, title in cells:
        assert spoken[kind] in title
        assert re.search(r"网点 2026W\d\d", title)


def test_what_changed_since_is_marked(network: Doors) -> None:
    """O5's missed week in April is not expected any more, and the cell says what it was."""
    text = page(network, MATRIX, "en").text

    (title,) = re.findall(r'changed"><a [^>]*title="(Jiangbei outlet 2026W18;[^"]*)"', text)
    assert "not expected" in title
    assert "as known then: missed" in title


def test_only_units_that_failed(network: Doors) -> None:
    """The filter leaves out rows, and the figures stay over all."""
    path = "/demo/matrix?duty=weekly&period=2026W10..2026W12"
    every, failing = page(network, path), page(network, f"{path}&failing=true")

    def rows(answer: Any) -> int:
        return len(re.findall(r"<code>O\d</code>", answer.text))

    def strip(answer: Any) -> str:
        return str(re.findall(r'<tr class="now">.*?</tr>', answer.text, re.DOTALL)[0])

    assert (rows(every), rows(failing)) == (6, 3)
    assert re.sub(r"<a[^>]*>", "", strip(every)) == re.sub(r"<a[^>]*>", "", strip(failing))


def test_a_page_of_the_past_is_unmistakable(network: Doors) -> None:
    """Its body, its banner, its chip and every link of it stay in the past."""
    answer = page(network, f"{MATRIX}&as_of=2026-05-15", "en")
    now = page(network, MATRIX, "en")

    assert '<body class="past">' in answer.text
    assert "This is the past." in words(answer)
    assert "2026-05-15 23:59:59" in words(answer)
    assert answer.headers["ledger-as-of"] == "2026-05-15T15:59:59.999999Z"
    traces = re.findall(r'href="(/demo/traces/[^"]+)"', answer.text)
    assert traces
    assert all("as_of=2026-05-15" in one for one in traces)
    assert '<body class="past">' not in now.text
    assert "This is the past." not in words(now)


def test_a_unit_is_a_place_in_the_line(network: Doors) -> None:
    """The breadcrumb leads up, the groups lead down, and figures are of what is below."""
    answer = page(network, f"{MATRIX}&unit=B1", "en")
    crumbs = re.findall(r'<nav class="crumbs".*?</nav>', answer.text, re.DOTALL)[0]

    assert words_of(crumbs) == "The whole line Headquarters East region Zhejiang branch"
    assert "Hangzhou sub-branch" in words(answer)
    assert "Nanjing sub-branch" not in words(answer)
    assert re.search(r'href="[^"]*unit=R1[^"]*">East region', crumbs)


def words_of(markup: str) -> str:
    """The words of a piece of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def test_the_trace_tells_the_whole_story(network: Doors) -> None:
    """The vacancy climbed: what was owed, that nothing came, who answers, in both languages."""
    text = words(page(network, TRACE))

    assert "萧山网点应于 2026-03-30 18:01 前报送网点周报（2026W13）" in text
    assert "补报通道关闭前没有收到有效报表，未报。" in text
    assert "直接责任：吴建国，杭州中支·负责人（空岗承接）。" in text
    assert "管理责任：吴建国，杭州中支·负责人（长期空岗未安排临时负责人）。" in text
    assert "Direct: 吴建国, Head of Hangzhou sub-branch (by vacancy of the post below)." in text
    assert "没有证据" in text


STORIES = {
    "weekly.O1.2026W08": ("after the due: late.", "held the post at the due"),
    "weekly.O2.2026W10": ("Due moved to 2026-03-09 22:01", "granted before the due"),
    "weekly.O2.2026W15": ("Attempt turned away", "headcount"),
    "weekly.O2.2026W16": ("Excused: a request made in time was not decided.", "never decided"),
    "weekly.O3.2026W15": ("Direct: 王小明", "interim"),
    "weekly.O4.2026W19": ("It was waived before the due and is not counted.", "waiver"),
    "weekly.O5.2026W18": (
        "It was not owed after all: the unit was not working.",
        "obligation cancelled",
    ),
    "weekly.O6.2026W09": ("on time.", "Nil return"),
    "weekly.O6.2026W17": ("unreported.", "report voided"),
    "weekly.O1.2026W20": ("A correction that was asked for is overdue.", "unanswered"),
}


@pytest.mark.parametrize("obligation", STORIES)
def test_each_story_in_words(network: Doors, obligation: str) -> None:
    """Whatever became of an obligation, its page says it and shows where it stands in the log."""
    answer = page(network, f"/demo/traces/{obligation}", "en")
    trace = network.get(f"/obligations/{obligation}/trace").json()

    for expected in STORIES[obligation]:
        assert expected in words(answer), words(answer)
    for event in trace["events"]:
        assert f'id="fact-{event["position"]}"' in answer.text
        assert event["leaf_hash"] in answer.text


def test_every_citation_leads_to_its_fact(network: Doors) -> None:
    """No number on the page leads nowhere."""
    text = page(network, TRACE).text

    cited = set(re.findall(r'href="#fact-(\d+)"', text))
    assert cited
    assert cited <= set(re.findall(r'id="fact-(\d+)"', text))


def test_raw_facts_are_one_link_away(network: Doors) -> None:
    """As a page without scripts, as a part of one with them, and byte for byte."""
    whole = page(network, "/demo/events/17", "en")
    part = page(network, "/demo/_/events/17", "en")
    raw = network.get("/events/17").json()

    assert "<html" not in part.text
    for answer in (whole, part):
        assert raw["leaf_hash"] in answer.text
        assert raw["entry"]["id"] in answer.text


def test_names_only_for_who_may_see_them(network: Doors) -> None:
    """A dashboard's trace has ids, and no facts to open."""
    answer = network.client.get(TRACE, headers=network.key("dashboard"))

    assert "吴建国" not in answer.text
    assert "S1-boss" in answer.text
    assert "/events/" not in answer.text
    assert (
        network.client.get("/demo/events/17", headers=network.key("dashboard")).status_code == 403
    )


def test_pages_outside_of_ones_unit_are_not_there(network: Doors) -> None:
    """A key bound to a branch sees its own line, and nothing beside or above it."""
    key = network.key("manager", "B1")

    own = network.client.get("/demo/matrix", headers={**key, "accept-language": "en"})
    other = network.client.get("/demo/matrix?unit=B2", headers=key)
    trace = network.client.get("/demo/traces/weekly.O6.2026W17", headers=key)

    assert "Zhejiang branch" in words(own)
    assert "Nanjing" not in words(own)
    assert 'href="/demo/matrix?unit=R1' not in own.text
    assert (other.status_code, trace.status_code) == (404, 404)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/demo/matrix?period=x", 422),
        ("/demo/matrix?as_of=x", 422),
        ("/demo/matrix?as_of=2999-01-01", 422),
        ("/demo/matrix?unit=nope", 404),
        ("/demo/matrix?duty=nope", 404),
        ("/demo/matrix?foo=1", 400),
        ("/demo/matrix?cursor=x", 400),
        ("/demo/traces/nope", 404),
        ("/demo/events/0", 404),
        ("/demo/nothing/here", 404),
        ("/nowhere/matrix", 404),
    ],
)
def test_refusals_are_pages_too(network: Doors, path: str, status: int) -> None:
    """In the reader's language, with what to do next; programs get a problem instead."""
    answer = page(network, path, accept="text/html")

    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert "前往矩阵" in words(answer)


def test_empty_states(server_url: str, template: str, tmp_path: Any) -> None:
    """Before anything is demanded, and where nothing was owed, a page says so and what to do."""
    with (
        fresh_database(server_url, template) as database,
        doors(database, tmp_path, told=False) as empty,
    ):
        project(empty.opened)
        nothing = page(empty, "/demo/matrix", "en")

    assert nothing.status_code == 200
    assert "No duty has been published yet." in words(nothing)


def test_nothing_owed(network: Doors) -> None:
    """A branch before its time: no rows, and a hint."""
    answer = page(network, "/demo/matrix?duty=weekly&period=2024W01..2024W10", "en")

    assert answer.status_code == 200
    assert "Nothing was owed here." in words(answer)


# --- signing in ----------------------------------------------------------------------------------


@pytest.fixture
def browser(network: Doors) -> Iterator[TestClient[Any]]:
    """A client that keeps cookies, and does not follow."""
    with TestClient(create_app(network.ledgers), raise_server_exceptions=False) as client:
        client.follow_redirects = False
        yield client


def sign_in(network: Doors, browser: TestClient[Any], **form: str) -> Any:
    """Send the form."""
    key = network.key("auditor")["authorization"].removeprefix("Bearer ")
    return browser.post(
        "/demo/sign-in", data={"key": key, **form}, headers={"sec-fetch-site": "same-origin"}
    )


def test_who_is_not_signed_in_is_led_to_the_form(network: Doors, browser: TestClient[Any]) -> None:
    """And comes back to where they wanted to go; the key never stands in an address."""
    asked = browser.get(MATRIX)
    form = browser.get(asked.headers["location"])
    entered = sign_in(network, browser, next=MATRIX)
    shown = browser.get(MATRIX)

    assert asked.status_code == 302
    assert asked.headers["location"].startswith("/demo/sign-in?next=")
    assert 'type="password"' in form.text
    assert (entered.status_code, entered.headers["location"]) == (303, MATRIX)
    cookie = entered.headers["set-cookie"]
    for word in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert word.lower() in cookie.lower()
    assert "ldg_" not in cookie
    assert shown.status_code == 200


def test_signing_out(network: Doors, browser: TestClient[Any]) -> None:
    """The session ends, and pages ask again."""
    sign_in(network, browser)
    before = browser.get(MATRIX).status_code
    out = browser.post("/demo/sign-out", headers={"sec-fetch-site": "same-origin"})
    after = browser.get(MATRIX).status_code

    assert (before, out.status_code, after) == (200, 303, 302)


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example/", "/demo/\\evil", "javascript:1", "/other/x"],
)
def test_signing_in_leads_nowhere_else(
    network: Doors, browser: TestClient[Any], target: str
) -> None:
    """An address of another site in `next` is not followed."""
    assert sign_in(network, browser, next=target).headers["location"] == "/demo/matrix"


def test_another_sites_form_does_nothing(network: Doors, browser: TestClient[Any]) -> None:
    """A cross-site post neither signs in nor out."""
    key = network.key("auditor")["authorization"].removeprefix("Bearer ")

    for path in ("/demo/sign-in", "/demo/sign-out"):
        answer = browser.post(path, data={"key": key}, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_a_wrong_key_is_told(browser: TestClient[Any]) -> None:
    """The form again, with what is wrong, and without the key."""
    answer = browser.post("/demo/sign-in", data={"key": "ldg_x_y"})

    assert answer.status_code == 401
    assert "该密钥无效" in answer.text
    assert "ldg_x_y" not in answer.text


@pytest.mark.parametrize(
    "session",
    ["", "x", "a.b.c", "....", "auditor.9999999999.0000", "你好.1.2", "a" * 9_000],
)
def test_made_up_sessions(browser: TestClient[Any], session: str) -> None:
    """A session that was not given here opens nothing."""
    answer = browser.get(
        "/api/v1/demo/duties", headers={"cookie": f"{SESSION_COOKIE}={session}".encode()}
    )

    assert answer.status_code == 401


def test_a_changed_or_expired_session(
    network: Doors, browser: TestClient[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One character, twelve hours, or a revoked key: the session is over."""
    sign_in(network, browser)
    session = browser.cookies[SESSION_COOKIE]
    changed = session[:-1] + ("0" if session[-1] != "0" else "1")
    path = "/api/v1/demo/duties"
    statuses = [browser.get(path).status_code]
    with TestClient(create_app(network.ledgers)) as other:
        given = {"cookie": f"{SESSION_COOKIE}={changed}"}
        statuses.append(other.get(path, headers=given).status_code)
    monkeypatch.setattr(network.opened.clock, "now", lambda: wall("2026-06-24 12:00"))
    statuses.append(browser.get(path).status_code)

    assert statuses == [200, 401, 401]


def test_a_session_reads_and_never_commands(network: Doors, browser: TestClient[Any]) -> None:
    """A browser's cookie alone is no authority to write through the API."""
    key = network.key("administrator")["authorization"].removeprefix("Bearer ")
    browser.post("/demo/sign-in", data={"key": key})

    answer = browser.post(
        "/api/v1/demo/organisation/rename-unit",
        json={"unit": "S3", "name_zh": "南京", "name_en": "x"},
        headers={"idempotency-key": "k" * 20},
    )

    assert answer.status_code == 403


def test_an_open_ledger_is_read_by_anybody_and_written_by_nobody(
    network: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demonstration's pages and answers need no key; its commands do."""
    monkeypatch.setattr(network.opened.doorkeeper, "_is_open", True)
    read = [network.client.get(path).status_code for path in (MATRIX, "/api/v1/demo/duties")]
    written = network.client.post(
        "/api/v1/demo/organisation/close-unit",
        json={"unit": "O1"},
        headers={"idempotency-key": "k" * 20},
    )

    assert read == [200, 200]
    assert written.status_code == 403
