"""Who may report for an obligation, who may review, and what one submission also discharges.

Authorship is not responsibility: a clerk, a coach or a superior may submit, and the post that owes
stays answerable (rulings 53 and 54). Reviewing belongs to the posts above on the management line
and to the duty's owner. Read next: `ledger/decisions/reports.py`.
"""

from collections.abc import Iterator
from datetime import datetime

from eventsourcing.dcb.domain import Selector

from ledger.entry import Context
from ledger.errors import Conflict, NotFound
from ledger.model.authority import (
    Standing,
    exercises,
    is_operator,
    line_boundary,
    post_boundary,
    require_above,
)
from ledger.model.expectation import Bearer, obligation_id
from ledger.model.history import History, about
from ledger.model.obligations import Obligation, Submission
from ledger.vocabulary import FormId, ObligationId, PostId, PostRef, Power, ReportId

# --- boundaries --------------------------------------------------------------------------------


def boundary(
    history: History, obligation: ObligationId, by: PostRef | None, *, above: bool = False
) -> list[Selector]:
    """An obligation, its form, its links, and who may act for its post (and, if asked, above)."""
    asked = [about("obligation", obligation)]
    row = history.rows["obligation"].get(obligation)
    if row is None:
        return asked
    asked += [about("form", row.form), about("duty", row.duty), about("unit", row.unit)]
    asked += [about("obligation", other) for other in _linked(history, row)]
    posts: dict[PostRef, None] = {row.post: None}
    if by is None:
        posts.update(dict.fromkeys(_neighbours(history, row.post)))
    else:
        posts[by] = None
    for post in posts:
        asked += post_boundary(history, post)
    if above or _is_elsewhere(history, row, by):
        asked += line_boundary(history, row.post)
    return _once(asked)


def _neighbours(history: History, post: PostRef) -> list[PostRef]:
    """Every post that is, or was, in the unit of a post, as far as a boundary's history knows."""
    own = history.rows["post"].get(post)
    if own is None:
        return []
    return [one.post for one in history.rows["post"].values() if one.unit == own.unit]


def _is_elsewhere(history: History, row: Obligation, by: PostRef | None) -> bool:
    own, acting = history.rows["post"].get(row.post), history.rows["post"].get(by or row.post)
    return own is not None and acting is not None and own.unit != acting.unit


def _once(asked: list[Selector]) -> list[Selector]:
    return list({tuple(one.tags): one for one in asked}.values())


# --- who ---------------------------------------------------------------------------------------


def standing_for(
    history: History, context: Context, row: Obligation, by: PostId | None
) -> Standing | None:
    """As what the actor reports for the post that owes; None: without any authority (56)."""
    own = exercises(history, context, row.post, Power.REPORTING)
    if own is not None:
        return own
    if context.actor.person is None and is_operator(context):
        return Standing("operator", by)
    own_post = history.organisation.posts.get(row.post)
    beside = history.organisation.posts_in(own_post.unit, context.received_at) if own_post else []
    through: list[PostId] = beside if by is None else [by]
    for post in through:
        capacity = exercises(history, context, post, Power.REPORTING)
        if capacity is not None and capacity.capacity != "delegate":
            found = _relation(history, row, post, context.received_at)
            if found is not None:
                return found
    return None


def _relation(history: History, row: Obligation, post: PostRef, at: datetime) -> Standing | None:
    """How a post stands to the one that owes: beside it, in support of it, or above it."""
    organisation = history.organisation
    own, acting = organisation.posts.get(row.post), organisation.posts.get(post)
    if own is None or acting is None:
        return None
    if acting.unit in (own.unit, row.unit):
        return Standing("clerk", post)
    if any(organisation.is_supported_by(unit, acting.unit, at) for unit in (row.unit, own.unit)):
        return Standing("support", post)
    if organisation.is_superior(row.post, post, at):
        return Standing("superior", post)
    return None


def require_reviewer(
    history: History, context: Context, row: Obligation, by: PostRef, power: Power
) -> Standing:
    """Refuse whoever is neither above the post that owes, nor in the duty's owner post."""
    terms = history.duty(row.duty).latest()
    return require_above(history, context, of=row.post, by=by, owner=terms.owner, power=power)


# --- what --------------------------------------------------------------------------------------


def require_owed(row: Obligation) -> None:
    """Refuse what concerns an instance that nobody owes any more."""
    if row.cancellations:
        cause = row.cancellations[-1].cause
        raise Conflict(f"obligation {row.obligation!r} is cancelled ({cause}); nothing is owed")


def standing_report(row: Obligation) -> Submission | None:
    """The report that counts for the obligation now: the first received of those that do."""
    counting = [one for one in row.submissions if one.counts]
    return min(counting, key=lambda one: (one.received_at, one.position), default=None)


def report_of(row: Obligation, report: ReportId) -> Submission:
    """A report of the obligation that is neither voided, withdrawn nor moved away."""
    found = next((one for one in row.submissions if one.report == report), None)
    if found is None:
        raise NotFound(f"there is no report {report!r} for obligation {row.obligation!r}")
    if found.voided_by or found.withdrawn_by or found.moved_by:
        raise Conflict(f"report {report!r} is voided, withdrawn or moved; nothing changes it now")
    return found


def stated_due(row: Obligation) -> datetime:
    """The latest due that a fact about the obligation itself has stated."""
    granted = (one.due for one in row.reliefs if one.due is not None and not one.annulled_by)
    return max((row.due, *(one.due for one in row.due_changes), *granted))


def _linked(history: History, row: Obligation) -> Iterator[ObligationId]:
    duty = history.rows["duty"].get(row.duty)
    for link in duty.links if duty else ():
        for bearer in (Bearer.OWN, Bearer.SUCCESSOR):
            yield obligation_id(link.other, row.unit, row.period, bearer)


def also_discharged(history: History, row: Obligation) -> tuple[ObligationId, ...]:
    """The linked duties' obligations for the same unit and period that still wait (ruling 58)."""
    rows = (history.rows["obligation"].get(one) for one in _linked(history, row))
    return tuple(
        one.obligation
        for one in rows
        if one is not None and not one.cancellations and standing_report(one) is None
    )


def sharing_tags(history: History, row: Obligation, report: ReportId) -> tuple[str, ...]:
    """The tags of the other obligations that the same report discharged: they must hear of it."""
    rows = (history.rows["obligation"].get(one) for one in _linked(history, row))
    return tuple(
        f"obligation:{one.obligation}"
        for one in rows
        if one is not None and any(sent.report == report for sent in one.submissions)
    )


def form_problem(history: History, row: Obligation, revision: int) -> str | None:
    """Why a version of the form may not be used for the obligation, if so (ruling 60)."""
    form = history.form(FormId(row.form))
    accepted = form.acceptable(row.form_revision, row.period_end, history.unit(row.unit).zone)
    if revision in accepted:
        return None
    versions = " or ".join(str(one) for one in accepted)
    return f"this period's report is made with revision {versions} of form {row.form!r}"
