"""The benchmarks themselves, in short: that they run to the end and say what they promise."""

import importlib

import pytest

from api.bench import BENCHMARKS
from ledger.settings import Settings


@pytest.mark.benchmark
@pytest.mark.parametrize("module", BENCHMARKS.values(), ids=BENCHMARKS)
def test_a_benchmark_runs_and_states_its_goals(module: str, server_url: str) -> None:
    """Each measures something in every round; whether goals hold is for quiet machines."""
    settings = Settings(database_url=server_url)

    goals = importlib.import_module(module).run(settings, quick=True, show=lambda _: None)

    assert goals
    assert all(goal.spread[0] > 0 for goal in goals)
