"""The manual of the API says what the program does."""

import re
from pathlib import Path

from api.auth import MAY, Permission
from api.problems import STATUSES, catalogue

MANUAL = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


def roles_table() -> str:
    """Who may do what, as the manual shows it."""
    rows = [f"| Permission | {' | '.join(MAY)} |", "| --- " * (len(MAY) + 1) + "|"]
    for permission in Permission:
        if permission is not Permission.PUBLIC:
            marks = " | ".join("yes" if permission in allowed else "" for allowed in MAY.values())
            rows.append(f"| `{permission}` | {marks} |")
    return "\n".join(rows)


def test_the_table_of_roles() -> None:
    """The manual and the program agree on who may do what."""
    assert roles_table() in MANUAL


def test_every_status_is_explained() -> None:
    """Whatever a refusal can answer stands in the table of refusals."""
    answered = {status for status, _ in catalogue().values()} | set(STATUSES.values())
    explained = {
        int(one)
        for row in re.findall(r"^\| ([\d, ]+) \|", MANUAL, re.MULTILINE)
        for one in row.split(",")
    }

    assert answered - {405, 500} == explained
