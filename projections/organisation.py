"""The organisation as of any position: units, posts and persons, with all they have been."""

from typing import Final

from ledger.model.organisation import Person, Post, Unit
from projections.dossiers import DossierProjection, Shape
from projections.tables import Table

UNIT: Final = Table("unit", Unit, key=("unit",), indexed=((),))
POST: Final = Table("post", Post, key=("post",), indexed=(("unit",), ()))
PERSON: Final = Table("person", Person, key=("person",), indexed=((),))

ORGANISATION: Final = DossierProjection(
    "organisation",
    version=2,
    shapes={"unit": Shape(UNIT), "post": Shape(POST), "person": Shape(PERSON)},
)
