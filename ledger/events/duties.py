"""Duties (standing demands), obligations (their instances), and relief from them.

A duty is data and versioned; an obligation stores what it was opened with, so that rules, forms
and calendars never reach back (docs/rules.md R12).
"""

from datetime import date, datetime
from typing import ClassVar, Literal

import msgspec

from ledger.events.fact import Fact
from ledger.vocabulary import (
    Cadence,
    DutyId,
    DutyRef,
    ExtensionId,
    FormId,
    FormRef,
    Level,
    ObligationId,
    PostId,
    PostRef,
    RulesId,
    Stage,
    UnitId,
    UnitRef,
    WaiverId,
)

FieldKind = Literal["integer", "decimal", "text", "date", "choice", "boolean"]
ExpectationPolicy = Literal["alive_at_due", "any_overlap", "whole_period"]


class DutyFact(Fact, frozen=True, kw_only=True):
    """A fact that says what a duty is, apart from the obligations it opens."""

    DOSSIERS: ClassVar[tuple[str, ...]] = ("duty",)


class FormField(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of a report: its code, kind and both labels; `personal` fields are sealed."""

    code: str
    kind: FieldKind
    label_zh: str
    label_en: str
    required: bool = True
    personal: bool = False
    unit: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()


class DueRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """When an instance is due, as local wall time in the unit's zone (docs/rules.md R3).

    `working_days` n >= 1: the nth working day after the period's end; 0: the period's last day,
    or the next working day. A `time` to the minute includes that minute.
    """

    working_days: int
    time: str = "18:00"


class FormPublished(Fact, frozen=True, kw_only=True):
    """A version of a report's fields; either version is accepted until the period ends (60)."""

    TOPIC: ClassVar[str] = "form.published"
    form: FormId
    revision: int
    title_zh: str
    title_en: str
    fields: tuple[FormField, ...]


class DutyTerms(DutyFact, frozen=True, kw_only=True):
    """A standing demand of kind report: who reports what, how often, due when, in which stages.

    It applies to every unit below `scope` on the management line with one of `levels` (and, for
    outlets, one of `stages`), plus units assigned, minus units unassigned. `post_role` of the
    unit owes it; where `owed_by_level` is given, the post of that role in the nearest unit of that
    level above owes it instead (rulings 32 and 33).
    """

    duty: DutyId
    title_zh: str
    title_en: str
    form: FormRef
    cadence: Cadence
    due: DueRule
    owner: PostRef
    scope: UnitRef
    levels: tuple[Level, ...]
    stages: tuple[Stage, ...] = ()
    post_role: str = "head"
    owed_by_level: Level | None = None
    expectation: ExpectationPolicy = "alive_at_due"
    final_report: bool = False
    first_period: date | None = None


class DutyPublished(DutyTerms, frozen=True, kw_only=True):
    """A standing demand of kind report begins, under these terms."""

    TOPIC: ClassVar[str] = "duty.published"


class DutyRevised(DutyTerms, frozen=True, kw_only=True):
    """The duty in its new shape, for obligations opened from now on."""

    TOPIC: ClassVar[str] = "duty.revised"
    revision: int


class DutyRetired(DutyFact, frozen=True, kw_only=True):
    """The duty opens nothing any more; what is open stays owed."""

    TOPIC: ClassVar[str] = "duty.retired"
    duty: DutyId


class DutyAssigned(DutyFact, frozen=True, kw_only=True):
    """A duty applies to a unit that its levels and stages would not include."""

    TOPIC: ClassVar[str] = "duty.assigned"
    duty: DutyId
    unit: UnitId


class DutyUnassigned(DutyFact, frozen=True, kw_only=True):
    """A duty does not apply to a unit from now on; obligations already opened stay owed."""

    TOPIC: ClassVar[str] = "duty.unassigned"
    duty: DutyId
    unit: UnitId


class DutyLinked(DutyFact, frozen=True, kw_only=True):
    """One submission discharges both duties for the same unit and period (ruling 58)."""

    TOPIC: ClassVar[str] = "duty.linked"
    duty: DutyId
    duplicate_of: DutyId


class DutyObjected(DutyFact, frozen=True, kw_only=True):
    """An obligor holds that a duty asks twice for the same; the owner post answers."""

    TOPIC: ClassVar[str] = "duty.objected"
    duty: DutyId
    unit: UnitId
    duplicate_of: DutyRef | None = None


class ObligationOpened(Fact, frozen=True, kw_only=True):
    """One instance of a duty is owed: by which post, for which period, due when, and why.

    `due` is an exclusive UTC instant; `nominal_due` is the same before grace; a `provisional` due
    was computed without the published calendar of its year (ruling 39).
    """

    TOPIC: ClassVar[str] = "obligation.opened"
    obligation: ObligationId
    duty: DutyId
    duty_revision: int
    unit: UnitId
    post: PostId
    period: str
    period_start: date
    period_end: date
    due: datetime
    nominal_due: datetime
    form: FormRef
    form_revision: int
    rules: int
    calendar_revision: int
    stage: Stage | None = None
    provisional: bool = False
    grace_working_days: int = 0
    informational: bool = False
    short_notice: bool = False


class ObligationDueRevised(Fact, frozen=True, kw_only=True):
    """A due instant moved later (never earlier), for a stated cause and document."""

    TOPIC: ClassVar[str] = "obligation.due_revised"
    obligation: ObligationId
    due: datetime
    cause: str
    document: str | None = None


class ObligationDueConfirmed(Fact, frozen=True, kw_only=True):
    """A provisional due became definite when its calendar was published; never earlier."""

    TOPIC: ClassVar[str] = "obligation.due_confirmed"
    obligation: ObligationId
    due: datetime
    calendar_revision: int


class ObligationCancelled(Fact, frozen=True, kw_only=True):
    """An instance is no longer owed (`unit_closed`, `not_expected`, `suspended`, `duplicate`)."""

    TOPIC: ClassVar[str] = "obligation.cancelled"
    obligation: ObligationId
    cause: str
    replaced_by: ObligationId | None = None


class ObligationMissed(Fact, frozen=True, kw_only=True):
    """A notice that a due instant passed without a valid submission; verdicts never read it."""

    TOPIC: ClassVar[str] = "obligation.missed"
    obligation: ObligationId
    post: PostId
    due: datetime


class ObligationMissWithdrawn(Fact, frozen=True, kw_only=True):
    """A notice that later facts proved wrong is withdrawn."""

    TOPIC: ClassVar[str] = "obligation.miss_withdrawn"
    obligation: ObligationId
    post: PostId
    due: datetime
    cause: str


class ExtensionRequested(Fact, frozen=True, kw_only=True):
    """The obligor asks for a later due, before or after it."""

    TOPIC: ClassVar[str] = "extension.requested"
    extension: ExtensionId
    obligation: ObligationId
    post: PostId
    requested_due: datetime


class ExtensionGranted(Fact, frozen=True, kw_only=True):
    """An authority on the management line (or the duty's owner) gives until `due`."""

    TOPIC: ClassVar[str] = "extension.granted"
    extension: ExtensionId
    obligation: ObligationId
    due: datetime
    granted_by: PostRef


class ExtensionRefused(Fact, frozen=True, kw_only=True):
    """The authority says no; the submitter still gets a working day after a late refusal."""

    TOPIC: ClassVar[str] = "extension.refused"
    extension: ExtensionId
    obligation: ObligationId
    refused_by: PostRef


class ExtensionWithdrawn(Fact, frozen=True, kw_only=True):
    """The obligor takes the request back."""

    TOPIC: ClassVar[str] = "extension.withdrawn"
    extension: ExtensionId
    obligation: ObligationId


class WaiverRequested(Fact, frozen=True, kw_only=True):
    """The obligor asks not to owe this instance at all."""

    TOPIC: ClassVar[str] = "waiver.requested"
    waiver: WaiverId
    obligation: ObligationId
    post: PostId


class WaiverGranted(Fact, frozen=True, kw_only=True):
    """An authority waives the instance; before the due it leaves the denominator (ruling 24)."""

    TOPIC: ClassVar[str] = "waiver.granted"
    waiver: WaiverId
    obligation: ObligationId
    granted_by: PostRef


class WaiverRefused(Fact, frozen=True, kw_only=True):
    """The authority does not waive the instance."""

    TOPIC: ClassVar[str] = "waiver.refused"
    waiver: WaiverId
    obligation: ObligationId
    refused_by: PostRef


class WaiverRevoked(Fact, frozen=True, kw_only=True):
    """A waiver is taken back before the due; after it, it stands."""

    TOPIC: ClassVar[str] = "waiver.revoked"
    waiver: WaiverId
    obligation: ObligationId
    revoked_by: PostRef


class LateChannelOpened(Fact, frozen=True, kw_only=True):
    """Late submission stays possible until `until`, by somebody's decision."""

    TOPIC: ClassVar[str] = "late_channel.opened"
    obligation: ObligationId
    until: datetime
    opened_by: PostRef


class LateChannelClosed(Fact, frozen=True, kw_only=True):
    """Late submission is over; what has not arrived is unreported (未报)."""

    TOPIC: ClassVar[str] = "late_channel.closed"
    obligation: ObligationId
    closed_by: PostRef


class ReliefAnnulled(Fact, frozen=True, kw_only=True):
    """A superior strikes out a grant that should not have been given (ruling 23)."""

    TOPIC: ClassVar[str] = "relief.annulled"
    obligation: ObligationId
    relief: str
    annulled_by: PostRef


class RuleSetActivated(Fact, frozen=True, kw_only=True):
    """The policy parameters in force for obligations opened from now on (docs/rules.md R12)."""

    TOPIC: ClassVar[str] = "rule_set.activated"
    rules: RulesId
    revision: int
    algorithm: int
    parameters: dict[str, int | str]
