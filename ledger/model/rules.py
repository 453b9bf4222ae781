"""The policy parameters of the rule set, each with the default that docs/rules.md states.

They are recorded by `rule_set.activated` and never reach back: an obligation keeps the revision
it was opened with (docs/rules.md R12). `algorithm` names the verdict's code; old ones stay.
"""

from typing import Final

import msgspec

from ledger.entry import Event
from ledger.events.duties import RuleSetActivated
from ledger.model.organisation import Ceiling
from ledger.model.outlets import StageLimits

ALGORITHM: Final = 1
"""The newest verdict algorithm that this program knows."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Days are calendar days unless the name says working days."""

    revision: int = 0
    algorithm: int = ALGORITHM
    settle_minutes: int = 2
    minimum_notice_working_days: int = 2
    first_period_grace_working_days: int = 5
    late_channel_working_days: int = 10
    extension_count_max: int = 2
    extension_working_days_max: int = 10
    late_grant_working_days: int = 3
    refusal_grace_working_days: int = 1
    short_tenure_working_days: int = 3
    vacancy_working_days: int = 5
    acting_months_max: int = 6
    acting_replacements_max: int = 1
    delegation_days_max: int = 30
    incapacity_grace_days: int = 5
    outage_minutes_min: int = 60
    outage_window_hours: int = 4
    outage_due_time: str = "12:00"
    correction_working_days: int = 3
    upload_window_minutes: int = 60
    preparing_months: int = 6
    new_months: int = 12
    event: str = ""
    position: int = 0

    @property
    def acting_ceiling(self) -> Ceiling:
        """How long, and how often replaced, interims may act in one vacancy (ruling 12)."""
        return Ceiling(self.acting_months_max, self.acting_replacements_max)

    @property
    def stage_limits(self) -> StageLimits:
        """How long outlets are preparing and new (R2)."""
        return StageLimits(self.preparing_months, self.new_months)


def rules_from(event: Event) -> Rules:
    """The rules that an activation put in force; unknown parameters are refused by the codec."""
    fact = event.fact
    assert isinstance(fact, RuleSetActivated)
    return msgspec.convert(
        {
            **fact.parameters,
            "revision": fact.revision,
            "algorithm": fact.algorithm,
            "event": event.id,
            "position": event.position,
        },
        Rules,
    )
