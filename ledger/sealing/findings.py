"""What can be wrong between a log and its database, said so that an operator knows what to do.

The first word names the case: ROLLBACK (the database ends before what was signed), FORK (it goes
on, but differently), EDITED (a single row is not what it was). Whoever finds one stops: the sealer
signs nothing more and stops every writer, a writer records nothing.
Read next: `ledger/sealing/guard.py`.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Protocol

from ledger.errors import LogStopped, NotFound, TileError
from ledger.sealing.tiles import TileTree

# Callers of the API read this too, so it names no folder of ours.
_SET_BACK = (
    "; the database was set back behind {}: write its missing facts with `ledger restore "
    "--from-log`, or bring the right one back"
)
_WAYS_OUT = (
    "keep it as evidence and restore into a fresh one with `ledger restore --from-log`, or bring "
    "the right one back and run `ledger log resume`"
)


class Rows(Protocol):
    """The leaf hashes that the database holds."""

    def leaf(self, position: int) -> bytes | None:
        """The leaf hash of a row; None where there is none."""

    def leaves(self, after: int, until: int) -> Iterable[list[bytes]]:
        """The leaf hashes of a range, page by page."""


def rollback(head: int, size: int) -> LogStopped:
    """The database ends before what was signed."""
    return LogStopped(
        f"ROLLBACK: head {head} < checkpoint {size}{_SET_BACK.format('what is signed')} and run "
        "`ledger log resume`"
    )


def lost(head: int, position: int) -> LogStopped:
    """The database ends before what a writer has answered for."""
    answered = "what this service has answered for"
    return LogStopped(
        f"ROLLBACK: head {head} < position {position}{_SET_BACK.format(answered)}, then start "
        "this service again"
    )


def replaced(position: int) -> LogStopped:
    """Another fact stands where a writer has answered for one."""
    return LogStopped(
        f"FORK at or before {position}: the database holds another entry there than the one that "
        f"this service has answered for; {_WAYS_OUT}, then start this service again"
    )


def fork(size: int, tree: TileTree | None, rows: Rows) -> LogStopped:
    """The rows are not those that were signed; the first that differs is named if tiles tell."""
    try:
        position = None if tree is None else first_difference(tree, rows)
    except (NotFound, TileError):
        position = None
    if position is None:
        return LogStopped(
            f"FORK at or before {size}: the rows give another root than the one that was sealed "
            f"for checkpoint {size}, and no tile tells where; {_WAYS_OUT}"
        )
    return LogStopped(
        f"FORK at {position}: from there on the database holds other entries than those sealed "
        f"up to checkpoint {size}; {_WAYS_OUT}"
    )


def two_roots(size: int, one: str, other: str) -> LogStopped:
    """Two records of what was sealed contradict each other."""
    return LogStopped(
        f"FORK at or before {size}: {one} and {other} name two roots for size {size}; find out "
        f"which is the log that was published; {_WAYS_OUT}"
    )


def edited(position: int, how: str) -> LogStopped:
    """A row is not what was recorded there."""
    return LogStopped(
        f"EDITED at {position}: {how}; find out who changed the database, put the row back (its "
        "entry stands in the log's bundle, an export or a backup) and run `ledger log resume`, or "
        "restore into a fresh database with `ledger restore --from-log`"
    )


def first_difference(tree: TileTree, rows: Rows) -> int | None:
    """The first position whose row is not its leaf; None when there is none.

    By halving: two histories that have parted do not meet again, for entries name their position
    and time. Where the last row agrees, single rows were changed, and every row is compared.
    """
    if rows.leaf(tree.size) == tree.leaf(tree.size - 1):
        leaves = chain.from_iterable(rows.leaves(0, tree.size))
        return next((n + 1 for n, leaf in enumerate(leaves) if leaf != tree.leaf(n)), None)
    same, differs = 0, tree.size
    while differs - same > 1:
        middle = (same + differs) // 2
        if rows.leaf(middle) == tree.leaf(middle - 1):
            same = middle
        else:
            differs = middle
    return differs
