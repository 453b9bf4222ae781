"""Obligations: the dossier of each, found by unit, by duty, by post, or by period.

Nothing is judged here, so nothing here depends on the clock: `standpoint.py` asks the verdict.
A period belongs to the range of days that holds its last day, hence the indexes.
"""

from typing import Final

from ledger.model.obligations import Obligation
from projections.dossiers import DossierProjection, Shape
from projections.tables import Table

OBLIGATION: Final = Table(
    "obligation",
    Obligation,
    key=("obligation",),
    indexed=(
        ("unit", "period_end"),
        ("duty", "period_end"),
        ("post", "period_end"),
        ("period_end",),
    ),
)

OBLIGATIONS: Final = DossierProjection(
    "obligations", version=1, shapes={"obligation": Shape(OBLIGATION)}
)
