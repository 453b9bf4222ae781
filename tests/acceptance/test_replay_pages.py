"""The replay through its door: what a step says, what a comparison says, and who sees how much."""

import html
import re
from typing import Any

import pytest

from tests.acceptance.test_pages import page, words
from tests.visiting import Doors


def position_of(network: Doors, kind: str) -> int:
    """The position of the first fact of a type."""
    answer = network.client.get(
        f"/api/v1/demo/events?type={kind}&limit=1", headers=network.key("auditor")
    )
    return int(answer.json()["events"][0]["position"])


def difference(answer: Any) -> str:
    """What a page says between its choices and its foot."""
    return words(answer).partition("What differs")[2].partition("As of position")[0]


def test_a_step_says_the_fact_and_what_it_changed(network: Doors) -> None:
    """The fact in words and verbatim, and every field that says something else because of it."""
    position = position_of(network, "report.submitted")
    shown = words(page(network, f"/demo/replay?as_of={position}", "en"))

    assert "report submitted report.submitted" in shown
    assert "What it changed changed obligation" in shown
    assert "submissions.0" in shown
    assert '"type": "report.submitted"' in shown
    assert "This is the past." in shown


def test_steps_lead_to_their_neighbours(network: Doors) -> None:
    """Of a unit, the facts before and after are those of the unit, and none in between."""
    answer = page(network, "/demo/replay?subject=unit:O3", "en")
    log = network.client.get(
        "/api/v1/demo/events?subject=unit:O3&order=newest&limit=2", headers=network.key("auditor")
    ).json()
    newest, before = (one["position"] for one in log["events"])

    assert f"{newest:,} " in words(answer)
    assert f"as_of={before}" in answer.text
    assert 'rel="next"' not in answer.text


def test_a_comparison_says_rows_outcomes_and_causes(network: Doors) -> None:
    """The moments in order of time whichever was named first, in both languages."""
    there = page(network, "/demo/replay?as_of=20&against=90", "en")
    back = page(network, "/demo/replay?as_of=90&against=20", "en")

    assert "What differs between A and B" in words(there)
    assert "Because of" in words(there)
    assert difference(there) == difference(back)
    chinese = words(page(network, "/demo/replay?as_of=20&against=90"))
    assert "A、B 两个时刻之间的差异" in chinese
    assert "起因" in chinese


def test_a_comparison_of_a_moment_with_itself(network: Doors) -> None:
    """Nothing differs, and the page says so."""
    assert "Nothing differs" in words(page(network, "/demo/replay?as_of=50&against=50", "en"))


def test_further_rows_compare_the_same_moments(network: Doors) -> None:
    """The link to the following page holds both moments, and its rows are others."""
    first = page(network, "/demo/replay?against=1", "en")
    (address,) = re.findall(r'href="([^"]*cursor=[^"]*)"[^>]*>Further rows', first.text)
    second = page(network, html.unescape(address), "en")

    assert second.status_code == 200
    assert rows(first)
    assert rows(second)
    assert rows(first).isdisjoint(rows(second))


def rows(answer: Any) -> set[str]:
    """The keys of the rows on a page."""
    return set(re.findall(r"<code>([^<]+)</code></a>\s*</p>", answer.text))


def test_nothing_to_step_through(network: Doors) -> None:
    """A type that nobody recorded is an empty state, and no mistake."""
    answer = page(network, "/demo/replay?subject=unit:O3&type=unit.merged", "en")

    assert answer.status_code == 200
    assert "No fact to step through." in words(answer)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("unit=nope", 404),
        ("subject=nonsense", 422),
        ("unit=S1&subject=unit:O3", 422),
        ("as_of=yesterday", 422),
        ("against=yesterday", 422),
        ("subject=duty:weekly&against=20", 422),
        ("cursor=made-up&against=20", 400),
    ],
)
def test_bad_input_is_told(network: Doors, query: str, status: int) -> None:
    """Each with its own sentence, as a page."""
    answer = page(network, f"/demo/replay?{query}", "en")

    assert (query, answer.status_code) == (query, status)
    assert '<html lang="en">' in answer.text


def test_a_bound_key_steps_through_its_own(network: Doors) -> None:
    """Without a choice it sees its subtree; what lies outside is not there."""
    key: dict[str, Any] = network.key("auditor", "S1")
    own = network.client.get("/demo/replay", headers={**key, "accept-language": "en"})
    foreign = network.client.get("/demo/replay?unit=HQ", headers=key)
    subject = network.client.get("/demo/replay?subject=unit:HQ", headers=key)

    assert own.status_code == 200
    assert foreign.status_code == 404
    assert subject.status_code == 404
