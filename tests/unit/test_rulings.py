"""The rulings of docs/rules.md: the whole verdict of each, and nothing else in it.

The rows stand in `tests/rulings`, by what they rule upon.
"""

import pytest

from ledger.events import duties
from tests.rulings.ruling import Ruling, stated, whole
from tests.rulings.table import RULINGS
from tests.scenario import Scenario, wall


@pytest.mark.parametrize("ruling", RULINGS, ids=lambda one: f"{one.number}: {one.title}")
def test_the_whole_verdict_is_as_ruled(ruling: Ruling) -> None:
    """Every part of the verdict is what the ruling says, and nothing else is in it."""
    verdict = ruling.story(Scenario()).verdict(ruling.asked, ruling.obligation)

    assert stated(ruling) == whole(verdict)


@pytest.mark.parametrize("ruling", RULINGS, ids=lambda one: f"{one.number}: {one.title}")
def test_the_clocks_own_notices_change_nothing(ruling: Ruling) -> None:
    """A notice of the miss, recorded or not, is never read by the verdict."""
    scenario = ruling.story(Scenario())
    before = whole(scenario.verdict(ruling.asked, ruling.obligation))
    notice = duties.ObligationMissed(
        obligation=ruling.obligation, post="O-head", due=wall(ruling.due)
    )
    scenario.say("notice", ruling.asked, notice)

    assert before == whole(scenario.verdict(ruling.asked, ruling.obligation))
