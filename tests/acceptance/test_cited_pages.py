"""Pages that can be cited: each says ledger, moment, versions, and the hash of its JSON twin."""

import html
import re

import pytest

from tests.acceptance.test_pages import page, words
from tests.visiting import Doors

MOMENT = "2026-05-15T12:00:00+08:00"
PAGES = {
    "/demo/matrix?duty=weekly&period=2026W08..2026W20&failing=true": "/api/v1/demo/matrix",
    "/demo/traces/weekly.O3.2026W13?": "/api/v1/demo/obligations/weekly.O3.2026W13/trace",
    "/demo/events/17?": "/api/v1/demo/events/17",
    "/demo/replay?unit=S1": "/api/v1/demo/replay",
}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_cited_by_the_hash_of_its_twin(network: Doors, path: str) -> None:
    """The short hash in the footer, the full one to copy, and the twin has the same."""
    asked = f"{path}&as_of={MOMENT.replace('+', '%2B')}"
    answer = page(network, asked)
    (address,) = {
        html.unescape(one) for one in re.findall(rf'href="({PAGES[path]}[^"]*)"', answer.text)
    }
    twin = network.client.get(address, headers=network.key("auditor"))
    (full,) = re.findall(r'<code title="([0-9a-f]{64})">([0-9a-f]{12})</code>', answer.text)

    assert twin.status_code == 200, twin.text
    assert full[0] == twin.headers["ledger-hash"] == answer.headers["ledger-hash"]
    assert full[1] == full[0][:12]
    position = answer.headers["ledger-position"]
    cited = f"ledger=demo as_of={position}@{answer.headers['ledger-as-of']} views="
    assert cited in words(answer)
    assert f"sha256={full[0]}" in words(answer)
    assert "引用本页答案" in words(answer)
    assert "Cite this answer" in words(page(network, asked, "en"))
