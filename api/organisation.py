"""Units, posts, people, appointments and delegations: commands, then the organisation as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Permission
from api.dates import OnParameter, business, parse_on
from api.visits import View, Visit, with_more
from api.wire import Seal, wire_of
from api.writing import Door, command_router
from ledger.decisions import organisation as o
from ledger.decisions.dated import Dated
from ledger.errors import Invalid
from ledger.model.organisation import Departure, Leave, Post, Unit
from ledger.vocabulary import PersonRef, PostId, PostRef, UnitId, UnitRef
from projections.past.standings import PersonAt, UnitAt, person_at, post_at, unit_at
from projections.spans import require
from projections.standpoint import Standpoint
from projections.structure import DEPTH_MAX, PostStanding, Structure, organisation_on

_REASON: Final = {"code": "transfer"}
_AT: Final = "2026-04-01T00:00:00+08:00"
_UNTIL: Final = "2026-05-01T00:00:00+08:00"


def _door(command: type[Any], summary: str, **example: object) -> Door:
    return Door(command, Permission.WRITE_ORGANISATION, summary, example)


_UNITS: Final = (
    _door(
        o.EstablishUnit,
        "Establish a unit",
        unit="330100-01",
        level="outlet",
        name_zh="西湖网点",
        name_en="Xihu outlet",
        parent="330100",
        effective_from=_AT,
    ),
    _door(
        o.RenameUnit, "Rename a unit", unit="330100-01", name_zh="西湖一部", name_en="Xihu No. 1"
    ),
    _door(o.ReparentUnit, "Move a unit", unit="330100-01", parent="330200", effective_from=_AT),
    _door(o.CloseUnit, "Close a unit", unit="330100-01", effective_from=_AT),
    _door(o.ReopenUnit, "Reopen a unit", unit="330100-01", effective_from=_AT),
    _door(o.SuspendUnit, "Suspend a unit", unit="330100-01", effective_from=_AT),
    _door(o.ResumeUnit, "Resume a unit", unit="330100-01", effective_from=_AT),
    _door(o.MergeUnit, "Merge a unit into another", unit="330100-01", into="330100-02"),
    _door(o.AttachSupport, "Attach a support unit", unit="330100-01", supporter="330000-s"),
    _door(o.DetachSupport, "Detach a support unit", unit="330100-01", supporter="330000-s"),
)
_POSTS: Final = (
    _door(
        o.EstablishPost,
        "Establish a post",
        post="330100-01-head",
        unit="330100-01",
        role="head",
        title_zh="网点负责人",
        title_en="Outlet head",
    ),
    _door(o.AbolishPost, "Abolish a post", post="330100-01-clerk"),
    _door(
        o.ChangeSuperior,
        "Change a post's superior",
        post="330100-01-head",
        superior="330100-head",
    ),
    _door(
        o.AppointHolder,
        "Appoint a holder",
        post="330100-01-head",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        effective_from=_AT,
        by="330100-head",
    ),
    _door(
        o.RelieveHolder,
        "Relieve a holder",
        post="330100-01-head",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        effective_from=_AT,
        cause="transferred",
    ),
    _door(
        o.SuspendHolder,
        "Suspend a holder",
        post="330100-01-head",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        reason=_REASON,
    ),
    _door(
        o.ReinstateHolder,
        "Reinstate a holder",
        post="330100-01-head",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
    ),
    _door(
        o.AppointActing,
        "Appoint an interim holder",
        post="330100-01-head",
        person="0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594",
        effective_from=_AT,
        effective_until=_UNTIL,
        by="330100-head",
    ),
    _door(
        o.ExtendActing,
        "Extend an interim appointment",
        post="330100-01-head",
        person="0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594",
        effective_until=_UNTIL,
    ),
    _door(
        o.EndActing,
        "End an interim appointment",
        post="330100-01-head",
        person="0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594",
    ),
    _door(
        o.GrantDelegation,
        "Delegate powers of a post",
        post="330100-01-head",
        delegate="0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594",
        powers=["reporting"],
        effective_from=_AT,
        effective_until=_UNTIL,
    ),
    _door(
        o.AcceptDelegation,
        "Accept a delegation",
        delegation="019a2f4e-7c3b-7d2a-9a1e-5b8c7d6e5f40",
        post="330100-01-head",
    ),
    _door(
        o.DeclineDelegation,
        "Decline a delegation",
        delegation="019a2f4e-7c3b-7d2a-9a1e-5b8c7d6e5f40",
        post="330100-01-head",
    ),
    _door(
        o.RevokeDelegation,
        "Revoke a delegation",
        delegation="019a2f4e-7c3b-7d2a-9a1e-5b8c7d6e5f40",
        post="330100-01-head",
    ),
)
_PEOPLE: Final = (
    _door(
        o.RegisterPerson,
        "Register a person",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        name="王小明",
        number="A0012345",
    ),
    _door(
        o.DepartPerson,
        "Record a departure",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        cause="resigned",
        effective_from=_AT,
    ),
    _door(
        o.RecordLeave,
        "Record leave",
        person="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        kind="annual",
        effective_from=_AT,
        effective_until=_UNTIL,
    ),
    _door(
        o.ListHandoverItem,
        "List an obligation in a handover",
        post="330100-01-head",
        obligation="weekly.330100-01.2026W14",
        outgoing="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        incoming="0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594",
    ),
    _door(
        o.CompleteHandover,
        "Sign for a handover",
        post="330100-01-head",
        outgoing="9f2c4c1f7a5e4a0fb1d5a1c2e3f40516",
        incoming="0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594",
        items=["weekly.330100-01.2026W14"],
    ),
)


class Annulment(Dated, frozen=True, kw_only=True):
    """Annul the fact at a position, for a stated reason; the log knows its type and tags."""

    position: int


def _annulment(visit: Visit, data: Any, _seal: Seal) -> o.AnnulFact:  # noqa: ANN401
    """The command that annuls the fact at the position named."""
    if not 0 < data.position <= visit.opened.recorder.head().position:
        raise Invalid.field("position", "there is no fact at this position")
    event = visit.opened.questions.event_at(data.position)
    if visit.caller.unit is not None:
        with visit.scope() as scope:
            if not scope.sees(event.tags):
                raise Invalid.field("position", "there is no fact at this position")
    shared = {name: getattr(data, name) for name in Dated.__struct_fields__}
    return o.AnnulFact(
        annulled=event.id, annulled_type=event.type, tags=tuple(event.tags), **shared
    )


_ANNUL: Final = Door(
    o.AnnulFact,
    Permission.WRITE_ORGANISATION,
    "Annul a fact that was entered by mistake",
    {"position": 1204, "reason": {"code": "entered_by_mistake"}},
    wire=wire_of(Annulment),
    prepare=_annulment,
)

commands: Final = command_router("organisation", (*_UNITS, *_POSTS, *_PEOPLE, _ANNUL))


@get("/organisation", permission=Permission.SEE_ORGANISATION, sync_to_thread=True)
def show_organisation(  # noqa: PLR0913, PLR0917  (one parameter a filter, given by name)
    visit: NamedDependency[Visit],
    view: NamedDependency[View],
    on: OnParameter = None,
    unit: Annotated[
        str | None, QueryParameter(max_length=40, description="A unit and all below; absent: all")
    ] = None,
    depth: Annotated[
        int, QueryParameter(ge=0, le=DEPTH_MAX, description="Levels below the unit")
    ] = 2,
    ended: Annotated[bool, QueryParameter(description="Closed units too")] = False,
) -> Response[Structure]:
    """Units, posts and who was effective in them, on a date, as known at `as_of`."""
    top = visit.unit_or_own(unit)
    with visit.standing(view) as here:
        found = organisation_on(here, parse_on(on), unit=top, depth=depth, ended=ended)
        found = msgspec.structs.replace(found, names=visit.named(here, found.names))
    return visit.answer(found, found.as_of, personal=True)


class UnitAnswer(Unit, frozen=True, kw_only=True):
    """A unit's dossier, and how it stood at `on`; `above` is the line, the nearest first."""

    on: datetime | None
    standing: UnitAt | None
    above: tuple[UnitId, ...]


class PostAnswer(Post, frozen=True, kw_only=True):
    """A post's dossier, and how it stood at `on`; `line` are the posts above, the nearest first."""

    on: datetime | None
    standing: PostStanding | None
    line: tuple[PostId, ...]


class PersonAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a person was at `on`, and every post, leave and departure that is known of them."""

    person: PersonRef
    on: datetime | None
    standing: PersonAt | None
    posts: tuple[PostId, ...]
    leaves: tuple[Leave, ...]
    departures: tuple[Departure, ...]


@contextmanager
def _standing_of(visit: Visit, view: View, kind: str, key: str) -> Iterator[Standpoint]:
    """The standpoint of a read about one thing: known there, and within the caller's reach."""
    visit.require(kind, key)
    with visit.standing(view) as here:
        require(kind, key, here.background)
        yield here


@get("/units/{unit:str}", permission=Permission.SEE_ORGANISATION, sync_to_thread=True)
def show_unit(
    visit: NamedDependency[Visit],
    view: NamedDependency[View],
    unit: FromPath[str],
    on: OnParameter = None,
) -> Response[UnitAnswer]:
    """Every name, parent, opening, closing and support a unit has had, and how it stood `on`."""
    with _standing_of(visit, view, "unit", unit) as here:
        history, asked = here.history(()), business(on, here)
        answer = with_more(
            UnitAnswer,
            here.background.rows["unit"][unit],
            on=asked.on,
            standing=unit_at(history, UnitId(UnitRef(unit)), asked.at),
            above=history.organisation.ancestors(UnitRef(unit), asked.at),
        )
        return visit.answer(answer, here.as_of)


@get("/posts/{post:str}", permission=Permission.SEE_ORGANISATION, sync_to_thread=True)
def show_post(
    visit: NamedDependency[Visit],
    view: NamedDependency[View],
    post: FromPath[str],
    on: OnParameter = None,
) -> Response[PostAnswer]:
    """Everybody who held a post, acted in it, or was lent its powers, and who did so `on`."""
    with _standing_of(visit, view, "post", post) as here:
        history, asked = here.history(()), business(on, here)
        answer = with_more(
            PostAnswer,
            here.background.rows["post"][post],
            on=asked.on,
            standing=post_at(history, PostId(PostRef(post)), asked.at),
            line=tuple(one.post for one in history.organisation.line(PostRef(post), asked.at)),
        )
        return visit.answer(answer, here.as_of)


@get("/persons/{person:str}", permission=Permission.SEE_ORGANISATION, sync_to_thread=True)
def show_person(
    visit: NamedDependency[Visit],
    view: NamedDependency[View],
    person: FromPath[str],
    on: OnParameter = None,
) -> Response[PersonAnswer]:
    """The posts that a person filled `on`, whether they were away, and all posts ever."""
    with _standing_of(visit, view, "person", person) as here:
        history, asked = here.history(()), business(on, here)
        row = history.organisation.persons[person]
        answer = PersonAnswer(
            person=PersonRef(person),
            on=asked.on,
            standing=person_at(history, PersonRef(person), asked.at),
            posts=tuple(history.organisation.posts_ever_of(PersonRef(person))),
            leaves=row.leaves,
            departures=row.departures,
        )
        return visit.answer(answer, here.as_of)


router: Final = Router(
    "/",
    route_handlers=[show_organisation, show_unit, show_post, show_person],
    tags=["organisation"],
)
