"""The rulings of docs/rules.md, one row a case, named by number."""

from tests.rulings.answering import ANSWERING
from tests.rulings.dues import DUES
from tests.rulings.moving import MOVING
from tests.rulings.receiving import RECEIVING
from tests.rulings.relieving import RELIEVING
from tests.rulings.reporting import REPORTING
from tests.rulings.ruling import Ruling

RULINGS: list[Ruling] = [*ANSWERING, *RELIEVING, *MOVING, *DUES, *RECEIVING, *REPORTING]
