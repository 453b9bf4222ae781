"""What the accountability review records; for now the one finding that the engine itself raises."""

from typing import ClassVar

from ledger.events.fact import Fact
from ledger.vocabulary import DutyId, PostId, UnitId


class FindingMissedDetected(Fact, frozen=True, kw_only=True):
    """An expectation was never opened: the platform's owner failed, not the unit (ruling 67)."""

    TOPIC: ClassVar[str] = "finding.missed_detected"
    finding: str
    duty: DutyId
    unit: UnitId
    period: str
    owner: PostId
