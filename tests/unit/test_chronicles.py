"""Versions in memory: as of any position the row that held, however it came to be known."""

from hypothesis import given
from hypothesis import strategies as st

from projections.figures.chronicles import Chronicle, Told, told_by

KEYS = ("a", "b", "c")

Version = tuple[str, str, int, int | None]


def held(versions: list[Version], position: int) -> dict[str, str]:
    """The rows that hold as of a position, by their own bounds."""
    return {
        key: row
        for key, row, since, until in versions
        if since <= position and (until is None or position < until)
    }


def versions_of(changes: list[tuple[str, bool]]) -> list[Version]:
    """At each position from 1 on a key is given another row, or taken away."""
    found: list[Version] = []
    for position, (key, there) in enumerate(changes, start=1):
        for place, (name, row, since, until) in enumerate(found):
            if name == key and until is None:
                found[place] = (name, row, since, position)
        if there:
            found.append((key, f"{key}{position}", position, None))
    return found


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.booleans()), max_size=24), st.data())
def test_it_holds_what_the_versions_hold(
    changes: list[tuple[str, bool]], data: st.DataObject
) -> None:
    """Known at once or in two parts, with rows taken away and given again in between."""
    whole = versions_of(changes)
    cut = data.draw(st.integers(0, len(changes)))
    first = versions_of(changes[:cut])
    later = [one for one in whole if one[3] is None or one[3] > cut]

    at_once = Chronicle(told_by(whole))
    in_parts = Chronicle(told_by(first)).tell(told_by(later, since=cut))

    for position in range(len(changes) + 2):
        assert at_once.at(position) == held(whole, position)
        assert in_parts.at(position) == held(whole, position)


def test_between_two_changes_the_place_is_one() -> None:
    """So that what was laid out for one position serves for all up to the next change."""
    known = Chronicle([Told(3, "a", "x"), Told(7, "b", "y")])

    assert [known.place(position) for position in (1, 3, 6, 7, 9)] == [0, 1, 1, 2, 2]
    assert [known.last(position) for position in (1, 3, 6, 7, 9)] == [0, 3, 3, 7, 7]
    assert len(known) == 2
