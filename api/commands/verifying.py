"""Verifying at the command line: the live database, a copy, an address, an export; one entry.

Whoever verifies brings the keys. Without `--vkey` only this installation's own key file is left to
compare with, or nothing, and the report says which.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rich_click as click

from api.commands import printing
from api.commands.verified import tell

if TYPE_CHECKING:
    from ledger.settings import Settings
    from ledger.verify import Demand, KeptNote, LogFiles, Report, Trust
    from projections.building.verifying import ViewChecked

DEFAULT: Final = "log"
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
ADDRESSES: Final = ("http://", "https://")

EXISTING = click.Path(path_type=Path, exists=True, dir_okay=False)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
VKEY = click.option(
    "--vkey", "vkeys", multiple=True, metavar="VKEY", help="A key that you trust; repeatable."
)
LENIENT = click.option(
    "--ignore-unknown-signatures",
    "lenient",
    is_flag=True,
    help="Pass over signatures of keys that were not given, whose bytes nothing vouches for.",
)
KEY_FILE = click.option(
    "--key-file", type=EXISTING, metavar="FILE", help="An API key for a server's entry bundles."
)


class DefaultGroup(click.RichGroup):
    """A group whose first command is meant when none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the command that was left out."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.group(cls=DefaultGroup)
def verify() -> None:
    """Check the log, a receipt or a proof; `ledger verify [SOURCE]` checks a whole log."""


@verify.command(DEFAULT)
@click.argument("source", required=False)
@VKEY
@LENIENT
@click.option(
    "--kept",
    "kept_files",
    multiple=True,
    type=EXISTING,
    metavar="FILE",
    help="A checkpoint that you kept: the log must begin with it; repeatable.",
)
@click.option(
    "--since", type=EXISTING, metavar="FILE", help="Read only what came after this checkpoint."
)
@click.option(
    "--from", "first", type=click.IntRange(min=1), default=1, help="Read entries from here on."
)
@click.option(
    "--checkpoint", type=EXISTING, metavar="FILE", help="What an export is compared with."
)
@KEY_FILE
@click.option("--tiles-only", is_flag=True, help="Check hashes, without reading the entries.")
@click.option("--views", is_flag=True, help="Fold every view anew and compare it (database).")
@click.option("--processes", type=click.IntRange(min=1, max=64), help="One a processor by default.")
@AS_JSON
@click.pass_obj
def verify_log(  # noqa: PLR0913  (the options of a command)
    environ: dict[str, str],
    *,
    source: str | None,
    vkeys: tuple[str, ...],
    lenient: bool,
    kept_files: tuple[Path, ...],
    since: Path | None,
    first: int,
    checkpoint: Path | None,
    key_file: Path | None,
    tiles_only: bool,
    views: bool,
    processes: int | None,
    as_json: bool,
) -> int:
    """Compute everything anew from SOURCE and compare it with what was signed.

    SOURCE is a log folder, an address (http://host/log/LEDGER), an export of all entries, or, left
    out, the live database with its log folder. `log` itself may be left out: `ledger verify
    SOURCE`. Exit status 1 names the first bad position and what is wrong with it.
    """
    from api.progress import Progress  # noqa: PLC0415  (a fast start)
    from ledger.settings import load  # noqa: PLC0415
    from ledger.verify import Demand  # noqa: PLC0415

    _require_fitting(source, checkpoint, tiles_only=tiles_only, views=views)
    settings = load(environ)
    began = time.monotonic()
    found_views: list[ViewChecked] = []
    with Progress("verifying") as shown:
        demand = Demand(
            trust=trust_of(settings, vkeys, lenient=lenient),
            kept=tuple(note_of(file) for file in kept_files),
            since=note_of(since) if since else None,
            first_position=first,
            tiles_only=tiles_only,
            processes=processes or 0,
            advance=shown.reach,
            doing=lambda part: setattr(shown, "doing", part),
        )
        if source is None:
            report, found_views = _live(environ, demand, views=views)
        else:
            report = _copy(source, demand, checkpoint, key_file)
        shown.total = shown.done = report.entries_read
    report.seconds = round(time.monotonic() - began, 1)
    return tell(report, found_views, as_json=as_json)


def _require_fitting(
    source: str | None, checkpoint: Path | None, *, tiles_only: bool, views: bool
) -> None:
    if views and source is not None:
        raise click.UsageError("--views compares the live database; leave SOURCE out")
    if tiles_only and source is None:
        raise click.UsageError("--tiles-only is for a log folder or an address")
    if checkpoint and (source is None or not Path(source).is_file()):
        raise click.UsageError("--checkpoint is for an export; a log has its own")


def trust_of(settings: "Settings", vkeys: tuple[str, ...], *, lenient: bool = False) -> "Trust":
    """The keys given, or else the installation's own, or else none."""
    from ledger.sealing.keys import log_keys  # noqa: PLC0415  (a fast start)
    from ledger.sealing.note import VerifierKey  # noqa: PLC0415
    from ledger.verify import Trust  # noqa: PLC0415

    if vkeys:
        known = tuple(VerifierKey.parse(one) for one in vkeys)
        return Trust(known, "given", ignore_unknown=lenient)
    own = log_keys(settings, settings.name)
    if own.exist():
        return Trust(tuple(own.verifiers()), "own", ignore_unknown=lenient)
    return Trust(ignore_unknown=lenient)


def note_of(file: Path) -> "KeptNote":
    """A checkpoint in a file."""
    from ledger.verify import KeptNote  # noqa: PLC0415  (a fast start)

    return KeptNote(str(file), limited(file))


def limited(file: Path) -> bytes:
    """The bytes of a file that is small, or is not what it should be."""
    from ledger.errors import Invalid  # noqa: PLC0415  (a fast start)

    with file.open("rb") as opened:
        content = opened.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise Invalid.field("file", f"{file} is too large to be what is asked for")
    return content


def _live(
    environ: dict[str, str], demand: "Demand", *, views: bool
) -> tuple["Report", list["ViewChecked"]]:
    """The live database, its folder, its personal values, and its views when asked."""
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from ledger.sealing.folder import log_folder  # noqa: PLC0415
    from ledger.verify import FolderLog, Live, verify_database  # noqa: PLC0415
    from projections.building.verifying import verify_views  # noqa: PLC0415
    from projections.views import VIEWS  # noqa: PLC0415

    with opened(environ) as ledger:
        folder = FolderLog(str(log_folder(ledger.settings, ledger.info.name).path))
        # Without the keys' file there is nothing to open, and a verifier makes none.
        has_keys = (
            Path(ledger.settings.home) / "keys" / f"personal-{ledger.info.name}.sqlite"
        ).exists()
        live = Live(
            ledger.database,
            ledger.info,
            folder,
            ledger.sealed.reveal if has_keys else None,
            ledger.attachments if has_keys else None,
        )
        report = verify_database(live, demand)
        if not has_keys:
            report.notes.append(
                "personal values and attachments were NOT looked at: their keys are not here"
            )
        if not views:
            return report, []
        ledger_id = ledger.info.ledger_id
        demand.doing("verifying views")
        with report.timed("views"):
            found = verify_views(ledger.database, ledger_id, ledger.recorder, VIEWS)
        return report, found


def _copy(
    source: str, demand: "Demand", checkpoint: Path | None, key_file: Path | None
) -> "Report":
    """A folder, an address, or an export."""
    from ledger.verify import verify_export  # noqa: PLC0415  (a fast start)
    from ledger.verify import verify_log as verify_files  # noqa: PLC0415

    if Path(source).is_file():
        return verify_export(Path(source), demand, note_of(checkpoint) if checkpoint else None)
    with log_files(source, key_file) as files:
        return verify_files(files, demand)


@contextmanager
def log_files(source: str, key_file: Path | None) -> Iterator["LogFiles"]:
    """The files of a log, in a folder or at an address."""
    from ledger.errors import Invalid  # noqa: PLC0415  (a fast start)
    from ledger.verify import FolderLog, ServedLog  # noqa: PLC0415

    if source.startswith(ADDRESSES):
        key = limited(key_file).decode().strip() if key_file else None
        with closing(ServedLog(source, key)) as served:
            yield served
    elif (Path(source) / "checkpoint").is_file():
        yield FolderLog(source)
    else:
        raise Invalid.field(
            "source", f"{source} is no log folder (it has no checkpoint), no address and no export"
        )


@verify.command("receipt")
@click.argument("file", type=EXISTING)
@VKEY
@click.option("--log", "source", metavar="SOURCE", help="A log folder or address; ours by default.")
@LENIENT
@AS_JSON
@click.pass_obj
def verify_receipt(  # noqa: PLR0913  (the options of a command)
    environ: dict[str, str],
    *,
    file: Path,
    vkeys: tuple[str, ...],
    source: str | None,
    lenient: bool,
    as_json: bool,
) -> int:
    """Hold the log to receipts: signed by the gate, and in the log where they say.

    FILE is a receipt, or the API's answer that holds some. Give the vkeys of the gate and of the
    log. Exit status 1 when one is not kept; SIGNED BUT NOT IN THE LOG is proof of a lost fact.
    """
    from ledger.settings import load  # noqa: PLC0415  (a fast start)
    from ledger.verify import check_receipt, receipts_in, trusting  # noqa: PLC0415

    settings = load(environ)
    with ExitStack() as opened:
        files, row_leaf = _log_for_receipts(environ, settings, source, opened)
        gate, log = _split_trust(settings, vkeys, lenient=lenient)
        log = trusting(log, files)
        found = [
            check_receipt(note, gate, files, log, row_leaf) for note in receipts_in(limited(file))
        ]
    if as_json:
        printing.print_json(found)
    else:
        for one in found:
            place = f"position {one.position:,}: " if one.position else ""
            click.echo(f"{one.outcome}  {place}{one.what}")
            click.echo(f"  the gate's signature: {one.signature}")
    return 0 if all(one.holds for one in found) else 1


def _log_for_receipts(
    environ: dict[str, str], settings: "Settings", source: str | None, opened: ExitStack
) -> tuple["LogFiles", Callable[[int], bytes | None] | None]:
    """The log's files; and for our own log the rows that are not under a checkpoint yet."""
    from api.commands.opening import opened as opened_ledger  # noqa: PLC0415  (a fast start)
    from ledger.sealing.folder import log_folder  # noqa: PLC0415
    from ledger.verify import FolderLog  # noqa: PLC0415

    if source is not None:
        return opened.enter_context(log_files(source, None)), None
    ledger = opened.enter_context(opened_ledger(environ))

    def row_leaf(position: int) -> bytes | None:
        page = ledger.recorder.read(after=position - 1, until=position, limit=1)
        return page.events[0].leaf_hash if page.events else None

    return FolderLog(str(log_folder(settings, settings.name).path)), row_leaf


def _split_trust(
    settings: "Settings", vkeys: tuple[str, ...], *, lenient: bool
) -> tuple["Trust", "Trust"]:
    """The gate's keys and the log's, told apart by their names."""
    from ledger.sealing.keys import receipts_key  # noqa: PLC0415  (a fast start)
    from ledger.sealing.receipt import SUFFIX  # noqa: PLC0415
    from ledger.verify import Trust  # noqa: PLC0415

    gate = tuple(one for one in vkeys if one.partition("+")[0].endswith(SUFFIX))
    log = trust_of(settings, tuple(one for one in vkeys if one not in gate), lenient=lenient)
    if gate:
        return trust_of(settings, gate), log
    own = receipts_key(settings, settings.name)
    if own.path.exists() and log.keys:
        return Trust((own.signing(log.keys[0].name).verifier,), "own"), log
    return Trust(), log


@verify.command("proof")
@click.argument("file", type=EXISTING)
@click.option("--entry", type=EXISTING, required=True, help="The entry: one line of an export.")
@VKEY
@LENIENT
@AS_JSON
@click.pass_obj
def verify_proof(  # noqa: PLR0913  (the options of a command)
    environ: dict[str, str],
    *,
    file: Path,
    entry: Path,
    vkeys: tuple[str, ...],
    lenient: bool,
    as_json: bool,
) -> int:
    """Check a proof (c2sp.org/tlog-proof@v1) of one entry, offline; a line end is left out."""
    from ledger.settings import load  # noqa: PLC0415  (a fast start)
    from ledger.verify import check_proof_file  # noqa: PLC0415

    trust = trust_of(load(environ), vkeys, lenient=lenient)
    found = check_proof_file(limited(file), limited(entry).removesuffix(b"\n"), trust)
    if as_json:
        printing.print_json(found)
        return 0
    click.echo(f"entry {found.position:,} stands in {found.origin}, of {found.size:,} entries")
    click.echo(f"root {found.root}")
    click.echo(f"signature: {found.signature}")
    return 0
