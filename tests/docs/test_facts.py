"""docs/facts.md lists every fact; `python -m tests.docs.test_facts` writes it."""

import inspect
import sys
from pathlib import Path
from typing import get_type_hints

from ledger import codec
from ledger.events.fact import Fact

PAGE = Path(__file__).parents[2] / "docs" / "facts.md"
INTRODUCTION = """# Facts

Every fact that can be recorded, by capability, from the declarations in `ledger/events/`.
A name is permanent: a new meaning is a new name, a new shape a new version with an upcaster.
Fields in **bold** make a tag, so the fact is found in the history of that entity.
"""


def page() -> str:
    """The page as it should be."""
    facts: dict[str, list[type[Fact]]] = {}
    for fact in codec.registry().values():
        if fact.__module__.startswith("ledger.events."):
            facts.setdefault(fact.__module__.rpartition(".")[2], []).append(fact)
    parts = [INTRODUCTION]
    for capability in sorted(facts):
        parts.append(f"## {capability}\n\n| fact | what happened | fields |\n|---|---|---|")
        parts.append("\n".join(_row(fact) for fact in facts[capability]) + "\n")
    return "\n".join(parts)


def _row(fact: type[Fact]) -> str:
    said = " ".join((inspect.getdoc(fact) or "").split("\n\n")[0].split())
    hints = get_type_hints(fact)
    fields = ", ".join(
        f"**{name}**" if _is_tag(hints[name]) else name for name in fact.__struct_fields__
    )
    return f"| `{fact.TOPIC}` | {said} | {fields} |".replace("|None", "")


def _is_tag(hint: object) -> bool:
    from ledger.events.fact import _tag_of  # noqa: PLC0415  (the rule itself, not a copy of it)

    return bool(_tag_of(hint))


def test_every_fact_is_documented() -> None:
    """The page and the declarations agree, word for word."""
    assert PAGE.read_text(encoding="utf-8") == page()


if __name__ == "__main__":
    sys.stdout.write(page())
