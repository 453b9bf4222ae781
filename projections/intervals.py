"""Which closed versions held at a position: a question a plain B-tree answers exactly.

A version holds in [valid_from, valid_to). An index on either end would read every version that
ended after, or began before, the position: the past would get dearer with every fact. So each
version also stores its fork: the one position inside it that is divisible by the highest power
of two. Positions hang below each other in a binary tree by that divisibility, so every version
that holds at a position has its fork on the path from the root to that position, and that path
has one node a bit. The question becomes some twenty equalities, at a thousand facts or a billion
(the relational interval tree of Kriegel, Pötke and Seidl, 2000).
"""


def fork_of(valid_from: int, valid_to: int) -> int:
    """The position in [valid_from, valid_to) that is divisible by the highest power of two."""
    bits = ((valid_from - 1) ^ (valid_to - 1)).bit_length() - 1
    return (valid_to - 1) >> bits << bits


def path_to(position: int, head: int) -> list[int]:
    """Every fork that a version holding at `position` can have, while none goes beyond `head`."""
    assert 0 < position <= head, "a path leads to a position that exists"
    lowest = (position & -position).bit_length() - 1
    return [
        position >> (level + 1) << (level + 1) | 1 << level
        for level in range(lowest, head.bit_length())
    ]
