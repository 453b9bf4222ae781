"""What verdicts rest on: loaded once, shared until a fact changes it, right at every position."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.database import Database
from ledger.events.organisation import PostAbolished, PostEstablished, UnitRenamed
from ledger.events.reports import ReportWithdrawn
from ledger.vocabulary import UnitRef
from projections import background
from projections.background import Background, Backgrounds
from projections.time_travel import Reader
from tests.quarter import END, quarter
from tests.scenario import Scenario, wall
from tests.telling import Told


@pytest.fixture
def told(database: Database) -> Iterator[Told]:
    """A ledger that holds the quarter."""
    with Told(database, quarter().events) as found:
        found.now = wall(END)
        yield found


def background_of(told: Told, position: int | None = None) -> Background:
    """The background as of a position."""
    with told.questions.at(position) as here:
        return here.background


def test_it_is_shared_until_a_fact_changes_it(told: Told) -> None:
    """A report changes nothing that verdicts rest on; a unit's new name does."""
    first = background_of(told)
    story = quarter()
    withdrawn = ReportWithdrawn(report="O.2026-04", obligation="monthly.O.2026-04")
    story.say("withdrawn", END, withdrawn)
    told.tell(story.events[-1:])
    assert background_of(told) is first

    story.say("renamed", END, UnitRenamed(unit="O", name_zh="新", name_en="New"))
    told.tell(story.events[-1:])
    changed = background_of(told)
    assert changed is not first
    name = changed.organisation.name(UnitRef("O"), wall(END))
    assert name is not None
    assert name.name_en == "New"


def test_positions_between_two_changes_share_one(told: Told) -> None:
    """As of any position between two changes, the same object answers."""
    opened = [one.position for one in quarter().events if one.type == "obligation.opened"]

    assert background_of(told, opened[0]) is background_of(told, opened[-1])
    assert background_of(told, 20) is not background_of(told, opened[0])


def test_callers_at_once_load_it_once(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask at the same time, one loads and the others wait for it."""
    loads: list[int] = []
    made = Backgrounds._made

    def counted(self: Backgrounds, reader: Reader, edition: int) -> Background:
        loads.append(edition)
        return made(self, reader, edition)

    monkeypatch.setattr(Backgrounds, "_made", counted)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: background_of(told), range(24)))

    assert len(loads) == 1
    assert all(one is found[0] for one in found)


def test_few_are_kept(told: Told) -> None:
    """Whoever steps through the past does not fill the memory."""
    for position in range(1, 36):
        background_of(told, position)

    assert len(told.questions.backgrounds._kept) == background.KEPT_MAX


def test_of_two_posts_with_one_role_the_first_established_answers(database: Database) -> None:
    """As in a replay; the order of codes, in which rows are stored, must not decide."""
    story = Scenario()
    for post in ("z-head", "a-head"):
        fact = PostEstablished(post=post, unit="O", role="chief", title_zh="长", title_en="Chief")
        story.say(post, "2026-01-01 00:00", fact)
    story.say("gone", "2026-02-01 00:00", PostAbolished(post="O-head"))
    with Told(database, story.events) as told:
        found = background_of(told).organisation
        replayed = told.history().organisation

    at = wall("2026-03-01 00:00")
    assert found.post_of_role(UnitRef("O"), "chief", at) == "z-head"
    assert found.posts_in(UnitRef("O"), at) == replayed.posts_in(UnitRef("O"), at)


def test_a_subtree_holds_whoever_was_ever_below(told: Told) -> None:
    """O2 moved from S to S2: both have had it below them, and so has everything above."""
    found = background_of(told)

    assert found.ever_below("S") == {"S", "O", "O2"}
    assert found.ever_below("B2") == {"B2", "S2", "O2", "O3", "O4"}
    assert found.ever_below("O") == {"O"}
