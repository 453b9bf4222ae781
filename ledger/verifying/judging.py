"""Who is wrong where an entry and its tile differ: the signed root decides.

When the entries hash to the root that was signed, a tile that differs was damaged. When the tiles
do, the entry was changed. Where some tiles are damaged and some entries changed, each tile is
asked for separately, by the tile above it; and the answer counts only if it reaches the root.
"""

from collections.abc import Mapping
from typing import Final

from ledger.merkle import root_of
from ledger.sealing.tiles import TILE_HEIGHT, TILE_WIDTH, TileId
from ledger.verifying.report import Fault
from ledger.verifying.sources import LogFiles
from ledger.verifying.stretches import Differing, Stretch, filed_hashes
from ledger.verifying.tree import Tree

WHO_IS_WRONG: Final = "neither the entries nor the tiles hash to the signed root"


DAMAGED: Final = "the tile does not hold this entry's hash: the tile is damaged"
CHANGED: Final = "{} is not the entry that was signed: it was changed"


class Judgement:
    """The tree that was signed, if it can be told, and what is wrong with everything else."""

    def __init__(
        self, tree: Tree, differing: Mapping[int, Differing], size: int, root: bytes
    ) -> None:
        self.tree = tree
        self.faults: list[Fault] = []
        self.certain = False
        self._differing = differing
        self._size = size
        self._root = root

    def decide(self, noun: str, above: "Uppers | None") -> None:
        """Find the signed tree; `noun` is what the entries were read from."""
        filed = {tile: one.filed for tile, one in self._differing.items()}
        trusted = {
            tile: hashes for tile, hashes in filed.items() if above and above.vouches(tile, hashes)
        }
        for changed in ({}, filed, trusted):
            tree = self.tree.replaced(changed)
            if self._is_signed(tree):
                for tile, one in self._differing.items():
                    self._blame(tile, one, CHANGED.format(noun) if tile in changed else DAMAGED)
                return
        if above is None or not self._decide_above(noun, above, self.tree.replaced(trusted)):
            self._give_up(noun)

    def _is_signed(self, tree: Tree) -> bool:
        if tree.root(self._size) == self._root:
            self.tree, self.certain = tree, True
        return self.certain

    def _decide_above(self, noun: str, above: "Uppers", tree: Tree) -> bool:
        """Whether the level above tells: entries that were changed together with their tile."""
        tops = above.differing(tree)
        if not self._is_signed(tree.replaced_tops(tops)):
            return False
        for tile, one in self._differing.items():
            self._blame(tile, one, CHANGED.format(noun))
        for tile in tops.keys() - self._differing.keys():
            first = tile * TILE_WIDTH + 1
            what = f"among the {TILE_WIDTH} entries from here on one was changed, and its tile too"
            self.faults.append(Fault(first, what))
        return True

    def _give_up(self, noun: str) -> None:
        for tile, one in self._differing.items():
            self._blame(tile, one, f"{noun} and its tile differ: {WHO_IS_WRONG}")
        computed = self.tree.root(self._size).hex()
        self.faults.append(
            Fault(
                None,
                f"the {self._size:,} entries hash to the root {computed}, and the checkpoint "
                f"says {self._root.hex()}: these are not the entries that were signed",
            )
        )

    def _blame(self, tile: int, one: Differing, what: str) -> None:
        self.faults.append(Fault(tile * TILE_WIDTH + one.place() + 1, what))


class Uppers:
    """The tiles of level 1 as filed: they vouch for those of level 0."""

    def __init__(self, files: LogFiles, size: int) -> None:
        self._files = files
        self._count = size // TILE_WIDTH
        self._kept: dict[int, list[bytes]] = {}

    def vouches(self, tile: int, hashes: list[bytes]) -> bool:
        """Whether the level above holds the hash over these; a partial tile has none above."""
        if tile >= self._count:
            return True
        return len(hashes) == TILE_WIDTH and root_of(hashes) == self.top(tile)

    def differing(self, tree: Tree) -> dict[int, bytes]:
        """The full tiles whose hash in this tree is another than here."""
        tops = ((tile, self.top(tile)) for tile in range(self._count))
        return {tile: top for tile, top in tops if top and top != tree.subtree(TILE_HEIGHT, tile)}

    def top(self, tile: int) -> bytes:
        """The hash over a full tile, as filed; nothing when it is missing."""
        index, place = divmod(tile, TILE_WIDTH)
        if index not in self._kept:
            width = min(TILE_WIDTH, self._count - index * TILE_WIDTH)
            self._kept[index] = filed_hashes(self._files, TileId(1, index, width), Stretch()) or []
        hashes = self._kept[index]
        return hashes[place] if place < len(hashes) else b""
