"""The product's answers held to the plain model's: said in the same words, then compared.

`check_everything` is what a test asks of a ledger that was driven through time; everything above
it is one kind of answer. Here alone product and model meet.
"""

import os
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from ledger.model.history import History
from ledger.schedule import Planner
from ledger.schedule.drafting import CLOCK
from ledger.verdict import Verdict, verdict
from ledger.vocabulary import Moment, Power
from projections.failures import who_failed
from projections.figures.measures import Measure
from projections.matrix import matrix
from projections.obligations import OBLIGATION
from projections.spans import Span
from projections.standpoint import Standpoint
from projections.structure import organisation_on
from tests.plain import posts, timing, units
from tests.plain.days import Calendar, local_day
from tests.plain.facts import Facts, Told
from tests.plain.judging import Judgement, judge, opening
from tests.plain.policy import current_revision, policy
from tests.timekeeping import events_of
from tests.travelling import Travelled

FULL = os.environ.get("LEDGER_TEST_FULL") == "1"
EVERY = 12
"""At every so many positions each verdict is compared; at the others two (all in the long form)."""

ALL = Span(date(2026, 1, 1), date(2026, 12, 31))


def of_product(verdict: Verdict, background: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A verdict of the product, in words that both use."""
    computed, found = verdict.computed, verdict.attribution
    persons = found.persons if found else ()
    path = found.path if found else ()
    failed = found is not None
    return {
        "outcome": str(computed.outcome),
        "expectation": computed.expectation,
        "due": computed.due,
        "received_at": computed.received_at,
        "report": computed.report,
        "kind": computed.kind,
        "pending": computed.pending,
        "excused": set(computed.excused) if failed else set(),
        "mitigated": set(computed.mitigated) if failed else set(),
        "flags": set(computed.flags),
        "reliefs": {one.relief: one.standing for one in computed.reliefs},
        "late_channel_until": computed.late_channel_until,
        "correction_overdue": computed.correction_overdue,
        "persons": [(one.role, one.ground, one.person, one.post, one.unit) for one in persons],
        "path": [(one.post, one.unit, one.person, one.reason) for one in path],
        "remarks": set(found.flags) if found else set(),
        "basis": set(verdict.basis) - background,
    }


def of_model(judgement: Judgement) -> dict[str, Any]:
    """A judgement of the plain model, in the same words."""
    found = judgement.answer
    persons = found.persons if found else ()
    path = found.path if found else ()
    return {
        "outcome": judgement.outcome,
        "expectation": judgement.expectation,
        "due": judgement.due,
        "received_at": judgement.received_at,
        "report": judgement.report,
        "kind": judgement.kind,
        "pending": judgement.pending,
        "excused": set(judgement.excused),
        "mitigated": set(judgement.mitigated),
        "flags": set(judgement.flags),
        "reliefs": judgement.reliefs,
        "late_channel_until": judgement.late_channel_until,
        "correction_overdue": judgement.correction_overdue,
        "persons": [(one.role, one.ground, one.person, one.post, one.unit) for one in persons],
        "path": [(one.post, one.unit, one.person, one.reason) for one in path],
        "remarks": set(found.flags) if found else set(),
        "basis": set(judgement.basis) - judgement.background,
    }


def differences(said: dict[str, Any], meant: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What the product says otherwise than the model, as (said, meant)."""
    return {name: (said[name], meant[name]) for name in meant if said[name] != meant[name]}


def check_positions(ledger: Travelled) -> None:
    """As of every position: rows are those of a replay, and verdicts the model's."""
    events = ledger.known()
    replayed = History()
    for event in events:
        replayed.apply(event)
        with ledger.opened.questions.at(event.position) as here:
            rows = check_rows(here, replayed)
            wanted = rows if FULL or not event.position % EVERY else some(rows, event.position)
            check_verdicts(here, rows, wanted, Facts(events, event.position))


def some(rows: list[Any], position: int) -> list[Any]:
    """Two of the obligations, others at each position."""
    return [rows[place % len(rows)] for place in (position, position * 7 + 3)] if rows else []


def check_now(ledger: Travelled) -> None:
    """What is answered now is the model's: verdicts, figures, organisation, openings, notices."""
    events = ledger.known()
    facts = Facts(events, events[-1].position)
    with ledger.opened.questions.at() as here:
        rows = here.reader.find(OBLIGATION)
        judged = check_verdicts(here, rows, rows, facts)
        check_answers(here, judged)
        check_matrix(here, events, judged)
        check_organisation(here, facts, ledger.now.date())
    check_clock(facts, judged, ledger.now)
    check_late_clock(events, judged, ledger.now)


def check_rows(here: Standpoint, replayed: History) -> list[Any]:
    """The rows of every view are those of a replay."""
    obligations = here.reader.find(OBLIGATION)
    rows = {**here.background.rows, "obligation": {one.obligation: one for one in obligations}}
    assert rows == {kind: found for kind, found in replayed.rows.items() if kind != "attachment"}
    return obligations


def check_verdicts(
    here: Standpoint, rows: list[Any], wanted: list[Any], facts: Facts
) -> dict[str, Judgement]:
    """Every verdict wanted is the model's."""
    history = here.history(rows)
    found = {}
    for row in wanted:
        said = verdict(history, row.obligation, here.moment)
        meant = found[row.obligation] = judge(facts, row.obligation, here.moment.instant)
        wrong = differences(of_product(said, meant.background), of_model(meant))
        assert not wrong, (row.obligation, here.moment, wrong)
    return found


def check_answers(here: Standpoint, judged: dict[str, Judgement]) -> None:
    """Who failed, and the figures beside it."""
    answer = who_failed(here, ALL)
    said = {
        one.obligation: [
            (two.role, two.ground, two.person, two.post, two.unit) for two in one.persons
        ]
        for one in answer.failures
    }
    assert said == {key: of_model(one)["persons"] for key, one in judged.items() if one.answer}
    assert figures_said(answer.measure) == figures(judged.values())


def check_matrix(here: Standpoint, events: list[Any], judged: dict[str, Judgement]) -> None:
    """The matrix of each duty: every column's figures as known now, and as known then."""
    facts = Facts(events, events[-1].position)
    openings = {key: _opened(facts, key).fact for key in judged}
    for duty in here.background.rows["duty"]:
        own = {key: one for key, one in judged.items() if openings[key].duty == duty}
        for column in matrix(here, ALL, duty).columns:
            period = [one for key, one in own.items() if openings[key].period == column.period]
            assert figures_said(column.account.now) == figures(period)
            then = Calendar(facts).same_time_after(
                max(one.due for one in period), 1, "Asia/Shanghai"
            )
            if then > here.moment.instant:
                assert not column.then.reached
                continue
            known = facts.until(then)
            opened = [one.obligation for one in period if opening(known, one.obligation)]
            past = [judge(known, one, then) for one in opened]
            assert column.then.position == max((one.position for one in known.told), default=0)
            assert figures_said(column.account.then) == figures(past), (duty, column.period)


def _opened(facts: Facts, obligation: str) -> Told:
    found = opening(facts, obligation)
    assert found is not None, "what is judged was opened"
    return found


def figures(judged: Iterable[Judgement]) -> dict[str, int]:
    """E, T, L, M, P, X and their neighbours, by counting."""
    found = Counter(one.outcome for one in judged) if (judged := list(judged)) else Counter()
    counted = ("on_time", "late", "missed", "pending")
    return {
        "expected": sum(found[one] for one in counted),
        **{one: found[one] for one in (*counted, "exempt", "not_expected")},
        "excused": sum(bool(one.excused) for one in judged),
        "unsolicited": sum(one.unsolicited for one in judged),
    }


def figures_said(measure: Measure) -> dict[str, int]:
    """The same of the product's answer."""
    return {name: getattr(measure, name) for name in figures([])}


def check_organisation(here: Standpoint, facts: Facts, day: date) -> None:
    """Two times: what is known now of several days; who was in which post, under whom."""
    rules = policy(facts, current_revision(facts))
    for back in (0, 17, 60):
        found = organisation_on(here, day - timedelta(days=back), ended=True)
        at = found.on
        for unit in found.units:
            assert unit.parent == units.parent(facts, unit.unit, at)
            assert unit.stage == units.stage(
                facts, unit.unit, local_day(at, "Asia/Shanghai"), rules
            )
            assert set(unit.supporters) == units.supporters(facts, unit.unit, at)
            alive = units.is_alive(facts, unit.unit, at)
            assert alive == (unit.state not in ("closed", "merged", "abandoned"))
            for post in unit.posts:
                filled = posts.filled(facts, post.post, at, rules)
                step = posts.superior(facts, post.post, at)
                lent = {one: posts.delegation(facts, post.post, at, one, rules) for one in Power}
                assert post.capacity == filled.capacity, post
                assert post.person == filled.person, post
                assert set(post.holders) == {one.person for one in filled.tenures}, post
                assert post.lapsed == (filled.lapsed.person if filled.lapsed else None), post
                assert post.superior == (step.post if step else None), post
                assert post.delegates == {one: to.fact.delegate for one, to in lent.items() if to}
                assert post.on_leave == bool(
                    filled.person and posts.on_leave(facts, filled.person, at)
                )


def check_clock(facts: Facts, judged: dict[str, Judgement], now: datetime) -> None:
    """Nothing that should be open is not, and a notice stands for every miss and nothing else."""
    for meant in timing.should_be_open(facts, now):
        opened = opening(facts, meant.obligation)
        assert opened is not None, f"{meant.obligation} was never opened"
        said = {name: getattr(opened.fact, name) for name in meant.__struct_fields__}
        assert said == msgspec.structs.asdict(meant)
    for key, one in judged.items():
        due = timing.should_be_noticed(facts, one)
        assert timing.noticed(facts, key) == ([due] if due else []), (key, one.outcome, due)


def check_late_clock(events: list[Any], judged: dict[str, Judgement], now: datetime) -> None:
    """A clock that had run in time would have come to the same.

    What only one of the two opened (it looked between two facts) is owed by nobody.
    """
    history = replayed_in_time(events, now)
    moment = Moment(history.position, now)
    timely = {key: verdict(history, key, moment).computed for key in history.rows["obligation"]}
    for key in timely.keys() | judged.keys():
        one, other = judged.get(key), timely.get(key)
        if one is None or other is None:
            found = one or other
            assert found is not None
            assert found.outcome == "not_expected", (key, found)
        else:
            said = (other.outcome, other.due, other.kind)
            assert said == (one.outcome, one.due, one.kind), key


def replayed_in_time(events: list[Any], now: datetime) -> History:
    """The facts that others told, with those of a clock that was never late between them."""
    history = History()
    planner = Planner(history)

    def catch_up(until: datetime) -> None:
        for planned in planner.run(until):
            for one in planned:
                for event in events_of(one, history.position):
                    history.apply(event)
                    planner.observe(event)

    for event in events:
        if event.actor != CLOCK:
            catch_up(event.recorded_at - timedelta(microseconds=1))
            history.apply(event)
            planner.observe(event)
    catch_up(now)
    return history


def check_everything(ledger: Travelled) -> None:
    """At the end of an example: every position, now, and what the clock has recorded."""
    middle = ledger.project() // 2
    rows, answer = ledger.versions(), failures_told(ledger, middle)
    ledger.begin_again()
    assert ledger.versions() == rows, "folded again, the views are others"
    assert failures_told(ledger, middle) == answer, "asked again, an answer is another"
    check_positions(ledger)
    ledger.tick()
    ledger.project()
    check_now(ledger)


def failures_told(ledger: Travelled, position: int) -> bytes:
    """What the API says of a past position, to the byte."""
    return ledger.ask("/who-failed", period="2026-01..2026-12", as_of=position)
