"""Making demands: forms, duties with their revisions and assignments, and the rule set.

A duty belongs to its owner post, which may demand from its own unit and everything below it on
the management line; nobody may demand upwards. What is open already is never changed by these.
Read next: `ledger/model/expectation.py`, which says who owes what under a duty's terms.
"""

from datetime import date, datetime

from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Conflict, FieldProblem, Invalid, NotAllowed, NotFound
from ledger.events import duties as d
from ledger.model.authority import (
    exercises,
    is_operator,
    post_boundary,
    require_operator,
    require_post,
    units_above,
)
from ledger.model.duties import Duty, Terms
from ledger.model.duty_limits import (
    code_problems,
    date_problems,
    demand_problems,
    field_problems,
    parameter_problems,
    title_problems,
)
from ledger.model.history import RULES_KEY, History, about
from ledger.model.rules import ALGORITHM
from ledger.vocabulary import (
    Cadence,
    DutyId,
    FormId,
    FormRef,
    Instant,
    Level,
    PostRef,
    Power,
    Reason,
    RulesId,
    Stage,
    UnitId,
    UnitRef,
)


class PublishForm(Command, frozen=True, kw_only=True):
    """Publish a report's fields, or a new version of them; numbers count up from 1."""

    form: FormId
    title_zh: str
    title_en: str
    fields: tuple[d.FormField, ...]
    by: PostRef | None = None

    def boundary(self, history: History) -> list[Selector]:
        """The form's versions, and the post that publishes."""
        asked = [about("form", self.form)]
        if self.by is not None:
            asked.extend(post_boundary(history, self.by))
        return asked

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`form.published`; open obligations accept either version within their period (60)."""
        if not is_operator(context):
            if self.by is None:
                raise NotAllowed("say in `by` in which post you publish this form")
            require_post(history, context, self.by, Power.APPROVALS)
        problems = [
            *code_problems("form", self.form),
            *title_problems(self.title_zh, self.title_en),
        ]
        problems.extend(field_problems(self.fields))
        if problems:
            raise Invalid(fields=tuple(problems))
        known = history.rows["form"].get(self.form)
        fact = d.FormPublished(
            form=self.form,
            revision=known.latest().revision + 1 if known and known.revisions else 1,
            title_zh=self.title_zh,
            title_en=self.title_en,
            fields=self.fields,
        )
        return [Draft(fact=fact)]


class _State(Command, frozen=True, kw_only=True):
    """A duty's whole description."""

    duty: DutyId
    title_zh: str
    title_en: str
    form: FormRef
    cadence: Cadence
    due: d.DueRule
    owner: PostRef
    scope: UnitRef
    levels: tuple[Level, ...]
    stages: tuple[Stage, ...] = ()
    post_role: str = "head"
    owed_by_level: Level | None = None
    expectation: d.ExpectationPolicy = "alive_at_due"
    final_report: bool = False
    first_period: date | None = None
    effective_from: Instant | None = None

    def boundary(self, history: History) -> list[Selector]:
        """The duty, its form, its owner, and where the scope stands."""
        asked = [about("duty", self.duty), about("form", FormId(self.form))]
        asked.extend(post_boundary(history, self.owner))
        asked.extend(about("unit", unit) for unit in units_above(history, self.scope))
        known = history.rows["duty"].get(self.duty)
        if known is not None and known.terms:
            asked.extend(post_boundary(history, known.latest().owner))
        return asked

    def _check(self, history: History, context: Context) -> None:
        problems = [
            *code_problems("duty", self.duty),
            *title_problems(self.title_zh, self.title_en),
        ]
        problems.extend(demand_problems(self))
        problems.extend(date_problems("first_period", self.first_period, context.received_at))
        problems.extend(date_problems("effective_from", self.effective_from, context.received_at))
        if self.form not in history.rows["form"]:
            problems.append(FieldProblem("form", f"there is no form {self.form!r}; publish it"))
        if self.owner not in history.rows["post"]:
            problems.append(FieldProblem("owner", f"there is no post {self.owner!r}"))
        if self.scope not in history.rows["unit"]:
            problems.append(FieldProblem("scope", f"there is no unit {self.scope!r}"))
        if problems:
            raise Invalid(fields=tuple(problems))
        own = history.rows["post"][self.owner].unit
        line = (self.scope, *history.organisation.ancestors(self.scope, context.received_at))
        if own not in line or not history.organisation.is_line(own):
            message = f"post {self.owner!r} stands neither in nor above {self.scope!r}"
            raise NotAllowed(f"{message} on the management line; demands go down it only")

    def _stated(self) -> dict[str, object]:
        return {
            name: getattr(self, name)
            for name in self.__struct_fields__
            if name not in ("duty", "effective_from")
        }


class PublishDuty(_State, frozen=True, kw_only=True):
    """Demand a report, from the first period that starts when this takes effect."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`duty.published`."""
        self._check(history, context)
        known = history.rows["duty"].get(self.duty)
        if known is not None and known.terms:
            raise Conflict(f"duty {self.duty!r} is published already; revise it instead")
        if not is_operator(context):
            require_post(history, context, self.owner, Power.APPROVALS)
        fact = d.DutyPublished(duty=self.duty, **self._stated())  # type: ignore[arg-type]
        return [Draft(fact=fact, effective_from=self.effective_from)]


class ReviseDuty(_State, frozen=True, kw_only=True):
    """State the duty anew, for periods that start from now on; its present owner decides."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`duty.revised`, numbered after the newest revision."""
        self._check(history, context)
        before = _owned(history, context, self.duty).latest()
        fact = d.DutyRevised(
            duty=self.duty,
            revision=before.revision + 1,
            **self._stated(),  # type: ignore[arg-type]
        )
        return [Draft(fact=fact, effective_from=self.effective_from)]


class _Change(Command, frozen=True, kw_only=True):
    """Something that the owner of a duty says about it."""

    duty: DutyId

    def boundary(self, history: History) -> list[Selector]:
        """The duty and its owner."""
        asked = [about("duty", self.duty)]
        known = history.rows["duty"].get(self.duty)
        if known is not None and known.terms:
            asked.extend(post_boundary(history, known.latest().owner))
        return asked


class RetireDuty(_Change, frozen=True, kw_only=True):
    """Demand nothing any more by this duty; what is open stays owed."""

    effective_from: Instant | None = None

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`duty.retired`."""
        _check_date(self.effective_from, context)
        row = _owned(history, context, self.duty)
        if row.retirements:
            raise Conflict(f"duty {self.duty!r} is retired already")
        return [Draft(fact=d.DutyRetired(duty=self.duty), effective_from=self.effective_from)]


class _Assign(_Change, frozen=True, kw_only=True):
    unit: UnitId
    effective_from: Instant | None = None

    def boundary(self, history: History) -> list[Selector]:
        """The duty, its owner, the unit and all above it."""
        asked = super().boundary(history)
        asked.extend(about("unit", unit) for unit in units_above(history, self.unit))
        return asked

    def _check(self, history: History, context: Context, *, assigned: bool) -> Terms:
        _check_date(self.effective_from, context)
        terms = _owned(history, context, self.duty).latest()
        history.unit(self.unit)
        own = history.rows["post"][terms.owner].unit
        organisation = history.organisation
        if own not in (self.unit, *organisation.ancestors(self.unit, context.received_at)):
            raise NotAllowed(f"the duty's owner does not stand above unit {self.unit!r}")
        said = [one for one in history.duty(self.duty).assignments if one.unit == self.unit]
        if said and max(said, key=lambda one: one.position).assigned is assigned:
            raise Conflict(f"unit {self.unit!r} stands so already for duty {self.duty!r}")
        return terms


class AssignDuty(_Assign, frozen=True, kw_only=True):
    """Put a unit under the duty that its levels and stages would leave out."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`duty.assigned`, for periods that start from then on."""
        self._check(history, context, assigned=True)
        fact = d.DutyAssigned(duty=self.duty, unit=self.unit)
        return [Draft(fact=fact, effective_from=self.effective_from)]


class UnassignDuty(_Assign, frozen=True, kw_only=True):
    """Take a unit from under the duty; what is open stays owed."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`duty.unassigned`, for periods that start from then on."""
        self._check(history, context, assigned=False)
        fact = d.DutyUnassigned(duty=self.duty, unit=self.unit)
        return [Draft(fact=fact, effective_from=self.effective_from)]


class LinkDuty(_Change, frozen=True, kw_only=True):
    """Let one submission discharge this duty and another that asks for the same (ruling 58)."""

    duplicate_of: DutyId

    def boundary(self, history: History) -> list[Selector]:
        """Both duties, and the owner of the one that gives way."""
        return [*super().boundary(history), about("duty", self.duplicate_of)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`duty.linked`; the forms and cadences must be the same, or one could not do for both."""
        row = _owned(history, context, self.duty)
        other = history.duty(self.duplicate_of)
        if self.duty == self.duplicate_of:
            raise Invalid.field("duplicate_of", "name another duty")
        if any(one.other == self.duplicate_of for one in row.links):
            raise Conflict(f"{self.duty!r} and {self.duplicate_of!r} are linked already")
        mine, its = row.latest(), other.latest()
        if (mine.cadence, mine.form) != (its.cadence, its.form):
            raise Invalid.field("duplicate_of", "asks by another cadence or form; align them first")
        return [Draft(fact=d.DutyLinked(duty=self.duty, duplicate_of=self.duplicate_of))]


class ObjectDuty(Command, frozen=True, kw_only=True):
    """Hold, for a unit, that a duty asks twice for the same, or asks the wrong unit."""

    duty: DutyId
    unit: UnitId
    post: PostRef
    reason: Reason
    duplicate_of: DutyId | None = None

    def boundary(self, history: History) -> list[Selector]:
        """Both duties, the unit, and the post in which the objection is made."""
        asked = [about("duty", self.duty), about("unit", self.unit)]
        if self.duplicate_of is not None:
            asked.append(about("duty", self.duplicate_of))
        return [*asked, *post_boundary(history, self.post)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`duty.objected`; only a post of the unit itself objects for it."""
        _known(history, self.duty)
        if self.duplicate_of is not None:
            _known(history, self.duplicate_of)
        history.unit(self.unit)
        standing = require_post(history, context, self.post, Power.REPORTING)
        if history.rows["post"][self.post].unit != self.unit:
            raise NotAllowed(f"post {self.post!r} is not in unit {self.unit!r}")
        fact = d.DutyObjected(duty=self.duty, unit=self.unit, duplicate_of=self.duplicate_of)
        behalf = standing.on_behalf_of(self.post)
        return [Draft(fact=fact, reason=self.reason, on_behalf_of=behalf)]


class ActivateRules(Command, frozen=True, kw_only=True):
    """Put a rule set in force for obligations opened from now on (docs/rules.md R12)."""

    parameters: dict[str, int | str]
    algorithm: int = ALGORITHM

    def boundary(self, history: History) -> list[Selector]:
        """Every rule set activated so far."""
        del history
        return [about("rules", RULES_KEY)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`rule_set.activated`, numbered after the last; unnamed parameters have their defaults."""
        require_operator(context, "activate a rule set")
        problems = list(parameter_problems(self.parameters))
        if not 1 <= self.algorithm <= ALGORITHM:
            problems.append(FieldProblem("algorithm", f"1 to {ALGORITHM} are known"))
        if problems:
            raise Invalid(fields=tuple(problems))
        fact = d.RuleSetActivated(
            rules=RulesId(RULES_KEY),
            revision=history.rules().revision + 1,
            algorithm=self.algorithm,
            parameters=self.parameters,
        )
        return [Draft(fact=fact)]


# --- checks ------------------------------------------------------------------------------------


def _check_date(effective_from: datetime | None, context: Context) -> None:
    problems = tuple(date_problems("effective_from", effective_from, context.received_at))
    if problems:
        raise Invalid(fields=problems)


def _known(history: History, duty: DutyId) -> Duty:
    row = history.duty(duty)
    if not row.terms:
        raise NotFound(f"duty {duty!r} was entered by mistake; check the identifier")
    return row


def _owned(history: History, context: Context, duty: DutyId) -> Duty:
    row = _known(history, duty)
    owner = row.latest().owner
    if not is_operator(context) and exercises(history, context, owner, Power.APPROVALS) is None:
        raise NotAllowed(f"duty {duty!r} belongs to post {owner!r}; ask whoever holds it")
    return row
