"""The fingerprint of a fold: a changed one under the same version number is found at the start.

Views answer for years, and a fold that was changed in silence would go on upon rows that the old
one made: half of a view would tell one story, half another, and no replay would agree. So each
build keeps the fingerprint of the fold that made it (`builds.py`), over everything that the fold
can reach (`reaching.py`) and all that its projection declares. Code that was only rewritten folds
alike; `folds.toml` says which fingerprints do, and a test keeps it complete.

Read next: CONTRIBUTING.md, "Changing a fold"; docs/decisions/0010-a-fold-has-a-fingerprint.md.
"""

import hashlib
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from ledger.codec import UPCASTERS
from projections.building.reaching import PACKAGES, Reach
from projections.tables import Projection, shape_of

REGISTER: Final = Path(__file__).with_name("folds.toml")


class Folds(msgspec.Struct, frozen=True):
    """The fingerprints that fold alike under one version of a projection, the newest last."""

    version: int
    alike: tuple[str, ...]


def fingerprint_of(projection: Projection) -> str:
    """SHA-256 (hex) of the projection's fold and declarations; the same on every machine."""
    kind = type(projection)
    reach = Reach(PACKAGES | {kind.__module__.partition(".")[0]})
    reach.follow_method(kind, "fold")
    # What the instance holds is what its fold asks: the dossiers' folds, the facts they hear of.
    reach.follow(vars(projection))
    reach.follow([table.row for table in projection.tables])
    reach.follow({key: lift for key, lift in UPCASTERS.items() if key[0] in projection.types})
    declared = (sorted(projection.types), shape_of(projection), sorted(reach.found.items()))
    return hashlib.sha256(msgspec.json.encode(declared)).hexdigest()


def fold_alike(projection: Projection, one: str, other: str) -> bool:
    """Whether rows that either fingerprint's fold made are those that the other would make."""
    if one == other:
        return True
    known = register().get(projection.name)
    return (
        known is not None and known.version == projection.version and {one, other} <= {*known.alike}
    )


@cache
def register() -> dict[str, Folds]:
    """`folds.toml`, by the projection's name."""
    text = REGISTER.read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Folds])
