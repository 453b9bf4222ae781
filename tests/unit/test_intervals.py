"""Forks and paths: an interval is found from every position inside it, and from no other."""

import pytest

from projections.intervals import fork_of, path_to

HEAD = 70


def test_every_position_inside_finds_the_fork() -> None:
    """The path to a position holds the fork of every interval around it, up to the head."""
    for since in range(1, HEAD):
        for until in range(since + 1, HEAD + 1):
            fork = fork_of(since, until)
            assert since <= fork < until
            for position in range(since, until):
                assert fork in path_to(position, HEAD)


def test_a_path_has_a_node_a_bit() -> None:
    """The path is as long as the head has bits, not as the history has versions."""
    assert len(path_to(10**7 + 1, 2 * 10**7)) == 25
    assert len(path_to(1, 10**12)) == 40


def test_there_is_no_path_beyond_the_head() -> None:
    """A position that was not reached has no path."""
    with pytest.raises(AssertionError):
        path_to(8, 7)
