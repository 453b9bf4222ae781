"""A small organisation told in facts, for tests of the rules: `say` what happened, ask a verdict.

Every event's id is the label it is said with, so that a test reads the basis of a verdict as a
story. Times are wall times in Shanghai, `"2026-04-08 18:00"`; an event is received, recorded and,
unless `effective` says otherwise, in force at the time it is said.
"""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ledger.entry import Envelope, Event
from ledger.events import calendar, duties, organisation, outlets, reports
from ledger.events.fact import Fact
from ledger.model.history import History
from ledger.verdict import Verdict, verdict
from ledger.vocabulary import Actor, Moment, ObligationId, OnBehalfOf, Reason, Source, Via

ZONE = ZoneInfo("Asia/Shanghai")
MONTHLY = "monthly.O.2026-03"
DUE = "2026-04-08 18:01"
"""The fifth working day of April 2026 (the sixth is off), 18:00 inclusive."""


def wall(text: str) -> datetime:
    """The instant of a wall time in Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def local(instant: datetime) -> str:
    """An instant as the wall time that a test would write."""
    return instant.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")


class Scenario:
    """HQ, region R, branch B, sub-branch S and outlet O, a head in each, and a monthly duty."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._establish()

    def say(  # noqa: PLR0913  (what an envelope can say)
        self,
        label: str,
        at: str,
        fact: Fact,
        *,
        effective: str | None = None,
        until: str | None = None,
        person: str | None = None,
        post: str | None = None,
        via: Via = Via.API,
        on_behalf_of: str | None = None,
        reason: str | None = None,
        device: str | None = None,
        tags: tuple[str, ...] = (),
    ) -> "Scenario":
        """Record a fact; `label` becomes the event's id."""
        assert all(event.id != label for event in self.events), f"{label!r} is said twice"
        received = wall(at)
        envelope = Envelope(
            id=label,
            received_at=received,
            actor=Actor(via=via, person=person, post=post),
            effective_from=wall(effective) if effective else None,
            effective_until=wall(until) if until else None,
            on_behalf_of=OnBehalfOf(on_behalf_of, "test") if on_behalf_of else None,
            reason=Reason(reason) if reason else None,
            source=Source(device_time=wall(device)) if device else None,
        )
        found = [*fact.tags(), *tags]
        position = len(self.events) + 1
        self.events.append(Event(fact, envelope, found, position, received))
        return self

    def annul(self, label: str, at: str, annulled: str) -> "Scenario":
        """Strike out an earlier event."""
        event = next(one for one in self.events if one.id == annulled)
        fact = organisation.FactAnnulled(annulled=annulled, annulled_type=event.type)
        return self.say(label, at, fact, tags=tuple(event.tags))

    def history(self, until: int | None = None) -> History:
        """The facts, folded; `until` stops after that position."""
        return History.of(self.events[:until])

    def verdict(self, at: str, obligation: str = MONTHLY, until: int | None = None) -> Verdict:
        """The verdict when the clock says `at`, knowing everything (or up to a position)."""
        known = self.events[:until]
        moment = Moment(known[-1].position, wall(at))
        return verdict(History.of(known), ObligationId(obligation), moment)

    # --- shorthands for what most stories need ------------------------------------------------

    def appoint(self, post: str, person: str, at: str, **more: Any) -> "Scenario":
        """`person` holds `post` from then on; the label is `<person> appointed to <post>`."""
        label = f"{person} appointed to {post}"
        by, more["person"] = more.pop("by", None), more.pop("by_person", None)
        fact = organisation.HolderAppointed(post=post, person=person, appointed_by=by)
        return self.say(label, str(more.pop("received", at)), fact, effective=at, **more)

    def relieve(self, post: str, person: str, at: str, **more: Any) -> "Scenario":
        """`person` leaves `post`; the label is `<person> left <post>`."""
        fact = organisation.HolderRelieved(post=post, person=person)
        received = str(more.pop("received", at))
        return self.say(f"{person} left {post}", received, fact, effective=at, **more)

    def submit(self, at: str, **more: Any) -> "Scenario":
        """The report arrives; the label is `submitted`."""
        label, report = str(more.pop("label", "submitted")), str(more.pop("report", "rep-1"))
        obligation = str(more.pop("obligation", MONTHLY))
        fact = reports.ReportSubmitted(
            report=report,
            obligation=obligation,
            unit="O",
            form="monthly-form",
            form_revision=1,
            capacity=str(more.pop("capacity", "holder")),
            content={"headcount": 12},
            nil_return=bool(more.pop("nil_return", False)),
            discharges=tuple(more.pop("discharges", ())),
            uploading_since=wall(since) if (since := more.pop("uploading_since", None)) else None,
            upload=more.pop("upload", None),
        )
        more.setdefault("person", "A")
        more.setdefault("post", "O-head")
        return self.say(label, at, fact, **more)

    def open(self, obligation: str = MONTHLY, **changes: Any) -> "Scenario":
        """Open the obligation that every story is about; `changes` replace fields of it."""
        duty, unit, period = obligation.split(".")[:3]
        at = str(changes.pop("at", "2026-03-01 00:00"))
        due = wall(str(changes.pop("due", DUE)))
        fields: dict[str, Any] = {
            "obligation": obligation,
            "duty": duty,
            "duty_revision": 1,
            "unit": unit,
            "post": f"{unit}-head",
            "period": period,
            "period_start": date(2026, 3, 1),
            "period_end": date(2026, 3, 31),
            "due": due,
            "nominal_due": due,
            "form": "monthly-form",
            "form_revision": 1,
            "rules": 0,
            "calendar_revision": 1,
            **changes,
        }
        return self.say(f"opened {obligation}", at, duties.ObligationOpened(**fields))

    def _establish(self) -> None:
        parent = None
        for unit, level in (
            ("HQ", "headquarters"),
            ("R", "region"),
            ("B", "branch"),
            ("S", "sub_branch"),
            ("O", "outlet"),
        ):
            self.unit(unit, level, parent)
            parent = unit
        for unit in ("HQ", "R", "B", "S"):
            self.appoint(f"{unit}-head", f"{unit.lower()}-chief", "2020-01-01 00:00")
        opened = outlets.OutletOpened(unit="O", opened_on=date(2024, 1, 1))
        self.say("O opened", "2024-01-01 00:00", opened)
        self.say(
            "calendar 2026",
            "2025-11-04 10:00",
            calendar.CalendarPublished(
                calendar="CN",
                year=2026,
                revision=1,
                source_ref="notice 2025-11-04",
                days_off=(date(2026, 4, 6), date(2026, 5, 1), date(2026, 5, 4), date(2026, 5, 5)),
                makeup_days=(date(2026, 5, 9),),
            ),
        )
        self.say("monthly published", "2025-01-01 00:00", self.duty("monthly"))

    def unit(self, unit: str, level: str, parent: str | None, **more: Any) -> "Scenario":
        """A unit with its head post, labelled by their codes."""
        at = str(more.pop("at", "2020-01-01 00:00"))
        established = organisation.UnitEstablished(
            unit=unit, level=level, name_zh=unit, name_en=unit, parent=parent, **more
        )
        self.say(unit, at, established)
        post = organisation.PostEstablished(
            post=f"{unit}-head", unit=unit, role="head", title_zh="负责人", title_en="Head"
        )
        return self.say(f"{unit}-head", at, post)

    @staticmethod
    def duty(duty: str, **changes: Any) -> duties.DutyPublished:
        """A monthly duty of every outlet, owned by headquarters."""
        fields: dict[str, Any] = {
            "duty": duty,
            "title_zh": "月报",
            "title_en": "Monthly report",
            "form": "monthly-form",
            "cadence": "monthly",
            "due": duties.DueRule(working_days=5, time="18:00"),
            "owner": "HQ-head",
            "scope": "HQ",
            "levels": ("outlet",),
            **changes,
        }
        return duties.DutyPublished(**fields)
