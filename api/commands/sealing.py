"""The verifiable log at the command line: its newest checkpoint, and the way back from it."""

import base64
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import rich_click as click

from api.commands import printing

SEALER_WAIT_SECONDS: Final = 20.0
SEALER_LOOK_SECONDS: Final = 0.05

AS_JSON = click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")


@click.command()
@AS_JSON
@click.pass_obj
def checkpoint(environ: dict[str, str], *, as_json: bool) -> None:
    """Seal everything recorded so far, and print the newest signed checkpoint as it is."""
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from ledger.sealing.checkpoint import open_checkpoint  # noqa: PLC0415
    from ledger.sealing.keys import log_keys  # noqa: PLC0415

    with opened(environ) as ledger:
        note = sealed_up_to_now(ledger)
        known = log_keys(ledger.settings, ledger.info.name).verifiers()
    if not as_json:
        # Bytes: the signature line begins with a dash that not every terminal's encoding has.
        click.echo(note.encode(), nl=False)
        return
    found = open_checkpoint(note, known)
    printing.print_json(
        {
            "origin": found.origin,
            "size": found.size,
            "root": base64.b64encode(found.root).decode(),
            "vkeys": [one.vkey() for one in known],
        }
    )


def sealed_up_to_now(ledger: Any) -> str:  # noqa: ANN401  (imported only when needed)
    """The newest checkpoint, which covers every fact recorded before this was called.

    Seals itself, or waits for the sealer that leads.
    """
    from ledger.errors import SealerLeading  # noqa: PLC0415  (a fast start)
    from ledger.sealing.checkpoint import open_checkpoint  # noqa: PLC0415
    from ledger.sealing.folder import log_folder  # noqa: PLC0415
    from ledger.sealing.keys import ensured_keys  # noqa: PLC0415
    from ledger.sealing.sealer import Sealer  # noqa: PLC0415

    head = ledger.recorder.head().position
    keys = ensured_keys(ledger.database, ledger.info, ledger.settings)
    folder = log_folder(ledger.settings, ledger.info.name)
    deadline = time.monotonic() + SEALER_WAIT_SECONDS
    while True:
        leading = False
        try:
            Sealer(ledger.database, ledger.info.ledger_id, keys, folder).seal()
        except SealerLeading:
            leading = True
        note = folder.latest()
        if note is not None and open_checkpoint(note, keys.verifiers()).size >= head:
            return note
        if not leading or time.monotonic() > deadline:
            raise SealerLeading(
                f"no checkpoint of position {head:,} appeared in {folder.path}; the sealer that "
                "leads may be stopped (see its log), or write elsewhere: give both the same "
                "LEDGER_LOG_DIR"
            )
        time.sleep(SEALER_LOOK_SECONDS)


@click.command()
@click.option(
    "--from-log",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of the ledger's log: checkpoint and tiles.",
)
@click.option(
    "--vkey",
    "vkeys",
    metavar="VKEY",
    multiple=True,
    help="A public key to trust, instead of those of the log's own key file; may be repeated.",
)
@AS_JSON
@click.pass_obj
def restore(
    environ: dict[str, str], *, folder: Path, vkeys: tuple[str, ...], as_json: bool
) -> None:
    """Write a ledger's facts again from its log, byte for byte: all, or the tail it has lost.

    First all of the log is checked, and that what the database holds is its beginning. Views are
    rebuilt, and revoked API keys revoked again; the keys themselves and personal values are not
    in the log (docs/operating.md).
    """
    from api.commands.opening import Opened, database_of  # noqa: PLC0415  (a fast start)
    from api.progress import Progress  # noqa: PLC0415
    from ledger.migrate import migrate  # noqa: PLC0415
    from ledger.recorder import find_ledger  # noqa: PLC0415
    from ledger.sealing.folder import LogFolder  # noqa: PLC0415
    from ledger.sealing.keys import log_keys  # noqa: PLC0415
    from ledger.sealing.note import VerifierKey  # noqa: PLC0415
    from ledger.sealing.restore import CheckedLog  # noqa: PLC0415
    from ledger.sealing.restore import restore as restore_rows  # noqa: PLC0415

    with database_of(environ) as (settings, database):
        name = settings.name
        if vkeys:
            known = [VerifierKey.parse(vkey) for vkey in vkeys]
        else:
            known = _own_keys(log_keys(settings, name))
        with Progress("checking the log") as shown:
            log = CheckedLog(LogFolder(folder), known, name, shown.advance)
        migrate(database)
        with Progress("restoring", log.size) as shown:
            restored = restore_rows(database, name, log, shown.advance)
        info = find_ledger(database, name)
        assert info is not None, "what was restored is there"
        ledger = Opened(settings, database, info)
        try:
            _revoke_again(ledger)
            views = _rebuild_views(ledger)
        finally:
            ledger.recorder.close()
    if as_json:
        printing.print_json(restored)
        return
    count = restored.position - restored.stood_at
    click.echo(f"{count:,} facts restored; ledger {name} ends at position {restored.position:,}")
    if not views:
        click.echo("another process projects this ledger; its views follow by themselves", err=True)


def _revoke_again(ledger: Any) -> None:  # noqa: ANN401  (imported only when needed)
    """Shut out every API key that the log says was revoked: an older database opens some again."""
    from ledger.access import AccessKeys  # noqa: PLC0415  (a fast start)
    from ledger.codec import decode  # noqa: PLC0415
    from ledger.errors import NotFound  # noqa: PLC0415
    from ledger.events.platform import AccessRevoked  # noqa: PLC0415
    from ledger.recorder import Item  # noqa: PLC0415

    keys = AccessKeys(ledger.database, ledger.info.ledger_id)
    for page in ledger.recorder.stream((Item(types=(AccessRevoked.TOPIC,)),)):
        for event in (decode(stored.entry) for stored in page):
            assert isinstance(event.fact, AccessRevoked), "only these were asked for"
            with suppress(NotFound):  # keys are not in the log: this one may be gone
                keys.revoke(event.fact.access, event.recorded_at)


def _own_keys(keys: Any) -> Any:  # noqa: ANN401  (imported only when needed)
    """What the log's own key file vouches for."""
    from ledger.sealing.keys import LogKeyMissing  # noqa: PLC0415  (a fast start)

    try:
        return keys.verifiers()
    except LogKeyMissing as error:
        raise LogKeyMissing(
            f"{error}; or say which public key you trust: `--vkey`, as it was published"
        ) from error


def _rebuild_views(ledger: Any) -> bool:  # noqa: ANN401  (imported only when needed)
    """Fold every view again; False when a running projector holds them and will go on itself."""
    from api.commands.operating import bring_views_up  # noqa: PLC0415  (a fast start)
    from ledger.errors import ProjectorLeading  # noqa: PLC0415
    from projections.building.rebuilding import empty_views  # noqa: PLC0415

    try:
        empty_views(ledger.database, ledger.info.ledger_id)
    except ProjectorLeading:
        return False
    bring_views_up(ledger, "rebuilding")
    return True
