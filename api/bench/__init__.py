"""Benchmarks: ours and its references, alternately in one run, as ratios that are promised.

`goal.py` says what a goal is, `contest.py` how contestants take turns; every other module is one
benchmark with a `run(settings, quick=, show=)`. Read next: `append.py`.
"""

import importlib
import sys
from pathlib import Path
from typing import Any, Final, Protocol, cast

import msgspec

from api.bench.contest import Show
from api.bench.goal import Goal
from ledger.errors import Invalid
from ledger.settings import Settings

BENCHMARKS: Final = {
    "append": "api.bench.append",
    "import": "api.bench.importing",
    "tags": "api.bench.tags",
    "project": "api.bench.project",
    "verify": "api.bench.verifying",
    "seal": "api.bench.sealing",
    "replay": "api.bench.replaying",
    "as-of": "api.bench.as_of",
    "rebuild": "api.bench.rebuilding",
    "scale": "api.bench.scale",
    "questions": "api.bench.questions",
}
"""The benchmarks by the name that `ledger bench` knows them by."""


class Benchmark(Protocol):
    """A module that measures something."""

    def run(self, settings: Settings, *, quick: bool, show: Show, **more: Any) -> list[Goal]:  # noqa: ANN401
        """Measure, show tables for people, answer the goals."""


def run(  # noqa: PLR0913  (what can be asked)
    settings: Settings,
    name: str,
    *,
    as_json: bool,
    quick: bool = False,
    facts: int | None = None,
    svg: Path | None = None,
) -> int:
    """Run one benchmark, or `all`; 1 when a goal does not hold, else 0.

    `facts` and `svg` are for `scale`: how far it goes, and where its curve is drawn.
    """
    if name != "all" and name not in BENCHMARKS:
        raise Invalid.field("name", f"known are all, {', '.join(BENCHMARKS)}")
    more = {key: one for key, one in (("facts", facts), ("svg", svg)) if one is not None}
    if more and name != "scale":
        raise Invalid.field("name", f"only scale has {', '.join(more)}")
    chosen = BENCHMARKS if name == "all" else {name: BENCHMARKS[name]}
    goals: list[Goal] = []
    for module in chosen.values():
        # Tables go where they disturb nobody who reads the goals as JSON.
        goals += _benchmark(module).run(settings, quick=quick, show=_tell, **more)
    for goal in goals:
        print(msgspec.json.encode(goal).decode() if as_json else _line(goal))  # noqa: T201
    return 0 if all(goal.holds for goal in goals) else 1


def _benchmark(module: str) -> Benchmark:
    return cast("Benchmark", importlib.import_module(module))


def _tell(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


def _line(goal: Goal) -> str:
    verdict = "holds" if goal.holds else "DOES NOT HOLD"
    bound = f"at least {goal.at_least}" if goal.at_most is None else f"at most {goal.at_most}"
    low, high = goal.spread
    return f"{verdict:13}  {goal.ratio:8.2f}x  ({bound}; {low} to {high})  {goal.goal}"
