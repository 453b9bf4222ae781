"""Demanding reports: what a duty may say, who may say it, and which terms a period has."""

from datetime import date

import pytest

from ledger.decisions import duties
from ledger.decisions.calendar import UNITS_MAX, DeclareForceMajeure, SetLocalDay
from ledger.entry import Draft, tags_of
from ledger.errors import Conflict, Invalid, NotAllowed, NotFound
from ledger.events.calendar import CalendarLocalDaySet
from ledger.events.duties import DueRule, FormField
from ledger.events.platform import ForceMajeureDeclared
from ledger.model.periods import period_of
from ledger.recorder.requests import TAGS_MAX
from ledger.vocabulary import Cadence, Level, Reason, Stage, UnitKind
from tests.timekeeping import World, duty, form, wall

SHANGHAI = "Asia/Shanghai"


@pytest.fixture
def world() -> World:
    """HQ above S above O, and a form."""
    return World()


def stated(**changes: object) -> dict[str, object]:
    """The fields of the monthly duty, with changes."""
    command = duty()
    fields = {name: getattr(command, name) for name in command.__struct_fields__}
    return {**fields, **changes}


def test_owner_publishes_for_what_is_below(world: World) -> None:
    """A sub-branch demands from its outlets; nobody demands upwards or sideways."""
    own = duty(owner="S-head", scope="S")
    world.person("S-boss", own)
    for upwards in (duty("U", owner="S-head", scope="HQ"), duty("V", owner="O-head", scope="S")):
        with pytest.raises(NotAllowed, match="demands go down"):
            world.person("S-boss", upwards)


def test_only_who_is_effective_in_the_owner_post_publishes(world: World) -> None:
    """The holder of another post does not demand in the owner's name."""
    with pytest.raises(NotAllowed, match="not effective in post 'HQ-head'"):
        world.person("S-boss", duty())


def test_support_unit_demands_nothing(world: World) -> None:
    """The dotted line coaches; its posts own no duties."""
    world.establish("C", Level.SUB_BRANCH, "HQ", kind=UnitKind.SUPPORT)
    world.outlet("N", date(2020, 1, 6))
    with pytest.raises(NotAllowed, match="management line"):
        world.person("C-boss", duty(owner="C-head", scope="C"))


def test_everything_wrong_with_a_duty_is_named(world: World) -> None:
    """One refusal lists each bad field."""
    bad = duty(
        "no.dots",
        title_en=" ",
        form="X",
        scope="Y",
        owner="Z",
        due=DueRule(working_days=-1, time="25:00"),
        levels=(Level.OUTLET, Level.OUTLET),
        stages=(),
        post_role="",
        owed_by_level=Level.OUTLET,
    )
    with pytest.raises(Invalid) as refused:
        world.operator(bad)
    assert sorted(problem.field for problem in refused.value.fields) == [
        "due.time",
        "due.working_days",
        "duty",
        "form",
        "levels",
        "owed_by_level",
        "owner",
        "post_role",
        "scope",
        "stages",
        "title_en",
    ]


def test_duty_is_published_once_and_revised_by_its_owner(world: World) -> None:
    """Revisions are numbered; the owner decides, and nobody else."""
    revise = duties.ReviseDuty(**stated(title_en="Better"))
    with pytest.raises(NotFound, match="duty"):
        world.operator(revise)
    world.person("HQ-boss", duty())
    with pytest.raises(Conflict, match="revise it instead"):
        world.person("HQ-boss", duty())
    with pytest.raises(NotAllowed, match="belongs to post 'HQ-head'"):
        world.person("S-boss", revise)
    world.person("HQ-boss", revise)
    assert [terms.revision for terms in world.known.duty("M").terms] == [1, 2]


def test_period_is_asked_for_by_the_terms_in_force_when_it_begins(world: World) -> None:
    """R12: a revision in April changes May; April keeps the terms that it was opened with."""
    world.tell("2026-01-20 09:00", duty())
    world.tell("2026-04-10 09:00", duties.ReviseDuty(**stated(due=DueRule(working_days=3))))
    row = world.known.duty("M")
    revisions = []
    for month in (1, 2, 4, 5):
        terms = row.terms_for(period_of(Cadence.MONTHLY, date(2026, month, 1)), SHANGHAI)
        revisions.append(terms.revision if terms else None)
    assert revisions == [None, 1, 1, 2]
    week = period_of(Cadence.WEEKLY, date(2026, 5, 4))
    assert row.terms_for(week, SHANGHAI) is None


def test_new_cadence_takes_over_at_its_first_period(world: World) -> None:
    """A monthly duty made weekly asks weekly from then on, and monthly no more."""
    world.tell("2026-01-20 09:00", duty())
    world.tell("2026-04-10 09:00", duties.ReviseDuty(**stated(cadence=Cadence.WEEKLY)))
    world.until("2026-05-02")
    keys = [key for key in world.owed() if key >= "M.O.2026-04"]
    assert keys == ["M.O.2026-04", "M.O.2026W16", "M.O.2026W17", "M.O.2026W18"]


def test_assignment_is_made_once_and_below_the_owner(world: World) -> None:
    """Assigning twice says nothing new, and an owner assigns only what stands below."""
    world.establish("T", Level.SUB_BRANCH, "HQ")
    world.person("S-boss", duty(owner="S-head", scope="S"))
    with pytest.raises(NotAllowed, match="does not stand above"):
        world.person("S-boss", duties.AssignDuty(duty="M", unit="T"))
    assign = duties.AssignDuty(duty="M", unit="S")
    world.person("S-boss", assign)
    with pytest.raises(Conflict, match="stands so already"):
        world.person("S-boss", assign)
    world.person("S-boss", duties.UnassignDuty(duty="M", unit="S"))


def test_retired_once(world: World) -> None:
    """A duty is retired by its owner, and stays retired."""
    world.person("HQ-boss", duty())
    world.person("HQ-boss", duties.RetireDuty(duty="M"))
    with pytest.raises(Conflict, match="retired already"):
        world.person("HQ-boss", duties.RetireDuty(duty="M"))


def test_linked_duties_ask_by_the_same_form_and_cadence(world: World) -> None:
    """Ruling 58: one report can do for both only if both ask for the same."""
    for code, changes in (("M", {}), ("X", {}), ("W", {"cadence": Cadence.WEEKLY})):
        world.person("HQ-boss", duty(code, **changes))
    with pytest.raises(Invalid, match="another cadence"):
        world.person("HQ-boss", duties.LinkDuty(duty="M", duplicate_of="W"))
    with pytest.raises(Invalid, match="another duty"):
        world.person("HQ-boss", duties.LinkDuty(duty="M", duplicate_of="M"))
    world.person("HQ-boss", duties.LinkDuty(duty="M", duplicate_of="X"))
    with pytest.raises(Conflict, match="linked already"):
        world.person("HQ-boss", duties.LinkDuty(duty="X", duplicate_of="M"))


def test_units_own_post_objects(world: World) -> None:
    """Ruling 58: the obligor may hold that it is asked twice; others may not for it."""
    world.person("HQ-boss", duty())
    objection = duties.ObjectDuty(duty="M", unit="O", post="O-head", reason=Reason("duplicate"))
    world.person("O-boss", objection)
    assert len(world.known.duty("M").objections) == 1
    other = duties.ObjectDuty(duty="M", unit="O", post="S-head", reason=Reason("duplicate"))
    with pytest.raises(NotAllowed, match="not in unit"):
        world.person("S-boss", other)


def test_form_is_published_in_versions_by_posts_and_operators(world: World) -> None:
    """Versions count up; whoever names no post of their own publishes nothing."""
    world.operator(form("G"))
    with pytest.raises(NotAllowed, match="in which post"):
        world.person("S-boss", form("G"))
    fields = form("G").fields
    by_post = duties.PublishForm(form="G", title_zh="表", title_en="G", fields=fields, by="S-head")
    world.person("S-boss", by_post)
    assert world.known.form("G").latest().revision == 2


def test_everything_wrong_with_a_form_is_named(world: World) -> None:
    """Fields have codes of their own, choices where they choose, and bounds that can be met."""
    fields = (
        FormField(code="a", kind="choice", label_zh="a", label_en="a"),
        FormField(code="a", kind="integer", label_zh="a", label_en="a", minimum=2, maximum=1),
        FormField(code="!", kind="date", label_zh="a", label_en="a", minimum=1),
    )
    command = duties.PublishForm(form="", title_zh="", title_en="G", fields=fields)
    with pytest.raises(Invalid) as refused:
        world.operator(command)
    assert [problem.field for problem in refused.value.fields] == [
        "form",
        "title_zh",
        "fields[0].choices",
        "fields[1].code",
        "fields[1].minimum",
        "fields[2].code",
        "fields[2].minimum",
    ]


def test_rule_set_is_numbered_and_names_known_parameters(world: World) -> None:
    """R12: a rule set is whole; what it does not name has its default."""
    world.operator(duties.ActivateRules(parameters={"settle_minutes": 5}))
    rules = world.known.rules()
    assert (rules.revision, rules.settle_minutes, rules.extension_count_max) == (1, 5, 2)
    bad = {"settle_minuets": 5, "revision": 7, "settle_minutes": -1, "outage_due_time": "noon"}
    with pytest.raises(Invalid) as refused:
        world.operator(duties.ActivateRules(parameters=bad, algorithm=99))
    assert [problem.field for problem in refused.value.fields] == [
        "parameters.settle_minuets",
        "parameters.revision",
        "parameters.settle_minutes",
        "parameters.outage_due_time",
        "algorithm",
    ]
    with pytest.raises(NotAllowed, match="administrator"):
        world.person("HQ-boss", duties.ActivateRules(parameters={}))


def test_local_day_is_declared_from_above_by_document(world: World) -> None:
    """Ruling 40: an operator, or a post above every unit listed; never the unit itself."""
    off = {"units": ("O",), "day": date(2026, 4, 8), "working": False, "document": "doc 40"}
    world.operator(SetLocalDay(**off))
    world.person("S-boss", SetLocalDay(**off, by="S-head"))
    for who, by in (("O-boss", "O-head"), ("S-boss", None), ("O-boss", "S-head")):
        with pytest.raises(NotAllowed):
            world.person(who, SetLocalDay(**off, by=by))


def test_stop_work_order_has_a_document_units_and_an_end(world: World) -> None:
    """Ruling 40: no document, no units, or an end before the beginning, and it is refused."""
    command = DeclareForceMajeure(
        units=(), document=" ", started_at=wall("2026-04-08"), ended_at=wall("2026-04-07")
    )
    with pytest.raises(Invalid) as refused:
        world.operator(command)
    assert [problem.field for problem in refused.value.fields] == ["ended_at", "document", "units"]
    unknown = DeclareForceMajeure(
        units=("X",), document="1", started_at=wall("2026-04-07"), ended_at=wall("2026-04-08")
    )
    with pytest.raises(NotFound, match="unit"):
        world.operator(unknown)


def test_what_one_declaration_may_list_fits_one_entry() -> None:
    """Every unit is named by two tags, so the limit of units is below half that of tags."""
    units = tuple(f"U{number}" for number in range(UNITS_MAX))
    for fact in (
        CalendarLocalDaySet(
            calendar="CN", units=units, day=date(2026, 4, 8), working=False, document="1"
        ),
        ForceMajeureDeclared(units=units, document="1"),
    ):
        assert len(tags_of(Draft(fact=fact))) <= TAGS_MAX


def test_dates_out_of_reason_are_refused(world: World) -> None:
    """A demand from the year 1, or for the year 9999, would keep the clock busy for ever."""
    first, last = wall("0001-01-02 00:00"), wall("9999-12-30 00:00")
    world.operator(duty("X"))
    for at in (first, last):
        for command in (
            duty(first_period=at.date()),
            duty(effective_from=at),
            duties.RetireDuty(duty="X", effective_from=at),
            duties.AssignDuty(duty="X", unit="S", effective_from=at),
            SetLocalDay(units=("O",), day=at.date(), working=True, document="1"),
            DeclareForceMajeure(units=("O",), document="1", started_at=at, ended_at=at),
        ):
            with pytest.raises(Invalid):
                world.operator(command)


def test_stages_are_for_outlets(world: World) -> None:
    """A duty of sub-branches names no stages."""
    with pytest.raises(Invalid, match=r"^Some fields"):
        world.operator(duty(levels=(Level.SUB_BRANCH,), stages=(Stage.NEW,)))
    world.operator(duty(levels=(Level.SUB_BRANCH,), stages=()))
