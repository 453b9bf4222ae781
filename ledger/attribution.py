"""Who answers for an obligation: docs/rules.md R6 to R9, over the management line only.

Pure: an obligation, its due instant, and the organisation in; persons with their roles, and the
path climbed with every hop's reason, out. Read next: `ledger/verdict.py`.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from ledger.model.calendar import local_day
from ledger.model.history import History
from ledger.model.obligations import Obligation
from ledger.model.organisation import Capacity, Effective, Tenure
from ledger.model.rules import Rules
from ledger.timeliness import Assessment
from ledger.vocabulary import EventId, PersonRef, PostRef, Power, UnitRef

TICK: Final = timedelta(microseconds=1)
"""Who held a post *at the due* is who held it at the last instant that still counted as in time."""


class Hop(msgspec.Struct, frozen=True, omit_defaults=True):
    """One post looked at while climbing: who was effective there at the due, or why nobody."""

    post: PostRef
    unit: UnitRef
    person: PersonRef | None
    reason: str
    events: tuple[EventId, ...] = ()
    gap_started: datetime | None = None


class Responsible(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person (or, where nobody was found, a unit) with a role on a stated ground.

    Roles: `direct`, `management`, `retained`, `noted`.
    """

    role: str
    ground: str
    person: PersonRef | None = None
    unit: UnitRef | None = None
    post: PostRef | None = None
    events: tuple[EventId, ...] = ()


class Attribution(msgspec.Struct, frozen=True, omit_defaults=True):
    """The persons, the path climbed, flags such as `acting_overdue`, and every event used."""

    persons: tuple[Responsible, ...]
    path: tuple[Hop, ...]
    flags: tuple[str, ...] = ()
    basis: tuple[EventId, ...] = ()


def attribute(
    history: History, obligation: Obligation, assessment: Assessment, rules: Rules
) -> Attribution:
    """Who answers for a failure, and in what role (R6 to R9)."""
    search = _Search(history, obligation, assessment, rules)
    if obligation.short_notice:
        # Who asked too late answers, and nobody who was asked (ruling 59).
        search.issuer()
    else:
        search.direct()
        search.management()
    return search.result()


class _Search:
    """Collects persons, path and flags while the line is searched."""

    def __init__(
        self, history: History, obligation: Obligation, assessment: Assessment, rules: Rules
    ) -> None:
        self._history = history
        self._organisation = history.organisation.with_ceiling(rules.acting_ceiling)
        self._obligation, self._assessment, self._rules = obligation, assessment, rules
        self._at = assessment.due - TICK
        self._persons: list[Responsible] = []
        self._path: list[Hop] = []
        self._flags: list[str] = []

    def result(self) -> Attribution:
        """What was found, with every event used, each once."""
        used = [event for hop in self._path for event in hop.events]
        used += [event for one in self._persons for event in one.events]
        return Attribution(
            tuple(self._persons), tuple(self._path), tuple(self._flags), tuple(dict.fromkeys(used))
        )

    # --- R6 and R7: the direct person ----------------------------------------------------------

    def direct(self) -> None:
        """The person effective in the responsible post at the due, or found by climbing."""
        post = self._obligation.post
        found = self._organisation.effective(post, self._at)
        self._path.append(self._hop(post, found))
        if found.lapsed is not None:
            self._flags.append("acting_overdue")
        match found.capacity:
            case Capacity.HOLDER:
                self._holder(post, found)
            case Capacity.ACTING:
                self._acting(post, found)
            case Capacity.DISPUTED:
                self._disputed(post, found)
            case Capacity.SUSPENDED | Capacity.VACANT | Capacity.ABSENT:
                if not self._incapacitated(post):
                    self._climb(post)

    def _hop(self, post: PostRef, found: Effective) -> Hop:
        row = self._organisation.posts.get(post)
        gap = self._organisation.gap(post, self._at)
        reason = "acting_overdue" if found.lapsed is not None else found.capacity.value
        return Hop(
            post=post,
            unit=row.unit if row else self._obligation.unit,
            person=found.exercises,
            reason=reason,
            events=found.events,
            gap_started=gap.since if gap else None,
        )

    def _holder(self, post: PostRef, found: Effective) -> None:
        assert found.person is not None, "a holder is a person"
        tenure = found.tenures[0]
        if self._is_too_new(post, tenure):
            self._blame_the_change(post, tenure)
            return
        leave = self._organisation.on_leave(found.person, self._at)
        delegation = self._organisation.delegate(post, self._at, Power.REPORTING)
        if delegation is None:
            self._add("direct", "holder", found.person, post, found.events)
            return
        answers = tuple(
            one.event
            for one in self._organisation.posts[post].delegation_answers
            if one.delegation == delegation.delegation
        )
        cited = (delegation.event, *answers)
        if leave is None:
            self._add("direct", "holder", found.person, post, found.events)
            self._add("noted", "delegate", delegation.delegate, post, cited)
            return
        cited = (*cited, leave.event)
        self._add("direct", "delegation_on_leave", delegation.delegate, post, cited)
        self._add("retained", "principal", found.person, post, found.events)

    def _is_too_new(self, post: PostRef, tenure: Tenure) -> bool:
        """Appointed days before the due after somebody else, with nothing handed over (3, 4).

        Days count whole, so that of the due, which may be a day off, never does.
        """
        began = tenure.first.start
        predecessors = [one for one in self._organisation.tenures(post) if one.start < began]
        if not predecessors:
            return False
        unit = self._organisation.units[self._organisation.posts[post].unit]
        started, due_day = local_day(began, unit.zone), local_day(self._at, unit.zone)
        calendar = self._history.calendar
        day = timedelta(days=1)
        served = calendar.working_days_between(started - day, due_day - day)
        if served >= self._rules.short_tenure_working_days:
            return False
        return not any(
            self._obligation.obligation in handover.items
            for handover in self._organisation.posts[post].handovers
            if handover.incoming == tenure.person and handover.at <= self._at
        )

    def _blame_the_change(self, post: PostRef, tenure: Tenure) -> None:
        """A transfer is a management act: who ordered it answers, both holders are noted (3)."""
        appointment = tenure.first
        ordering, person = appointment.appointed_by, appointment.appointed_by_person
        if ordering is None:
            step = self._organisation.superior(post, appointment.start)
            ordering = step.post if step else None
        if person is None and ordering is not None:
            person = self._organisation.effective(ordering, appointment.start).exercises
        cited = (appointment.event,)
        self._add("direct", "ordered_the_change", person, ordering or post, cited)
        self._add("noted", "appointed_too_late", tenure.person, post, cited)
        tenures = self._organisation.tenures(post)
        before = [one for one in tenures if one.start < appointment.start]
        left = before[-1]
        ended = (left.ended_by,) if left.ended_by else ()
        self._add("noted", "left_before_due", left.person, post, (left.appointment.event, *ended))

    def _acting(self, post: PostRef, found: Effective) -> None:
        """An interim is direct; who put them there carries management responsibility (11)."""
        assert found.interim is not None, "an acting capacity rests on an interim appointment"
        acting = found.interim.acting
        self._add("direct", "acting", found.person, post, found.events)
        appointer = acting.appointed_by_person
        if appointer is None:
            appointer = self._organisation.effective(acting.appointed_by, acting.start).exercises
        self._add("management", "appointed_acting", appointer, acting.appointed_by, (acting.event,))

    def _disputed(self, post: PostRef, found: Effective) -> None:
        """Two appointments overlap: a defect of the data, for the appointer to correct (15)."""
        self._flags.append("data_defect")
        latest = max(found.tenures, key=lambda one: one.appointment.position).appointment
        ordering, person = latest.appointed_by, latest.appointed_by_person
        if ordering is None:
            step = self._organisation.superior(post, self._at)
            ordering = step.post if step else None
        if person is None and ordering is not None:
            person = self._organisation.effective(ordering, self._at).exercises
        self._add("management", "overlapping_appointments", person, ordering or post, found.events)

    def _incapacitated(self, post: PostRef) -> bool:
        """The holder died or fell incapable days before the due: excused, no climb (17)."""
        gap = self._organisation.gap(post, self._at)
        if gap is None or gap.last is None or gap.since is None:
            return False
        if gap.last.cause not in ("died", "incapacitated"):
            return False
        if self._at - gap.since > timedelta(days=self._rules.incapacity_grace_days):
            return False
        self._flags.append("incapacitated")
        cited = (gap.last.appointment.event, *((gap.last.ended_by,) if gap.last.ended_by else ()))
        self._add("noted", gap.last.cause, gap.last.person, post, cited)
        return True

    def _climb(self, post: PostRef) -> None:
        """Hop by hop up the management line until somebody is effective (R7)."""
        unit = self._path[-1].unit
        for step in self._organisation.line(post, self._at):
            found = self._organisation.effective(step.post, self._at)
            hop = self._hop(step.post, found)
            self._path.append(msgspec.structs.replace(hop, events=(*step.events, *hop.events)))
            if found.exercises is not None:
                self._add("direct", "vacancy", found.exercises, step.post, found.events)
                self._note_the_leaver(post)
                return
        self._flags.append("nobody_found")
        self._persons.append(Responsible(role="direct", ground="nobody_found", unit=unit))
        self._note_the_leaver(post)

    def _note_the_leaver(self, post: PostRef) -> None:
        """Who left the post empty is noted, and how long ago (ruling 2)."""
        gap = self._organisation.gap(post, self._at)
        if gap is None or gap.last is None:
            return
        last = gap.last
        cited = (last.appointment.event, *((last.ended_by,) if last.ended_by else ()))
        self._add("noted", "left_the_post_empty", last.person, post, cited)

    # --- R8: management, on a stated ground only -----------------------------------------------

    def management(self) -> None:
        """The grounds that the obligation's own history shows."""
        self._long_vacancy()
        for view in self._assessment.reliefs:
            if view.standing == "undecided":
                self._superior_at_due("relief_undecided", view.events)
            elif view.standing == "refused_late" or view.asked_in_time:
                self._superior_at_due("relief_decided_late", view.events, view.granted_by)

    def _long_vacancy(self) -> None:
        """A post left empty too long with no interim is its superior's own omission (R8 a)."""
        post = self._path[-1].post if len(self._path) == 1 else self._obligation.post
        gap = self._organisation.gap(post, self._at)
        if gap is None or gap.since is None or "incapacitated" in self._flags:
            return
        if any(one.ground == "acting" for one in self._persons):
            return
        calendar = self._history.calendar
        row = self._organisation.units.get(self._obligation.unit)
        zone = row.zone if row else "UTC"
        empty = calendar.working_days_between(local_day(gap.since, zone), local_day(self._at, zone))
        if empty > self._rules.vacancy_working_days:
            self._flags.append("long_vacancy")
            self._superior_at_due("long_vacancy", (), post=post)

    def _superior_at_due(
        self,
        ground: str,
        events: tuple[EventId, ...],
        decider: str | None = None,
        post: PostRef | None = None,
    ) -> None:
        """The effective person of the deciding post, else of the nearest superior with one."""
        if decider is not None:
            person = self._organisation.effective(PostRef(decider), self._at).exercises
            self._add("management", ground, person, PostRef(decider), events)
            return
        for step in self._organisation.line(post or self._obligation.post, self._at):
            person = self._organisation.effective(step.post, self._at).exercises
            if person is not None:
                self._add("management", ground, person, step.post, (*events, *step.events))
                return

    def issuer(self) -> None:
        """A duty issued too late is its issuer's failure (ruling 59)."""
        duty = self._history.rows["duty"].get(self._obligation.duty)
        revision = self._obligation.duty_revision
        terms = (
            next((one for one in duty.terms if one.revision == revision), None) if duty else None
        )
        if terms is None:
            return
        person = self._organisation.effective(terms.owner, terms.received_at).exercises
        self._add("management", "short_notice", person, terms.owner, (terms.event,))

    def _add(
        self,
        role: str,
        ground: str,
        person: PersonRef | None,
        post: PostRef,
        events: tuple[EventId, ...],
    ) -> None:
        self._persons.append(
            Responsible(role=role, ground=ground, person=person, post=post, events=events)
        )
