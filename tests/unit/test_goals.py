"""Goals: a median against its bound, and turns that favour nobody."""

import msgspec

from api.bench.contest import alternate, ratios, table
from api.bench.goal import at_least, at_most


def test_a_goal_holds_by_its_median() -> None:
    """One bad round does not break a goal, and one good round does not save it."""
    assert at_least("fast", 2.0, [0.5, 2.0, 9.0]).holds
    assert not at_least("fast", 2.0, [1.9, 1.0, 9.0]).holds
    assert at_most("flat", 1.3, [1.0, 1.3, 9.0]).holds
    assert not at_most("flat", 1.3, [1.0, 1.31, 9.0]).holds


def test_a_goal_is_one_line_of_json() -> None:
    """Only the bound that is meant is printed."""
    line = msgspec.json.encode(at_least("fast", 2.0, [1.0, 3.0, 4.0]))

    assert line == (b'{"goal":"fast","ratio":3.0,"at_least":2.0,"holds":true,"spread":[1.0,4.0]}')
    assert b"at_least" not in msgspec.json.encode(at_most("flat", 1.0, [1.0]))


def test_contestants_take_turns() -> None:
    """Each measures once a round, and each round begins with another."""
    order: list[str] = []

    def contestant(name: str, rate: float) -> float:
        order.append(name)
        return rate

    rates = alternate(3, {"a": lambda: contestant("a", 4), "b": lambda: contestant("b", 2)})

    assert order == ["a", "b", "b", "a", "a", "b"]
    assert ratios(rates, "a", "b") == [2, 2, 2]
    assert table("t", "events/s", {"case": rates}).splitlines()[1].split()[0] == "a"
