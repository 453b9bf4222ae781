"""The replay: one fact after the other with what each changed, or what differs between two moments.

The page stands at a moment (`as_of`, A); with a second one (`against`, B) it compares. Everything
that can be chosen is in its address, so that what somebody found can be sent as a link.
Read next: `replay.py`, for how values and places in time are shown.
"""

from datetime import timedelta
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.auth import Permission
from api.citable import moment_text
from api.console import replay as view
from api.console.layout import MomentParameter, Page
from api.replaying import selection_of, shown_step, units_reached
from api.visits import View
from ledger.errors import Invalid
from ledger.vocabulary import UnitRef
from projections.names import unit_labels
from projections.past.comparing import Comparison, compare
from projections.past.replaying import Step, step_after, step_at
from projections.standpoint import Standpoint, parse_as_of
from projections.timeline import Told

ROWS_SHOWN: Final = 50
"""Rows that differ, a page."""

SUGGESTED: Final = timedelta(days=30)
"""How far before the moment shown another is offered to compare with."""

CodeParameter = Annotated[str | None, QueryParameter(max_length=160)]


class Chosen(msgspec.Struct, frozen=True):
    """What the forms say: a unit, a subject, a type of fact; None where nothing is chosen."""

    unit: str | None
    subject: str | None
    type: str | None


@get(
    "/{ledger:str}/replay",
    permission=Permission.SEE_EVENTS,
    sync_to_thread=True,
    json=False,
    include_in_schema=False,
)
def show_replay(  # noqa: PLR0913, PLR0917  (one parameter a choice, given by name)
    page: NamedDependency[Page],
    as_of: MomentParameter = None,
    against: MomentParameter = None,
    unit: CodeParameter = None,
    subject: CodeParameter = None,
    kind: Annotated[str | None, QueryParameter(name="type", max_length=60)] = None,
    cursor: Annotated[str | None, QueryParameter(max_length=1_000)] = None,
) -> Response[bytes]:
    """The replay of a unit, a subject, or everything."""
    chosen = Chosen(unit or None, subject or None, kind or None)
    if chosen.unit and chosen.subject:
        raise Invalid.field("subject", "choose a unit with all below it, or one subject")
    with page.visitor.standing(View()) as here:
        return _Replay(page, here, chosen).shown(as_of or None, against or None, cursor or None)


class _Replay:
    """One page of the replay being made; `here` is now, so that one can step on from any moment."""

    def __init__(self, page: Page, here: Standpoint, chosen: Chosen) -> None:
        self._page, self._here, self._chosen = page, here, chosen
        self._selection = selection_of(
            page.visitor,
            here,
            subject=chosen.subject,
            unit=chosen.unit,
            types=() if chosen.type is None else (chosen.type,),
        )
        kind, _, key = (chosen.subject or "").partition(":")
        self._unit = UnitRef(key) if kind == "unit" else self._selection.unit
        self._may_compare = self._unit is not None or chosen.subject is None

    def shown(self, as_of: str | None, against: str | None, cursor: str | None) -> Response[bytes]:
        """The page as of one moment, or of two compared."""
        then = self._stand(as_of) if as_of else self._here
        if against and not self._may_compare:
            raise Invalid.field("against", "two moments of a unit, or of everything, are compared")
        if against:
            return self._render(then, self._compared(then, self._stand(against), cursor))
        step = self._step(then.as_of.position)
        return self._render(then, {} if step is None else self._about(step, then))

    def _stand(self, asked: str) -> Standpoint:
        moment = self._page.view(asked).as_of
        return self._here.questions.stand(self._here.connection, parse_as_of(moment))

    def _step(self, position: int) -> Step | None:
        """The fact that is shown: the last one by then, else the first there is."""
        here, selection = self._here, self._selection
        found = step_at(here, selection, position) or step_after(here, selection, position)
        return None if found is None else shown_step(self._page.visitor, here, found)

    def _about(self, step: Step, then: Standpoint) -> dict[str, Any]:
        entry = msgspec.json.format(bytes(step.fact.entry), indent=2).decode()
        return {
            "step": step,
            "suggested": self._suggested(then),
            "actor": self._actor(step.fact),
            "entry": entry,
            "is_backdated": view.is_backdated(step.fact),
        }

    def _actor(self, fact: Told) -> str:
        """Who recorded a fact: by name where names may be shown."""
        who, words, visit = fact.actor, self._page.language, self._page.visitor
        if who.person is None:
            return who.system or words.word("via", who.via)
        if not visit.sees_names:
            return who.person
        known = visit.opened.names_of(self._here, [who.person])
        return known.get(who.person, who.person) or words.text("erased person")

    def _compared(self, one: Standpoint, other: Standpoint, cursor: str | None) -> dict[str, Any]:
        """What differs; whichever moment is the earlier comes first."""
        page, visit = self._page, self._page.visitor
        before, after = sorted((one, other), key=lambda at: (at.as_of.position, at.as_of.instant))
        moments = [moment_text(point.as_of) for point in (one, other)]
        question = msgspec.json.encode([page.path, self._unit, moments]).decode()
        went = visit.cursor(cursor, question)
        found = compare(
            before,
            after,
            unit=self._unit,
            within=units_reached(visit, self._here),
            limit=ROWS_SHOWN,
            beyond=None if went is None else [str(part) for part in went.after],
        )
        following = visit.following(found.as_of, found.next, question)
        return {
            "comparison": found,
            "against": other.as_of.position,
            "counts": view.counts(page.language, found),
            "groups": self._groups(found, after),
            # Both moments go along in full, so that the following page compares the same two.
            "following": following
            and page.link(as_of=moments[0], against=moments[1], cursor=following),
            "twin": page.twin(
                "/compare",
                unit=self._unit,
                **{"from": moment_text(before.as_of)},
                to=moment_text(after.as_of),
            ),
        }

    def _groups(self, found: Comparison, after: Standpoint) -> list[view.Group]:
        words = self._page.language
        units = view.units_of(found.rows, after)
        wanted = {unit for unit in units if unit is not None}
        labels = unit_labels(after.background, wanted, after.as_of.instant)
        beside = words.text("Beside the units")
        called = [beside if one is None else words.label(labels.get(one), one) for one in units]
        return view.grouped(zip(called, found.rows, strict=True))

    def _render(self, then: Standpoint, content: dict[str, Any]) -> Response[bytes]:
        page, here, chosen = self._page, self._here, self._chosen
        last = here.as_of.position
        usual = {
            "step": None,
            "comparison": None,
            "against": None,
            "twin": page.twin(
                "/replay",
                unit=None if chosen.subject else self._unit,
                subject=chosen.subject,
                type=chosen.type,
                at=str(then.as_of.position),
            ),
        }
        return page.render(
            "replay.html",
            then.as_of,
            # Two moments compared are cited by their JSON, which names both.
            answer=content.get("step"),
            **usual | content,
            section="replay",
            crumbs=() if chosen.subject else page.line(here, self._unit),
            asked=chosen,
            subject_label=chosen.subject or "",
            kinds=view.kinds_of_fact(page.language, chosen.type),
            last=last,
            ticks=view.axis(last, here.questions.event_at) if last else (),
            may_compare=self._may_compare,
            local=view.local,
            shown=lambda value: view.shown(page.language, value),
            row_address=lambda change: view.row_address(page, change),
        )

    def _suggested(self, then: Standpoint) -> str:
        """A month before, or the beginning where there was no month."""
        earlier = then.as_of.instant - SUGGESTED
        position, _ = self._here.questions.recorder.position_at(earlier)
        return str(max(position, 1))
