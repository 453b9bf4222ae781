"""Random stories for property tests: what may happen in two months of a small network.

Whatever is said is well formed, and nothing more: reports of strangers, grants without authority,
moves in hindsight and annulments of anything are all told, because views and verdicts must agree
on every history and not only on those that decisions would let pass.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from ledger.events import calendar, duties, organisation, outlets, platform, reports
from tests.scenario import DUE, ZONE, Scenario, wall

OUTLETS = ("O", "O2", "O3")
PERIODS = ("2026-03", "2026-04")
DUES = {"2026-03": DUE, "2026-04": "2026-05-12 18:01"}
PEOPLE = ("A", "C", "E")
BEGAN = wall("2026-02-20 09:00")
HOURS_BETWEEN_MAX = 240
"""Ten days: a story lasts from before the first due until long after it was accounted for."""

Draw = Callable[[st.SearchStrategy[Any]], Any]


class Story:
    """A scenario that grows by one random event at a time, hours after the one before."""

    def __init__(self, draw: Draw) -> None:
        self.told = Scenario()
        self._draw = draw
        self._now = BEGAN
        self._reports: list[tuple[str, str, str]] = []
        self._reliefs: list[tuple[str, str]] = []
        for unit, level, parent in (("S2", "sub_branch", "B"), ("O2", "outlet", "S"),
                                    ("O3", "outlet", "S2")):  # fmt: skip
            self.told.unit(unit, level, parent, at="2025-12-01 00:00")
        self.told.appoint("S2-head", "s2", "2025-12-01 00:00")
        for unit in OUTLETS:
            self.told.appoint(f"{unit}-head", f"head of {unit}", "2025-12-01 00:00")
        for period in PERIODS:
            for unit in OUTLETS:
                self._say(self._opened(unit, period))

    def go_on(self, happen: Callable[["Story"], None]) -> None:
        """One more thing happens, a while later."""
        self._now += timedelta(hours=self._draw(st.integers(1, HOURS_BETWEEN_MAX)))
        happen(self)

    def _say(self, fact: Any, **more: Any) -> None:
        label = f"event {len(self.told.events) + 1}"
        self.told.say(label, f"{self._now.astimezone(ZONE):%Y-%m-%d %H:%M:%S}", fact, **more)

    def _opened(self, unit: str, period: str) -> duties.ObligationOpened:
        month = int(period[-2:])
        return duties.ObligationOpened(
            obligation=f"monthly.{unit}.{period}",
            duty="monthly",
            duty_revision=1,
            unit=unit,
            post=f"{unit}-head",
            period=period,
            period_start=date(2026, month, 1),
            period_end=date(2026, month + 1, 1) - timedelta(days=1),
            due=wall(DUES[period]),
            nominal_due=wall(DUES[period]),
            form="monthly-form",
            form_revision=1,
            rules=0,
            calendar_revision=1,
        )

    def _one(self, *choices: Any) -> Any:
        return self._draw(st.sampled_from(choices))

    def _obligation(self) -> tuple[str, str]:
        """Often the same one, so that several things happen to it."""
        unit, period = self._one(("O", "2026-03"), ("O", "2026-03"), (None, None))
        unit, period = unit or self._one(*OUTLETS), period or self._one(*PERIODS)
        return unit, f"monthly.{unit}.{period}"

    def _effective(self) -> str:
        """Before or after it is told, by up to two months."""
        at = self._now + timedelta(hours=self._draw(st.integers(-1400, 700)))
        return f"{at.astimezone(ZONE):%Y-%m-%d %H:%M}"

    def _submitted(self) -> None:
        unit, obligation = self._obligation()
        report = f"report {len(self.told.events)}"
        given = {
            "report": report,
            "obligation": obligation,
            "unit": unit,
            "form": "monthly-form",
            "form_revision": 1,
            "content": {},
            "nil_return": self._draw(st.booleans()),
        }
        if self._one("known", "known", "known", "known", "stranger") == "stranger":
            self._say(reports.ReportUnsolicitedReceived(**given), person=self._one(*PEOPLE))
        else:
            capacity = self._one("holder", "clerk", "support", "delegate")
            fact = reports.ReportSubmitted(**given, capacity=capacity)
            self._say(fact, person=self._one(*PEOPLE), post=f"{unit}-head")
        self._reports.append((report, obligation, unit))

    def _reviewed(self) -> None:
        if not self._reports:
            return
        report, obligation, _ = self._one(*self._reports)
        named = {"report": report, "obligation": obligation}
        self._say(
            self._one(
                reports.ReportAccepted(**named, accepted_by="S-head"),
                reports.ReportVoided(**named, voided_by="S-head"),
                reports.ReportRatified(**named),
                reports.ReportWithdrawn(**named),
                reports.ReportReturned(
                    **named, returned_by="S-head", correction_due=self._now + timedelta(days=3)
                ),
            )
        )

    def _moved_report(self) -> None:
        if not self._reports:
            return
        report, obligation, _ = self._one(*self._reports)
        to = self._obligation()[1]
        if to != obligation:
            self._say(
                reports.ReportCorrected(
                    report=report,
                    obligation=obligation,
                    moved_to=to,
                    original_received_at=self._now - timedelta(days=2),
                    original_capacity="holder",
                )
            )

    def _asked(self) -> None:
        unit, obligation = self._obligation()
        relief = f"relief {len(self.told.events)}"
        fact = duties.ExtensionRequested(
            extension=relief,
            obligation=obligation,
            post=f"{unit}-head",
            requested_due=self._now + timedelta(days=9),
        )
        self._say(fact, reason="flood", person=self._one(*PEOPLE))
        self._reliefs.append((relief, obligation))

    def _answered(self) -> None:
        if not self._reliefs:
            return
        relief, obligation = self._one(*self._reliefs)
        by = self._one("S-head", "S2-head", "HQ-head", "O-head")
        due = self._now + timedelta(days=self._draw(st.integers(1, 20)))
        fact = self._one(
            duties.ExtensionGranted(
                extension=relief, obligation=obligation, due=due, granted_by=by
            ),
            duties.ExtensionRefused(extension=relief, obligation=obligation, refused_by=by),
            duties.ExtensionWithdrawn(extension=relief, obligation=obligation),
        )
        self._say(fact, person=self._one("s-chief", "s2", "hq-chief"), post=by, reason="heard")

    def _waived(self) -> None:
        obligation = self._obligation()[1]
        by = self._one("S-head", "S2-head")
        fact = duties.WaiverGranted(
            waiver=f"waiver {len(self.told.events)}", obligation=obligation, granted_by=by
        )
        self._say(fact, person="s-chief", post=by, reason="flood")

    def _cancelled(self) -> None:
        obligation = self._obligation()[1]
        self._say(duties.ObligationCancelled(obligation=obligation, cause="suspended"))

    def _postponed(self) -> None:
        obligation = self._obligation()[1]
        due = wall(DUES[obligation.rpartition(".")[2]])
        due += timedelta(days=self._draw(st.integers(1, 20)))
        self._say(duties.ObligationDueRevised(obligation=obligation, due=due, cause="document"))

    def _noticed(self) -> None:
        unit, obligation = self._obligation()
        due = wall(DUES[obligation.rpartition(".")[2]])
        fact = duties.ObligationMissed(obligation=obligation, post=f"{unit}-head", due=due)
        self._say(fact)

    def _appointed(self) -> None:
        post = f"{self._one(*OUTLETS, 'S')}-head"
        person = self._one(*PEOPLE)
        fact = self._one(
            organisation.HolderAppointed(post=post, person=person),
            organisation.HolderRelieved(post=post, person=f"head of {post.partition('-')[0]}"),
            organisation.HolderRelieved(post=post, person=person),
            organisation.ActingAppointed(post=post, person=person, appointed_by="B-head"),
            organisation.HolderSuspended(post=post, person=f"head of {post.partition('-')[0]}"),
        )
        self._say(fact, effective=self._effective())

    def _moved_unit(self) -> None:
        unit, parent = self._one(*OUTLETS), self._one("S", "S2")
        fact = organisation.UnitReparented(unit=unit, parent=parent)
        self._say(fact, effective=self._effective())

    def _lived(self) -> None:
        unit = self._one(*OUTLETS)
        fact = self._one(
            organisation.UnitClosed(unit=unit),
            organisation.UnitReopened(unit=unit),
            organisation.UnitSuspended(unit=unit),
            outlets.OutletOpened(unit=unit, opened_on=date(2026, 3, 10)),
        )
        self._say(fact, effective=self._effective())

    def _time_off(self) -> None:
        unit, day = self._one(*OUTLETS), self._one(date(2026, 4, 8), date(2026, 5, 12))
        self._say(
            self._one(
                calendar.CalendarLocalDaySet(
                    calendar="CN", units=(unit,), day=day, working=False, document="typhoon"
                ),
                calendar.CalendarRevised(
                    calendar="CN",
                    year=2026,
                    revision=len(self.told.events),
                    source_ref="revised",
                    days_off=(date(2026, 4, 6), day),
                    makeup_days=(),
                ),
            )
        )

    def _broke_down(self) -> None:
        """On the afternoon of the first due; often ratified, as only then it counts."""
        self._say(
            platform.OutageDeclared(
                outage="down",
                calendar="CN",
                started_at=wall("2026-04-08 15:00"),
                ended_at=wall("2026-04-08 17:30"),
                probe_ref="probe",
            )
        )
        if self._one(True, True, False):
            self._say(platform.OutageRatified(outage="down", calendar="CN"))

    def _annulled(self) -> None:
        """Anything may have been entered by mistake, except that a thing exists."""
        kept = (".established", "fact.annulled", ".opened")
        lately = [one for one in self.told.events if not one.type.endswith(kept)]
        annulled = self._one(*lately[-12:])
        label = f"event {len(self.told.events) + 1}"
        self.told.annul(label, f"{self._now.astimezone(ZONE):%Y-%m-%d %H:%M:%S}", annulled.id)


KINDS = (
    *(Story._submitted,) * 6,
    Story._waived,
    Story._reviewed,
    Story._moved_report,
    Story._asked,
    Story._answered,
    Story._waived,
    Story._cancelled,
    Story._postponed,
    Story._noticed,
    Story._appointed,
    Story._moved_unit,
    Story._lived,
    Story._time_off,
    Story._broke_down,
    Story._annulled,
)
"""What may happen next; a report is likelier than anything else."""


@st.composite
def stories(draw: Draw, events_max: int = 30) -> Scenario:
    """A scenario with up to so many random events."""
    story = Story(draw)
    for happen in draw(st.lists(st.sampled_from(KINDS), min_size=10, max_size=events_max)):
        story.go_on(happen)
    return story.told
