"""Rulings 26 to 35: units that close, open, move and merge."""

from datetime import date

from ledger.events import organisation, outlets
from tests.rulings.ruling import A_APPOINTED, S_APPOINTED, Ruling, held_by_a
from tests.scenario import MONTHLY, Scenario


def merged(scenario: Scenario, *duties_passed: str) -> Scenario:
    """On the due day the outlet is merged into its neighbour P, whose head is P-chief."""
    held_by_a(scenario).unit("P", "outlet", "S", at="2024-01-01 00:00")
    scenario.say(
        "P opened", "2024-01-02 00:00", outlets.OutletOpened(unit="P", opened_on=date(2024, 1, 2))
    )
    scenario.appoint("P-head", "p-chief", "2024-01-02 00:00")
    fact = organisation.UnitMerged(unit="O", into="P", duties=duties_passed)
    return scenario.say("merged", "2026-04-08 09:00", fact)


def closed(scenario: Scenario, effective: str, received: str) -> Scenario:
    """The outlet closes."""
    fact = organisation.UnitClosed(unit="O")
    return held_by_a(scenario).say("closed", received, fact, effective=effective)


def reparented(scenario: Scenario) -> Scenario:
    """A has left, and the outlet moves under sub-branch T two days before the due."""
    held_by_a(scenario).unit("T", "sub_branch", "B", at="2020-01-01 00:00")
    scenario.appoint("T-head", "t-chief", "2020-01-02 00:00")
    scenario.relieve("O-head", "A", "2026-04-07 00:00")
    fact = organisation.UnitReparented(unit="O", parent="T")
    return scenario.say("moved under T", "2026-04-07 09:00", fact)


MOVING = [
    Ruling(
        number=26,
        title="an outlet closed before the period's end is not expected to report",
        story=lambda s: closed(s, "2026-03-20 00:00", "2026-03-20 09:00"),
        outcome="not_expected",
        expectation="unit_closed",
        cites=("O opened", "closed"),
    ),
    Ruling(
        number=27,
        title="an outlet closed between the period's end and the due: nobody's miss",
        story=lambda s: closed(s, "2026-04-03 00:00", "2026-04-03 09:00"),
        outcome="not_expected",
        expectation="unit_closed",
        cites=("O opened", "closed"),
    ),
    Ruling(
        number=28,
        title="a closing recorded after the miss, with effect before it, is judged in favour",
        story=lambda s: closed(s, "2026-04-05 00:00", "2026-04-20 09:00"),
        asked="2026-04-21 09:00",
        outcome="not_expected",
        expectation="unit_closed",
        cites=("O opened", "closed"),
    ),
    Ruling(
        number=31,
        title="what was opened for a past that nobody knew of is never a miss",
        story=lambda s: s.appoint("O-head", "A", "2024-01-01 00:00").open(informational=True),
        outcome="not_expected",
        expectation="informational",
    ),
    Ruling(
        number=34,
        title="a unit moved before the due: the superior is the parent's at the due",
        story=reparented,
        persons=(("direct", "vacancy", "t-chief"), ("noted", "left_the_post_empty", "A")),
        path=(("O-head", "vacant"), ("T-head", "holder")),
        cites=(
            "moved under T",
            "T-head",
            "t-chief appointed to T-head",
            "A left O-head",
            A_APPOINTED,
        ),
    ),
    Ruling(
        number=35,
        title="the merged unit's own post owes no more",
        story=merged,
        outcome="not_expected",
        expectation="unit_merged",
        cites=("O opened", "merged"),
    ),
    Ruling(
        number=35,
        title="a duty that the merger lists is the absorbing unit's",
        story=lambda s: merged(s, "monthly").open(
            f"{MONTHLY}.parent", at="2026-04-08 09:00", post="P-head"
        ),
        obligation=f"{MONTHLY}.parent",
        persons=(("direct", "holder", "p-chief"),),
        path=(("P-head", "holder"),),
        cites=("p-chief appointed to P-head",),
    ),
    Ruling(
        number=35,
        title="any other climbs to the unit above",
        story=lambda s: merged(s).open(f"{MONTHLY}.parent", at="2026-04-08 09:00", post="S-head"),
        obligation=f"{MONTHLY}.parent",
        persons=(("direct", "holder", "s-chief"),),
        path=(("S-head", "holder"),),
        cites=(S_APPOINTED,),
    ),
]
