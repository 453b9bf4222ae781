"""Finds code that nothing uses: vulture, which reads names, taught what is data here.

An annotated field of a class is data: it is written to entries, answers and pages by its name,
never by a line of Python, so fields do not count. What frameworks call is in
`dead_code_allowed.py`, a reason each. Run by `make check`.
"""

import ast
import sys
from pathlib import Path

from vulture import Vulture
from vulture.config import make_config
from vulture.core import Item


def fields(path: Path) -> set[int]:
    """The lines on which the classes of a module declare their fields."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {
        statement.lineno
        for one in classes
        for statement in one.body
        if isinstance(statement, ast.AnnAssign)
    }


def unused() -> list[Item]:
    """What no name in the project mentions, fields left out."""
    settings = make_config(argv=[])
    vulture = Vulture(
        ignore_names=settings["ignore_names"], ignore_decorators=settings["ignore_decorators"]
    )
    vulture.scavenge(settings["paths"], exclude=settings["exclude"])
    found = vulture.get_unused_code(min_confidence=settings["min_confidence"])
    return [
        item
        for item in found
        if item.typ != "variable" or item.first_lineno not in fields(Path(item.filename))
    ]


def main() -> int:
    """Print what is unused, one line each; 1 when there is any."""
    items = unused()
    for item in items:
        place = Path(item.filename).relative_to(Path.cwd())
        sys.stdout.write(
            f"{place}:{item.first_lineno}: unused {item.typ} {item.name}; use it, remove it, or "
            "say in dead_code_allowed.py who calls it\n"
        )
    return 1 if items else 0


if __name__ == "__main__":
    sys.exit(main())
