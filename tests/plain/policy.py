"""The numbers of the rules, each with the default that docs/rules.md states in brackets."""

import msgspec

from ledger.events.duties import RuleSetActivated
from tests.plain.facts import Facts


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Days are calendar days unless the name says working days."""

    preparing_months: int = 6
    new_months: int = 12
    first_period_grace_working_days: int = 5
    minimum_notice_working_days: int = 2
    settle_minutes: int = 2
    late_channel_working_days: int = 10
    upload_window_minutes: int = 60
    late_grant_working_days: int = 3
    refusal_grace_working_days: int = 1
    short_tenure_working_days: int = 3
    vacancy_working_days: int = 5
    acting_months_max: int = 6
    acting_replacements_max: int = 1
    incapacity_grace_days: int = 5
    outage_minutes_min: int = 60
    outage_window_hours: int = 4
    outage_due_time: str = "12:00"


def policy(facts: Facts, revision: int) -> Policy:
    """The rule set of a revision; 0 is what holds before any is activated (R12)."""
    activated = [one.fact for one in facts.of(RuleSetActivated) if one.fact.revision == revision]
    if not activated:
        return Policy()
    stated = activated[-1].parameters
    return msgspec.convert(
        {name: value for name, value in stated.items() if name in Policy.__struct_fields__},
        Policy,
    )


def current_revision(facts: Facts) -> int:
    """The rule set in force for what is opened now."""
    activated = facts.of(RuleSetActivated)
    return activated[-1].fact.revision if activated else 0
