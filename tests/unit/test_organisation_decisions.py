"""What may be decided about units and posts, by whom, and what every refusal says.

Read next: `test_holder_decisions.py` (who holds a post), `test_delegation_decisions.py` (who acts
for whom), `test_annulment_decisions.py` (mistakes).
"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from ledger.decisions import organisation as do
from ledger.decisions.command import Command
from ledger.errors import Conflict, Invalid, NotAllowed, NotFound
from ledger.vocabulary import Level, Reason, UnitKind
from tests.deciding import NOW, Deciding, refused, vacate, with_changes
from tests.scenario import wall


def test_all_bad_fields_are_named(ledger: Deciding) -> None:
    """A malformed command names every field that is wrong, each with what to do."""
    command = do.EstablishUnit(
        unit="a b",
        level=Level.OUTLET,
        name_zh="",
        name_en="x\n",
        zone="Mars/Base",
        effective_from=datetime(2026, 1, 1),  # noqa: DTZ001  (the missing offset is the point)
        reason=Reason("No!"),
    )
    error = refused(ledger, "operator", command, Invalid, "effective_from")
    assert isinstance(error, Invalid)

    assert [one.field for one in error.fields] == [
        "effective_from",
        "reason.code",
        "unit",
        "name_zh",
        "name_en",
        "zone",
        "parent",
    ]


@pytest.mark.parametrize("year", [1900, 9000])
def test_dates_out_of_reason_are_refused(ledger: Deciding, year: int) -> None:
    """A date before the company's world, or far ahead, is refused, not computed with."""
    at = wall(f"{year}-01-01 00:00")
    until = at + timedelta(days=1)
    appoint = do.AppointActing(
        post="O-head", person="ann", effective_from=at, effective_until=until, by="S-head"
    )

    refused(ledger, "s-chief", appoint, Invalid, "effective_from.*effective_until")
    refused(ledger, "operator", do.CloseUnit(unit="O", effective_from=at), Invalid, "effective")


@pytest.mark.parametrize(
    "command",
    [
        do.CloseUnit(unit="nowhere"),
        do.ReparentUnit(unit="O", parent="nowhere"),
        do.MergeUnit(unit="O", into="nowhere"),
        do.AppointHolder(post="nowhere", person="ann"),
        do.AppointHolder(post="O-head", person="nobody", effective_from=wall("2030-01-01 00:00")),
        do.EstablishPost(post="x", unit="nowhere", role="clerk", title_zh="x", title_en="x"),
        do.ChangeSuperior(post="O-head", superior="nowhere"),
        do.RecordLeave(person="nobody", kind="annual", effective_until=wall("2026-05-01 00:00")),
        do.AcceptDelegation(delegation="d", post="O-head"),
        do.DepartPerson(person="nobody", cause="resigned"),
    ],
)
def test_what_does_not_exist_is_not_found(ledger: Deciding, command: Command) -> None:
    """A reference to nothing is refused with the identifier to check."""
    if isinstance(command, do.AppointHolder) and command.post == "O-head":
        vacate(ledger)
    refused(ledger, "operator", command, NotFound, "no")


# --- units -------------------------------------------------------------------------------------


def test_units_are_established_by_who_leads_above(ledger: Deciding) -> None:
    """The head of the parent establishes a unit; the head of another branch does not."""
    command = do.EstablishUnit(
        unit="O2", level=Level.OUTLET, name_zh="二", name_en="Two", parent="S", by="S-head"
    )
    refused(ledger, "s2-chief", command, NotAllowed, "not effective in post 'S-head'")
    refused(
        ledger, "s2-chief", with_changes(command, by="S2-head"), NotAllowed, "ask post 'B-head'"
    )
    refused(ledger, "s-chief", with_changes(command, by=None), NotAllowed, "say in `by`")
    ledger.person("s-chief", command)

    refused(ledger, "s-chief", command, Conflict, "exists already")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"parent": "O"}, "no level above"),
        ({"level": Level.SUB_BRANCH}, "no level above"),
        ({"parent": "T"}, "support unit"),
        ({"parent": None}, "only the headquarters"),
        ({"effective_from": wall("2019-01-01 00:00")}, "does not exist then"),
    ],
)
def test_a_unit_needs_a_parent_that_can_carry_it(
    ledger: Deciding, changes: dict[str, Any], says: str
) -> None:
    """A parent stands a level higher, on the line, and exists by then."""
    support = do.EstablishUnit(
        unit="T",
        level=Level.BRANCH,
        name_zh="支持",
        name_en="Support",
        parent="B",
        kind=UnitKind.SUPPORT,
    )
    ledger.operator(support)
    command = do.EstablishUnit(
        unit="O2", level=Level.OUTLET, name_zh="二", name_en="Two", parent="S"
    )

    refused(ledger, "operator", with_changes(command, **changes), Invalid, says)


def test_a_move_makes_no_circle_now_or_later(ledger: Deciding) -> None:
    """A support unit cannot be put below itself, not even by way of a move that is yet to come."""
    for unit, parent in (("T1", "B"), ("T2", "B")):
        ledger.operator(
            do.EstablishUnit(
                unit=unit,
                level=Level.BRANCH,
                name_zh=unit,
                name_en=unit,
                parent=parent,
                kind=UnitKind.SUPPORT,
            )
        )
    later = wall("2026-06-01 00:00")
    ledger.operator(do.ReparentUnit(unit="T1", parent="T2", effective_from=later))

    refused(ledger, "operator", do.ReparentUnit(unit="T2", parent="T1"), Invalid, "below")
    refused(ledger, "operator", do.ReparentUnit(unit="T2", parent="T2"), Invalid, "below")
    refused(ledger, "operator", do.ReparentUnit(unit="HQ", parent="R"), Invalid, "headquarters")
    refused(ledger, "operator", do.ReparentUnit(unit="O", parent="S"), Conflict, "already")


def test_a_move_needs_authority_over_both_places(ledger: Deciding) -> None:
    """Who leads above the old and the new parent moves a unit; one of the two is not enough."""
    move = do.ReparentUnit(unit="O", parent="S2", by="S-head")
    refused(ledger, "s-chief", move, NotAllowed, "B-head")
    ledger.person("b-chief", with_changes(move, by="B-head"))

    assert ledger.history.organisation.parent("O", wall(NOW)) == "S2"


def test_the_life_of_a_unit_follows_an_order(ledger: Deciding) -> None:
    """Only what works is suspended, only what is suspended resumes, only what is closed reopens."""
    refused(ledger, "operator", do.ResumeUnit(unit="O"), Conflict, "not suspended")
    refused(ledger, "operator", do.ReopenUnit(unit="O"), Conflict, "not closed")
    ledger.operator(do.SuspendUnit(unit="O"))
    refused(ledger, "operator", do.SuspendUnit(unit="O"), Conflict, "does not work")
    ledger.operator(do.ResumeUnit(unit="O"))
    ledger.operator(do.CloseUnit(unit="O"))
    refused(ledger, "operator", do.CloseUnit(unit="O"), Conflict, "does not exist")
    refused(ledger, "operator", do.RenameUnit(unit="O", name_zh="x", name_en="x"), Conflict, "not")
    ledger.operator(do.ReopenUnit(unit="O"))

    assert ledger.history.organisation.is_working("O", wall(NOW))


def test_support_is_given_by_support_units(ledger: Deciding) -> None:
    """A line unit supports nobody; a support unit is attached once and detached once."""
    support = do.EstablishUnit(
        unit="T",
        level=Level.BRANCH,
        name_zh="支持",
        name_en="Support",
        parent="B",
        kind=UnitKind.SUPPORT,
    )
    ledger.operator(support)
    attach, detach = (
        do.AttachSupport(unit="O", supporter="T"),
        do.DetachSupport(unit="O", supporter="T"),
    )
    refused(ledger, "operator", do.AttachSupport(unit="O", supporter="S"), Invalid, "no support")
    refused(ledger, "operator", detach, Conflict, "does not support")
    ledger.person("s-chief", with_changes(attach, by="S-head"))
    refused(ledger, "operator", attach, Conflict, "already")
    ledger.operator(detach)

    assert ledger.history.organisation.supports("O", wall(NOW)) == []


def test_a_merger_names_an_absorber_of_its_kind(ledger: Deciding) -> None:
    """A unit merges into another one that exists; the duties listed must exist."""
    refused(ledger, "operator", do.MergeUnit(unit="S", into="S"), Invalid, "another unit")
    refused(
        ledger, "operator", do.MergeUnit(unit="S", into="S2", duties=("x",)), NotFound, "duty 'x'"
    )
    ledger.person("b-chief", do.MergeUnit(unit="S", into="S2", by="B-head"))

    assert not ledger.history.organisation.is_alive("S", wall(NOW))


# --- posts -------------------------------------------------------------------------------------


def test_a_unit_has_one_head_post(ledger: Deciding) -> None:
    """A second head post is refused until the first is abolished, and that until it is empty."""
    second = do.EstablishPost(
        post="O-head2", unit="O", role="head", title_zh="负责人", title_en="Head", by="S-head"
    )
    refused(ledger, "s-chief", second, Conflict, "has the head post 'O-head'")
    abolish = do.AbolishPost(post="O-head", by="S-head")
    refused(ledger, "s-chief", abolish, Conflict, "relieve its holder")
    vacate(ledger)
    ledger.person("s-chief", abolish)
    ledger.person("s-chief", second)

    assert ledger.history.organisation.head_post("O", wall(NOW)) == "O-head2"


def test_a_head_establishes_the_other_posts_of_its_unit(ledger: Deciding) -> None:
    """The head of a unit adds clerks to it, and not its own successor."""
    clerk = do.EstablishPost(
        post="clerk", unit="O", role="clerk", title_zh="员", title_en="Clerk", by="O-head"
    )
    ledger.person("o-chief", clerk)
    head = with_changes(clerk, post="O2", role="head")

    refused(ledger, "o-chief", head, NotAllowed, "no authority")


def test_the_line_runs_in_no_circle(ledger: Deciding) -> None:
    """Nobody answers to whom they lead, and nobody to a support unit."""
    ledger.operator(
        do.EstablishUnit(
            unit="T",
            level=Level.BRANCH,
            name_zh="支持",
            name_en="Support",
            parent="B",
            kind=UnitKind.SUPPORT,
        )
    )
    ledger.operator(
        do.EstablishPost(post="T-head", unit="T", role="head", title_zh="头", title_en="Head")
    )

    def change(post: str, superior: str) -> do.ChangeSuperior:
        return do.ChangeSuperior(post=post, superior=superior)

    refused(ledger, "operator", change("B-head", "O-head"), Invalid, "below")
    refused(ledger, "operator", change("O-head", "O-head"), Invalid, "below")
    refused(ledger, "operator", change("O-head", "T-head"), Invalid, "support unit")
    ledger.operator(change("O-head", "R-head"))
    refused(ledger, "s-chief", do.ChangeSuperior(post="O-head", by="S-head"), NotAllowed, "R-head")
