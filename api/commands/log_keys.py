"""The keys of the verifiable log: made once, shown to whoever verifies, and changed in the open."""

from contextlib import suppress
from typing import Any, Literal

import rich_click as click

from api.commands import printing

AS_JSON = click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")


@click.group()
def log() -> None:
    """The keys that sign the verifiable log."""


@log.command()
@click.pass_obj
def new(environ: dict[str, str]) -> None:
    """Make the log's key, before its first checkpoint, and print its public half."""
    from api.commands.opening import database_of, ledger_if_any  # noqa: PLC0415  (a fast start)
    from ledger.sealing.folder import log_folder  # noqa: PLC0415
    from ledger.sealing.keys import log_keys, origin_of, was_sealed  # noqa: PLC0415

    with database_of(environ) as (settings, database):
        name = settings.name
        info = ledger_if_any(database, name)
        if info is None:
            # Whatever is founded here later is a real ledger: a demonstration brings its own key.
            simulated, sealed = False, log_folder(settings, name).latest() is not None
        else:
            simulated, sealed = info.simulated, was_sealed(database, info, settings)
        origin = origin_of(settings.log_origin, name, simulated=simulated)
        keys = log_keys(settings, name)
        made = keys.new(origin, sealed_before=sealed)
    click.echo(made.verifier.vkey())
    click.echo(
        f"the private half is in {keys.path}: keep a copy where this machine's loss does not "
        "reach it, and publish the line above",
        err=True,
    )


@log.command()
@click.option("--receipts", is_flag=True, help="The key of receipts, instead of checkpoints.")
@AS_JSON
@click.pass_obj
def show(environ: dict[str, str], *, receipts: bool, as_json: bool) -> None:
    """Print the public key alone, which verifiers need; both, while a rotation lasts."""
    from ledger.sealing.keys import log_keys, receipts_key  # noqa: PLC0415  (a fast start)
    from ledger.settings import load  # noqa: PLC0415

    settings = load(environ)
    keys = log_keys(settings, settings.name)
    if receipts:
        found = [receipts_key(settings, settings.name).signing(keys.origin).verifier]
    else:
        found = keys.verifiers()
    if as_json:
        printing.print_json(
            [{"vkey": one.vkey(), "name": one.name, "key_id": one.key_id.hex()} for one in found]
        )
        return
    for one in found:
        click.echo(one.vkey())


@log.command()
@click.option("--finish", is_flag=True, help="Let the older key sign no more.")
@click.pass_obj
def rotate(environ: dict[str, str], *, finish: bool) -> None:
    """Let a new key sign beside the old one, and print it; --finish ends that.

    Both steps are facts of the log. Leave days between them: whoever trusts the older key finds
    the newer one in entries that both have signed.
    """
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from api.commands.sealing import sealed_up_to_now  # noqa: PLC0415
    from ledger.errors import Conflict  # noqa: PLC0415
    from ledger.sealing.checkpoint import open_checkpoint  # noqa: PLC0415
    from ledger.sealing.keys import ensured_keys, log_keys  # noqa: PLC0415

    with opened(environ) as ledger:
        rotating = len(log_keys(ledger.settings, ledger.info.name).verifiers()) > 1
        keys = ensured_keys(ledger.database, ledger.info, ledger.settings)
        if finish and not rotating:
            raise Conflict("no rotation is under way; begin one with `ledger keys log rotate`")
        older, newer = keys.rotate()
        _tell(ledger, "begun", older, newer)
        if finish:
            _tell(ledger, "finished", older, newer)
        # The older key vouches for the newer one, and for its own end, before it is gone.
        note = sealed_up_to_now(ledger)
        open_checkpoint(note, [newer])
        if finish:
            _keep_for_ever(ledger, older, note)
            keys.finish(older)
    click.echo(newer.vkey())
    click.echo(
        "this key signs alone from now on; keep publishing the older one for old checkpoints"
        if finish
        else "both keys sign now: publish this one beside the older, keep a copy of the key file, "
        "and end with `ledger keys log rotate --finish`",
        err=True,
    )


def _keep_for_ever(ledger: Any, older: Any, note: str) -> None:  # noqa: ANN401  (as below)
    """Keep the last checkpoint under both keys, with the proof of the entry that ends it."""
    from ledger.recorder import Item  # noqa: PLC0415  (a fast start)
    from ledger.sealing.checkpoint import open_checkpoint  # noqa: PLC0415
    from ledger.sealing.folder import log_folder  # noqa: PLC0415
    from ledger.sealing.proof import Proof  # noqa: PLC0415
    from ledger.sealing.succession import succeeded_by  # noqa: PLC0415

    folder = log_folder(ledger.settings, ledger.info.name)
    size = open_checkpoint(note, [older]).size
    item = Item(types=("key.rotated",), tags=(f"log:{older.name}",))
    stored = [one for page in ledger.recorder.stream((item,)) for one in page][-1]
    index = stored.position - 1
    hashes = tuple(folder.tree(size).inclusion(index))
    proof = Proof(index, hashes, note, extra=stored.entry).text()
    succeeded_by(proof.encode(), older)  # what does not lead on is not kept for ever
    folder.keep_successor(older, proof)


def _tell(
    ledger: Any,  # noqa: ANN401  (imported only when needed)
    stage: Literal["begun", "finished"],
    older: Any,  # noqa: ANN401
    newer: Any,  # noqa: ANN401
) -> None:
    """Record a step, unless an earlier run that was interrupted did."""
    from ledger.decisions.log_keys import RotateLogKey  # noqa: PLC0415  (a fast start)
    from ledger.errors import DuplicateId  # noqa: PLC0415
    from ledger.vocabulary import LogId  # noqa: PLC0415

    command = RotateLogKey(
        log=LogId(older.name), stage=stage, older=older.vkey(), newer=newer.vkey()
    )
    with suppress(DuplicateId):
        ledger.log.execute(command, ledger.context())
