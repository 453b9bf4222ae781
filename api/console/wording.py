"""A verdict in sentences: what was owed, what came of it, who answers, and on what ground.

Every sentence is one fact of the verdict, so that nothing stands in words that the answer does not
hold. The same function makes both languages.
"""

from collections.abc import Iterator

from api.console.language import Language
from ledger.attribution import Responsible
from ledger.timeliness import Outcome
from projections.names import called
from projections.tracing import Trace


def sentences(words: Language, found: Trace) -> list[str]:
    """The verdict, sentence by sentence."""
    return [*_owed(words, found), *_came(words, found), *_eased(words, found), *_who(words, found)]


def unit_label(words: Language, found: Trace, unit: str) -> str:
    """A unit's name."""
    return words.label(found.names.units.get(unit), unit)


def post_label(words: Language, found: Trace, post: str) -> str:
    """A post's title with its unit, because every unit has a head."""
    named = found.names.posts.get(post)
    if named is None:
        return post
    unit = unit_label(words, found, named.unit)
    return words.text("{post} of {unit}", post=words.label(named), unit=unit)


def person_label(words: Language, found: Trace, person: str | None) -> str:
    """A person's name, the mark of whoever was erased, or the id where no name may be shown."""
    if person is None:
        return words.text("nobody")
    return called(found.names, person, words.text("erased person"))


def _owed(words: Language, found: Trace) -> Iterator[str]:
    demanded = found.verdict.duty
    duty = words.label(found.names.duties.get(demanded), demanded)
    yield words.text(
        "{unit} owed the report {duty} for {period} before {due}; the post that owed it: {post}.",
        unit=unit_label(words, found, found.of_whom.unit),
        duty=duty,
        period=found.period,
        due=words.when(found.verdict.computed.due),
        post=post_label(words, found, found.of_whom.post),
    )


def _came(words: Language, found: Trace) -> Iterator[str]:
    computed = found.verdict.computed
    received = words.when(computed.received_at)
    match computed.outcome:
        case Outcome.ON_TIME:
            yield words.text("It was received at {received}: on time.", received=received)
        case Outcome.LATE:
            late = words.span(computed.received_at - computed.due) if computed.received_at else ""
            yield words.text(
                "It was received at {received}, {late} after the due: late.",
                received=received,
                late=late,
            )
        case Outcome.MISSED if computed.kind is None:
            yield words.text(
                "Nothing valid had been received by the due; late submission stays possible until "
                "{until}.",
                until=words.when(computed.late_channel_until),
            )
        case Outcome.MISSED:
            yield words.text(
                "Nothing valid was received before late submission closed: unreported."
            )
        case Outcome.PENDING:
            reason = words.word("pending", computed.pending)
            yield words.text("It is not decided yet: {reason}.", reason=reason)
        case Outcome.EXEMPT:
            yield words.text("It was waived before the due and is not counted.")
        case Outcome.NOT_EXPECTED:
            reason = words.word("expectation", computed.expectation)
            yield words.text("It was not owed after all: {reason}.", reason=reason)


def _eased(words: Language, found: Trace) -> Iterator[str]:
    computed = found.verdict.computed
    if computed.excused:
        yield words.text("Excused: {reasons}.", reasons=words.words("excused", computed.excused))
    if computed.mitigated:
        reasons = words.words("mitigated", computed.mitigated)
        yield words.text("Mitigated: {reasons}.", reasons=reasons)
    if computed.correction_overdue:
        yield words.text("A correction that was asked for is overdue.")


def _who(words: Language, found: Trace) -> Iterator[str]:
    attribution = found.verdict.attribution
    if attribution is None:
        return
    climbed = [hop for hop in attribution.path if hop.person is None]
    if climbed:
        posts = words.text(", ").join(
            words.text(
                "{post} ({reason})",
                post=post_label(words, found, hop.post),
                reason=words.word("capacity", hop.reason),
            )
            for hop in climbed
        )
        yield words.text("At the due nobody was effective in {posts}.", posts=posts)
    for one in attribution.persons:
        yield _answers(words, found, one)


def _answers(words: Language, found: Trace, one: Responsible) -> str:
    role, ground = words.word("role", one.role), words.word("ground", one.ground)
    if one.person is None and one.unit is not None:
        unit = unit_label(words, found, one.unit)
        return words.text(
            "{role}: the unit {unit} ({ground}).", role=role, unit=unit, ground=ground
        )
    return words.text(
        "{role}: {person}, {post} ({ground}).",
        role=role,
        person=person_label(words, found, one.person),
        post=post_label(words, found, one.post) if one.post else words.text("no post"),
        ground=ground,
    )
