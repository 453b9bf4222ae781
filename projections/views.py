"""Every view that this program keeps, for whoever runs a projector."""

from typing import Final

from projections.calendar import CALENDARS
from projections.duties import DUTIES
from projections.editions import EDITIONS
from projections.obligations import OBLIGATIONS
from projections.organisation import ORGANISATION
from projections.tables import Projection

VIEWS: Final[tuple[Projection, ...]] = (ORGANISATION, DUTIES, CALENDARS, EDITIONS, OBLIGATIONS)
