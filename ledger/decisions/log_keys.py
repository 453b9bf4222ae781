"""Changing the key of the verifiable log, told in the log itself.

Whoever trusts only the older key reads here which key follows it, in entries that the older key
still signed. The private halves never come here: `ledger/sealing/keys.py` keeps them.
"""

from typing import Literal

from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Invalid, NotAllowed
from ledger.events.platform import KeyRotated
from ledger.model.history import History
from ledger.schedule.drafting import derived_id
from ledger.sealing.note import VerifierKey
from ledger.vocabulary import LogId, Via


class RotateLogKey(Command, frozen=True, kw_only=True):
    """Say that a newer key signs beside the older one (`begun`), or alone (`finished`)."""

    log: LogId
    stage: Literal["begun", "finished"]
    older: str
    newer: str

    def boundary(self, history: History) -> list[Selector]:
        """What was recorded of this log's keys."""
        del history
        return [Selector(tags=(f"log:{self.log}",))]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`key.rotated`, under an id that this step of this rotation has once."""
        del history
        if context.actor.via is not Via.OPERATOR:
            raise NotAllowed("only the operator changes the log's key, at the command line")
        keys = VerifierKey.parse(self.older), VerifierKey.parse(self.newer)
        for key in keys:
            if key.name != self.log:
                raise Invalid.field(
                    "newer", f"a key named {key.name} does not sign the log {self.log}"
                )
        if keys[0] == keys[1]:
            raise Invalid.field("newer", "is the older key; make a new one")
        fact = KeyRotated(log=self.log, stage=self.stage, older=self.older, newer=self.newer)
        step = derived_id(fact.TOPIC, f"{self.stage} {self.newer}")
        return [Draft(fact=fact, event_id=step)]
