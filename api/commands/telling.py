"""Answers told to people at a terminal: tables, and a trace as a story."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from api.commands.printing import escape, local, print_table, print_text, print_whole
from api.commands.words import MARKS, duty_name, person_name, post_name, unit_name, word, words
from ledger.attribution import Hop, Responsible
from projections.failures import Failure, Failures
from projections.figures.measures import Measure, Ratio
from projections.matrix import Cell, Matrix
from projections.names import Names
from projections.past.two_times import Difference, TwoTimes
from projections.status import Status
from projections.structure import PostStanding, Structure
from projections.timeline import Timeline
from projections.tracing import Trace


def tell_failures(found: Failures, language: str) -> None:
    """One line a failure, and the figures below."""
    where = unit_name(found.names, found.unit, language) if found.unit else "all units"
    print_table(
        ("due", "unit", "duty", "period", "outcome", "received", "who answers", "relief"),
        (_failure(one, found.names, language) for one in found.failures),
        title=f"Who failed to report, {found.span.first} to {found.span.last}, {where}",
    )
    if found.next is not None:
        print_text(f"{len(found.failures)} of {found.total} shown; --limit shows more")
    print_text(_figures(found.measure))


def _failure(one: Failure, names: Names, language: str) -> tuple[object, ...]:
    return (
        one.due,
        unit_name(names, one.unit, language),
        duty_name(names, one.duty, language),
        one.period,
        word(one.kind or one.outcome, language),
        one.received_at,
        "; ".join(_responsible(who, names, language) for who in one.persons),
        words((*one.excused, *one.mitigated), language),
    )


def _responsible(who: Responsible, names: Names, language: str) -> str:
    person = (
        person_name(names, who.person, language)
        if who.person
        else unit_name(names, who.unit, language)
    )
    return f"{person}, {word(who.role, language)} ({word(who.ground, language)})"


def tell_trace(found: Trace, language: str) -> None:
    """The trace from the demand to who answers, and the events it rests on."""
    names, computed = found.names, found.verdict.computed
    demanded, of_whom = found.demanded, found.of_whom
    title = duty_name(names, demanded.duty, language)
    print_text(f"[bold]{escape(found.obligation)}[/bold]  {escape(title)}, {found.period}")
    owner = post_name(names, demanded.owner, language)
    _line("demanded by", f"duty {demanded.duty} revision {demanded.revision}, owner {owner}")
    form = f"form {demanded.form} {demanded.form_revision}"
    _line("opened", f"{local(demanded.opened_at)}, {form}")
    _line("of", post_name(names, of_whom.post, language))
    _line("above", " < ".join(unit_name(names, one, language) for one in of_whom.above))
    capacity = word(of_whom.capacity, language)
    _line("at the due", f"{person_name(names, of_whom.holder, language)}, {capacity}")
    for step in computed.steps:
        _line("due", f"{local(step.due)}, {word(step.cause, language)}")
    for relief in computed.reliefs:
        granted = post_name(names, relief.granted_by, language)
        _line(relief.kind, f"{word(relief.standing, language)} {local(relief.due)} {granted}")
    for attempt in found.attempts:
        reasons = ", ".join(attempt.problems)
        _line("refused at the gate", f"{local(attempt.received_at)}: {reasons}")
    for one in found.submissions:
        by = f"{person_name(names, one.person, language)} as {word(one.capacity, language)}"
        _line("received", f"{local(one.received_at)} {by}{'' if one.counts else ' (counts not)'}")
    _tell_outcome(found, language)
    print_table(
        ("position", "type", "received", "recorded", "actor", "leaf hash"),
        (
            (
                event.position,
                event.type,
                event.received_at,
                event.recorded_at,
                person_name(names, event.actor.person, language)
                if event.actor.person
                else event.actor.via,
                event.leaf_hash,
            )
            for event in found.events
        ),
        title="Events",
    )


def _tell_outcome(found: Trace, language: str) -> None:
    computed, names = found.verdict.computed, found.names
    outcome = word(computed.kind or computed.outcome, language)
    more = words((*computed.excused, *computed.mitigated, *computed.flags), language)
    reason = word(computed.pending, language)
    _line("outcome", ", ".join(filter(None, (outcome, reason, more))), strong=True)
    attribution = found.verdict.attribution
    if attribution is None:
        return
    for hop in attribution.path:
        _line("looked at", _hop(hop, names, language))
    for who in attribution.persons:
        _line("answers", _responsible(who, names, language), strong=True)


def _hop(hop: Hop, names: Names, language: str) -> str:
    post = post_name(names, hop.post, language)
    since = f" since {local(hop.gap_started)}" if hop.gap_started else ""
    return (
        f"{post}: {person_name(names, hop.person, language)}, {word(hop.reason, language)}{since}"
    )


def _line(label: str, text: str, *, strong: bool = False) -> None:
    shown = f"[bold]{escape(text)}[/bold]" if strong else escape(text)
    print_text(f"  [dim]{escape(label):>20}[/dim]  {shown}")


def tell_matrix(found: Matrix, language: str) -> None:
    """One line a unit; a cell that was otherwise then shows both."""
    columns = [column.period for column in found.columns]
    print_table(
        ("unit", *columns, "on time", "reported", "then"),
        (
            (
                unit_name(found.names, row.unit, language),
                *(_cell(cell) for cell in row.cells),
                _ratio(row.account.now.timeliness),
                _ratio(row.account.now.completeness),
                _ratio(row.account.then.timeliness),
            )
            for row in found.rows
        ),
        title=f"{duty_name(found.names, found.duty, language)}, {found.span.first} to "
        f"{found.span.last}",
    )
    if found.next is not None:
        print_text(f"{len(found.rows)} of {found.rows_total} units shown; --limit shows more")
    print_text("now:  " + _figures(found.total.now))
    print_text("then: " + _figures(found.total.then))
    print_text("✓ on time  L late  ✕ missed  · pending  E exempt  - not expected  then→now")


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    now = MARKS[cell.outcome] + ("e" if cell.excused else "")
    then = MARKS[cell.then] + ("e" if cell.then_excused else "") if cell.then else now
    return now if then == now else f"{then}→{now}"


def tell_status(found: Status, language: str) -> None:
    """The unit, its posts, and what it owes."""
    names, standing = found.names, found.standing
    stage = f", {word(standing.stage, language)}" if standing.stage else ""
    name = escape(unit_name(names, standing.unit, language))
    print_text(f"[bold]{name}[/bold]  {word(standing.level, language)}{stage}, {standing.state}")
    _line("above", " < ".join(unit_name(names, one, language) for one in found.above))
    for post in standing.posts:
        _line(post.role, _post(post, names, language))
    if found.last_report is not None:
        last = found.last_report
        _line("last report", f"{local(last.received_at)} {last.obligation}")
    print_table(
        ("due", "obligation", "outcome", "why"),
        (
            (one.due, one.obligation, word(one.outcome, language), word(one.pending, language))
            for one in (*found.overdue, *found.open)
        ),
        title="Overdue and open",
    )
    print_text(f"since {found.since}: {_figures(found.measure)}")


def _post(post: PostStanding, names: Names, language: str) -> str:
    leave = ", on leave" if post.on_leave else ""
    return f"{person_name(names, post.person, language)}, {word(post.capacity, language)}{leave}"


def tell_structure(found: Structure, language: str) -> None:
    """The tree, one line a unit, with who is effective in its posts."""
    print_table(
        ("unit", "level", "state", "stage", "posts"),
        (
            (
                "  " * one.depth + unit_name(found.names, one.unit, language),
                word(one.level, language),
                one.state,
                word(one.stage, language),
                "; ".join(
                    f"{post.role}: {_post(post, found.names, language)}" for post in one.posts
                ),
            )
            for one in found.units
        ),
        title=f"The organisation on {local(found.on)}",
    )


def tell_timeline(found: Timeline, _language: str) -> None:
    """One line a fact."""
    print_table(
        ("position", "type", "received", "in force from", "actor", "leaf hash", "erased by"),
        (
            (
                one.position,
                one.type,
                one.received_at,
                one.effective_from,
                one.actor.person or one.actor.system or one.actor.via,
                one.leaf_hash,
                ", ".join(map(str, sorted(set(one.erased.values())))),
            )
            for one in found.events
        ),
        title=found.subject,
    )
    if found.next is not None:
        print_text(f"more: --beyond {found.next}")


def _figures(figures: Measure) -> str:
    parts: Iterable[tuple[str, object]] = (
        ("expected", figures.expected),
        ("on time", figures.on_time),
        ("late", figures.late),
        ("missed", figures.missed),
        ("pending", figures.pending),
        ("excused", figures.excused),
        ("exempt", figures.exempt),
        ("timeliness", _ratio(figures.timeliness)),
        ("reported", _ratio(figures.completeness)),
    )
    return ", ".join(f"{name} {value}" for name, value in parts)


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.numerator}/{ratio.denominator}"


def tell_two_times(found: TwoTimes, language: str) -> None:
    """Each subject that stood otherwise, field by field, and the facts that explain it."""
    said = f"{local(found.on)}, as known at {found.then.position:,} and at {found.as_of.position:,}"
    print_text(f"[bold]What differs about {said}[/bold]")
    for one in found.differences:
        print_text(f"[bold]{escape(_subject(one, found.names, language))}[/bold]  {one.change}")
        for field in one.fields:
            before, after = (_plain(value) for value in (field.before, field.after))
            print_whole(f"    {escape(field.field)}: {escape(before)} -> {escape(after)}")
        print_text(f"    [dim]{_why(one)}[/dim]")
        for cause in one.causes:
            since = local(cause.effective_from)
            print_whole(
                f"    {cause.position:>9,}  {local(cause.recorded_at)}  {cause.type}, in force "
                f"from {since}  {cause.event}  {cause.leaf_hash}"
            )
    if not found.differences:
        print_text("nothing arrived between that changes the answer")
    if found.next is not None:
        shown = len(found.differences)
        print_text(f"{shown} of {found.total} shown; name a unit, a post or a person")


def _subject(one: Difference, names: Names, language: str) -> str:
    if one.kind == "unit":
        return unit_name(names, one.key, language)
    if one.kind == "post":
        return post_name(names, one.key, language)
    if one.kind == "person":
        return person_name(names, one.key, language)
    return duty_name(names, one.key, language) if one.kind == "duty" else f"calendar {one.key}"


def _why(one: Difference) -> str:
    if not one.weighed:
        return f"these {one.arrived} facts arrived about it"
    if len(one.causes) == 1:
        return "without this fact the earlier answer would still hold"
    if one.each_alone:
        return "without any one of these the earlier answer would still hold"
    return "without all of these together the earlier answer would still hold"


def _plain(value: object) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


TELLERS: Final[dict[type, Callable[[Any, str], None]]] = {
    Failures: tell_failures,
    Matrix: tell_matrix,
    Status: tell_status,
    Structure: tell_structure,
    Timeline: tell_timeline,
    Trace: tell_trace,
    TwoTimes: tell_two_times,
}
"""How each answer is told; what it is cited by is said after it, the same for all."""


def tell(found: object, language: str) -> None:
    """An answer in words, names in one language."""
    TELLERS[type(found)](found, language)
