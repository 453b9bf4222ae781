"""The command `ledger`: every task of operator, reviewer and auditor, at a terminal or in a script.

Commands live in `api/commands/`, loaded only when they are called, so that each starts at once.
An error is one line that says what to do next, exit status 1; a usage error is 2. Every command
that prints a table takes `--json`.
"""

import importlib
import os
import sys
from typing import Final

import rich_click as click
from click.exceptions import Abort

from ledger.errors import LedgerError

COMMANDS: Final[dict[str, str]] = {
    "serve": "operating:serve",
    "demo": "operating:demo",
    "migrate": "operating:migrate",
    "clock": "operating:clock",
    "project": "operating:project",
    "rebuild": "rebuilding:rebuild",
    "who-failed": "asking:who_failed",
    "trace": "asking:trace",
    "matrix": "asking:matrix",
    "status": "asking:status",
    "org": "asking:org",
    "timeline": "asking:timeline",
    "replay": "replaying:replay",
    "compare": "replaying:compare",
    "show": "replaying:show",
    "export": "exchanging:export",
    "import": "exchanging:import_files",
    "checkpoint": "sealing:checkpoint",
    "log": "log:log",
    "restore": "sealing:restore",
    "verify": "verifying:verify",
    "keys": "keys:keys",
    "bench": "measuring:bench",
}
"""Where each command is: module in `api/commands/`, and the name in it."""

INTERRUPTED: Final = 130


class LazyGroup(click.RichGroup):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """Every command, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(importlib.import_module(f"api.commands.{module}"), name)
        assert isinstance(found, click.Command), f"{COMMANDS[cmd_name]} is no command"
        return found


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--ledger",
    "name",
    metavar="NAME",
    help="The ledger to work on, instead of LEDGER_NAME (`main`; the demonstration's is `demo`).",
)
@click.version_option(package_name="responsibility-ledger", prog_name="ledger")
@click.pass_context
def ledger(context: click.Context, name: str | None) -> None:
    """Who owed which report, who held the post when it was due, and what was known when."""
    environ = dict(os.environ)
    if name is not None:
        environ["LEDGER_NAME"] = name
    context.obj = environ


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; never returns."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run one command; the exit status."""
    try:
        outcome: object = ledger.main(arguments, prog_name="ledger", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (Abort, KeyboardInterrupt):
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read us has seen enough; closing quietly is what other commands do.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (LedgerError, OSError) as error:
        return _fail(str(error), 1)
    return outcome if isinstance(outcome, int) else 0


def _fail(message: str, status: int) -> int:
    line = " ".join(message.split())
    sys.stderr.write(f"ledger: {line}\n")
    return status
