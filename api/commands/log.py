"""The log after it was stopped: letting facts in again is the operator's decision."""

import rich_click as click


@click.group()
def log() -> None:
    """The log, after it was stopped."""


@log.command()
@click.pass_obj
def resume(environ: dict[str, str]) -> None:
    """Let facts be recorded again, once what stopped the log was put right.

    Looks first whether the database leads to the newest checkpoint, and refuses when it does not;
    the sealer, which then goes on, stops the log again at whatever else is not right.
    """
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from ledger.sealing import guard  # noqa: PLC0415

    with opened(environ) as ledger:
        looks = guard.guard_of(ledger.settings, ledger.info.name)
        reason = guard.resume(ledger.database, ledger.info.ledger_id, looks)
    if reason is None:
        click.echo("the log was not stopped")
    else:
        click.echo(f"facts are recorded again; the log was stopped by: {reason}")
