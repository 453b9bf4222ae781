"""A line of units with their chiefs, to decide upon."""

import pytest

from ledger.decisions import organisation as do
from ledger.vocabulary import Sealed
from tests.deciding import LEVELS, NOW, Deciding
from tests.scenario import wall


@pytest.fixture
def ledger() -> Deciding:
    """A line from headquarters to the outlet O, a chief in every head post, and people to spare."""
    found = Deciding(wall("2020-01-01 00:00"))
    for person in ("ann", "bob", "eve", *(f"{unit.lower()}-chief" for unit in LEVELS)):
        found.operator(do.RegisterPerson(person=person, name=Sealed("0" * 64, person)))
    for unit, (level, parent) in LEVELS.items():
        found.operator(
            do.EstablishUnit(unit=unit, level=level, name_zh=unit, name_en=unit, parent=parent)
        )
        found.operator(
            do.EstablishPost(
                post=f"{unit}-head", unit=unit, role="head", title_zh="负责人", title_en="Head"
            )
        )
        found.operator(do.AppointHolder(post=f"{unit}-head", person=f"{unit.lower()}-chief"))
    found.now = wall(NOW)
    return found
