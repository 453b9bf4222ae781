"""The planted cases: one failure (or narrow escape) for each ruling that the rules distinguish.

They happen in five sub-branches of Sichuan, at every scale alike. Each names its obligation, the
ruling of the rule set (docs/rules.md), what happens, and the answer that the rules must give,
worked out by hand; the printed summary, a test, and the manual read them from here.
Read next: `plot.py`, then any of the others.
"""

from api.demo.cases import gate, people, relief, units
from api.demo.cases.plot import Case, Expected, Plot, Who
from api.demo.network import Network

__all__ = ["Case", "Expected", "Plot", "Who", "plant"]


def plant(network: Network) -> Plot:
    """Every case, with the acts that bring it about and the obligations that these answer."""
    plot = Plot(network)
    for chapter in (people.CASES, relief.CASES, gate.CASES, units.CASES):
        for tell in chapter:
            tell(plot)
    assert len({one.code for one in plot.cases}) == len(plot.cases), "each case has its own code"
    return plot
