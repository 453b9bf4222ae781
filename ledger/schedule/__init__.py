"""What the passing of time demands: pure plans, made from a history and recorded by others.

`agenda.py` keeps work until its instant comes, `drafting.py` words the facts and gives them ids
that anybody derives alike, `planner.py` decides. Read next: `ledger/clock.py`, which records.
"""

from ledger.schedule.drafting import Planned, clock_context
from ledger.schedule.planner import Planner

__all__ = ["Planned", "Planner", "clock_context"]
