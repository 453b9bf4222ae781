"""The page on time travel shows what its commands print, on the small demonstration."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import cli
from api.commands.opening import Opened
from tests.demonstrating import NAME

PAGE = Path(__file__).parents[2] / "docs" / "time-travel.md"
BLOCK = re.compile(
    r"```sh\nledger ((?:replay|compare|show|org) [^\n]*)\n```\n\n```text\n(.*?)```", re.DOTALL
)
REST = "..."
"""At the end of a line: what follows is not shown on the page."""


def blocks() -> Iterator[tuple[str, list[str]]]:
    """Each command of the page that asks the past, and the lines that it prints."""
    for command, printed in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        yield command, printed.splitlines()


@pytest.mark.parametrize(("command", "printed"), [*blocks()], ids=lambda one: str(one)[:40])
def test_every_command_prints_what_the_page_says(
    demonstration: Opened,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    command: str,
    printed: list[str],
) -> None:
    """Line by line, to the end or to the dots."""
    monkeypatch.setenv("LEDGER_DATABASE_URL", demonstration.database.url)
    monkeypatch.setenv("LEDGER_HOME", demonstration.settings.home)
    monkeypatch.setenv("LEDGER_NAME", NAME)

    status = cli.run(shlex.split(command))

    captured = capfdbinary.readouterr()
    assert status == 0, captured.err.decode()
    lines = captured.out.decode().splitlines()
    shown = [
        f"{line[: len(said) - len(REST)]}{REST}" if said.endswith(REST) else line
        for line, said in zip(lines, printed, strict=False)
    ]
    assert len(lines) == len(printed)
    assert shown == printed


def test_there_is_something_to_run() -> None:
    """A page without its examples proves nothing."""
    assert len([*blocks()]) > 3
