"""Whoever fills a post is who a walk through time finds, in whatever order it was told."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ledger.entry import Envelope, Event
from ledger.events import organisation as o
from ledger.events.fact import Fact
from ledger.model.history import History
from ledger.model.organisation import Capacity
from ledger.vocabulary import Actor, EventId, Sealed, Via

POST = "P"
PEOPLE = ("A", "B", "C")
DAYS = 12
START = datetime(2026, 1, 1, tzinfo=UTC)


class Said(msgspec.Struct, frozen=True):
    """A fact about a person in the post, from a day on (until another)."""

    fact: str
    person: str
    day: int
    until: int | None = None


def instant(day: int) -> datetime:
    """The beginning of a day."""
    return START + timedelta(days=day)


def made(said: Said) -> Fact:
    """The fact that was said."""
    post, person = POST, said.person
    facts: dict[str, Fact] = {
        "appointed": o.HolderAppointed(post=post, person=person),
        "relieved": o.HolderRelieved(post=post, person=person),
        "suspended": o.HolderSuspended(post=post, person=person),
        "reinstated": o.HolderReinstated(post=post, person=person),
        "acting": o.ActingAppointed(post=post, person=person, appointed_by="Q"),
        "acting ended": o.ActingEnded(post=post, person=person),
        "departed": o.PersonDeparted(person=person, cause="resigned"),
    }
    return facts[said.fact]


def told(story: Sequence[Said]) -> History:
    """The history of a post in a unit, with the story told in the order given."""
    begun: list[tuple[Fact, int, int | None]] = [
        (o.UnitEstablished(unit="U", level="outlet", name_zh="一", name_en="One"), -9, None),
        (
            o.PostEstablished(post=POST, unit="U", role="head", title_zh="头", title_en="Head"),
            -9,
            None,
        ),
        *((o.PersonRegistered(person=one, name=Sealed("0", one)), -9, None) for one in PEOPLE),
    ]
    facts = [*begun, *((made(one), one.day, one.until) for one in story)]
    return History.of(
        Event(fact, envelope(place, day, until), fact.tags(), place, instant(DAYS + place))
        for place, (fact, day, until) in enumerate(facts, 1)
    )


def envelope(place: int, day: int, until: int | None) -> Envelope:
    """What the entry says about its fact."""
    return Envelope(
        id=EventId(f"{place}"),
        received_at=instant(DAYS + place),
        actor=Actor(via=Via.OPERATOR),
        effective_from=instant(day),
        effective_until=None if until is None else instant(until),
    )


def walked(story: Sequence[Said]) -> list[tuple[Capacity, str | None]]:
    """Who is effective on each day, found by living through the days one by one.

    Of one day's facts, those told first come first; only departures know no order.
    """
    holding: list[tuple[str, int | None]] = []
    acting: list[tuple[str, int | None]] = []
    suspended: set[str] = set()
    gone: set[str] = set()
    found = []
    for day in range(DAYS):
        over = [who for who, until in holding if until == day]
        holding = [one for one in holding if one[1] is None or one[1] > day]
        acting = [one for one in acting if one[1] is None or one[1] > day]
        for said in (one for one in story if one.day == day):
            who = said.person
            if said.fact == "appointed":
                if who not in [*over, *(one[0] for one in holding)]:
                    suspended.discard(who)
                holding.append((who, said.until))
            elif said.fact == "relieved":
                holding = [one for one in holding if one[0] != who]
            elif said.fact == "suspended":
                suspended.add(who)
            elif said.fact == "reinstated":
                suspended.discard(who)
            elif said.fact == "acting":
                acting.append((who, said.until))
            elif said.fact == "acting ended":
                acting = [one for one in acting if one[0] != who]
            else:
                gone.add(who)
        found.append(_filled(holding, acting, suspended, gone))
    return found


def _filled(
    holding: list[tuple[str, int | None]],
    acting: list[tuple[str, int | None]],
    suspended: set[str],
    gone: set[str],
) -> tuple[Capacity, str | None]:
    holders = list(dict.fromkeys(who for who, _ in holding if who not in gone))
    if len(holders) > 1:
        return Capacity.DISPUTED, None
    if holders and holders[0] not in suspended:
        return Capacity.HOLDER, holders[0]
    interim = [who for who, _ in acting]
    if interim and interim[-1] not in gone:
        return Capacity.ACTING, interim[-1]
    return (Capacity.SUSPENDED, holders[0]) if holders else (Capacity.VACANT, None)


days = st.integers(0, DAYS - 1)
people = st.sampled_from(PEOPLE)
ends = st.none() | st.integers(1, DAYS + 3)


@st.composite
def holdings(draw: st.DrawFn) -> list[Said]:
    """Facts about holders, suspensions and departures, in any order of telling."""
    words = st.sampled_from(("appointed", "relieved", "suspended", "reinstated", "departed"))
    found = []
    for _ in range(draw(st.integers(0, 8))):
        word, day, end = draw(words), draw(days), draw(ends)
        until = day + end if word == "appointed" and end else None
        found.append(Said(word, draw(people), day, until))
    return found


@st.composite
def interims(draw: st.DrawFn) -> list[Said]:
    """One interim after another, at most two, who do not overlap and may end early."""
    first, second = draw(people), draw(people)
    begin = draw(days)
    middle = begin + draw(st.integers(1, DAYS))
    end = middle + draw(st.integers(1, DAYS))
    found = [Said("acting", first, begin, middle), Said("acting", second, middle, end)]
    if draw(st.booleans()):
        found.append(Said("acting ended", first, draw(st.integers(begin, middle)), None))
    return found


def effective(history: History) -> list[tuple[Capacity, str | None]]:
    """Who is effective on each day, as the organisation answers."""
    answers = (history.organisation.effective(POST, instant(day)) for day in range(DAYS))
    return [(one.capacity, one.person) for one in answers]


@given(holdings())
def test_holders_are_those_a_walk_through_time_finds(story: list[Said]) -> None:
    """Tenures, disputes, suspensions and departures agree with living through the days."""
    assert effective(told(story)) == walked(story)


@given(holdings(), interims())
def test_interims_fill_what_a_walk_through_time_leaves_open(
    story: list[Said], acting: list[Said]
) -> None:
    """An interim is effective exactly where no unsuspended holder is."""
    assert effective(told([*story, *acting])) == walked([*story, *acting])


@given(holdings(), interims(), st.randoms(use_true_random=False))
def test_the_order_of_telling_does_not_matter(
    story: list[Said], acting: list[Said], random: Random
) -> None:
    """Facts of different days say the same in whatever order they are recorded."""
    whole = list({(one.day, one.person): one for one in [*story, *acting]}.values())
    shuffled = list(whole)
    random.shuffle(shuffled)

    assert effective(told(shuffled)) == effective(told(whole))
