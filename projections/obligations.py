"""Obligations: the dossier of each, found by unit or by period and duty.

Nothing is judged here, so nothing here depends on the clock: `standpoint.py` asks the verdict.
A period belongs to the range of days that holds its last day, hence the indexes: a subtree is
read unit by unit, the whole network by its days.
"""

from typing import Final

from ledger.model.obligations import Obligation
from projections.dossiers import DossierProjection, Shape
from projections.tables import Table

OBLIGATION: Final = Table(
    "obligation",
    Obligation,
    key=("obligation",),
    indexed=(("unit", "period_end"), ("period_end", "duty")),
)

OBLIGATIONS: Final = DossierProjection(
    "obligations", version=3, shapes={"obligation": Shape(OBLIGATION)}
)
