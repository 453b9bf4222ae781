"""Duties and forms, with every revision they have had; `calendar.py` has the rules beside them."""

from typing import Final

from ledger.model.duties import Duty, Form
from projections.dossiers import DossierProjection, Shape
from projections.tables import Table

DUTY: Final = Table("duty", Duty, key=("duty",), indexed=((),))
FORM: Final = Table("form", Form, key=("form",), indexed=((),))

DUTIES: Final = DossierProjection(
    "duties", version=1, shapes={"duty": Shape(DUTY), "form": Shape(FORM)}
)
