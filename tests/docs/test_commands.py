"""docs/commands.md is complete; `python -m tests.docs.test_commands` writes it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import rich_click as click

from api.cli import COMMANDS, ledger

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
INTRODUCTION = """# The command `ledger`

Every command works on the ledger that `LEDGER_NAME` (or `ledger --ledger NAME`) names, in the
database that `LEDGER_DATABASE_URL` or `LEDGER_HOME` names (see [operating.md](operating.md)).

- An error is one line on standard error that says what to do next, exit status 1; usage errors 2.
- Every command that prints a table takes `--json`.
- Long work shows a progress bar on a terminal, and JSON lines on standard error otherwise.
- A question takes `--as-of`: a position (`184233`) or a time with its offset
  (`2026-04-01T18:00:00+08:00`), and says what it is as of.
"""


def page() -> str:
    """The page as it should be."""
    parts = [INTRODUCTION]
    with click.Context(ledger, info_name="ledger") as context:
        for name in COMMANDS:
            command = ledger.get_command(context, name)
            assert command is not None, f"{name} is a command"
            parts.extend(_sections(command, f"ledger {name}"))
    return "\n".join(parts)


def _sections(command: click.Command, path: str) -> Iterator[str]:
    """One section a command; a group has one for each of its own."""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _sections(below, f"{path} {name}")
        return
    arguments = "".join(
        f" {_metavar(one)}" for one in command.params if isinstance(one, click.Argument)
    )
    yield f"## `{path}{arguments}`\n\n{_plain(command.help)}\n"
    options = [one for one in command.params if isinstance(one, click.Option)]
    if options:
        rows = "\n".join(_row(one) for one in options)
        yield f"| option | |\n| --- | --- |\n{rows}\n"


def _metavar(argument: click.Argument) -> str:
    name = (argument.name or "").upper()
    return f"{name}..." if argument.nargs == -1 else name


def _row(option: click.Option) -> str:
    value = "" if option.is_flag else f" {_values(option)}"
    default = f" Default: {option.default}." if option.show_default else ""
    needed = " Needed." if option.required else ""
    return f"| `{option.opts[0]}{value}` | {_plain(option.help)}{needed}{default} |"


def _values(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "/".join(str(one) for one in option.type.choices)
    if isinstance(option.type, click.IntRange):
        return "N"
    return option.metavar or (option.name or "").upper()


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())


def test_every_command_and_option_is_documented() -> None:
    """The page and the commands agree, word for word."""
    assert PAGE.read_text(encoding="utf-8") == page()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
