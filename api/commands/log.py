"""The log's own state: how its sealing stands, and letting facts in again after it was stopped."""

import rich_click as click

from api.commands import printing

AS_JSON = click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")


@click.group()
def log() -> None:
    """How the log stands, and what to do after it was stopped."""


@log.command()
@AS_JSON
@click.pass_obj
def standing(environ: dict[str, str], *, as_json: bool) -> int:
    """How far the log is recorded and sealed; exit status 1 while nothing may be recorded."""
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from ledger.sealing.standing import seal_standing  # noqa: PLC0415

    with opened(environ) as ledger:
        found = seal_standing(ledger.database, ledger.info.ledger_id)
        lag = found.lag_seconds(ledger.now())
    if as_json:
        printing.print_json(
            {
                "ledger": ledger.info.name,
                "position": found.position,
                "sealed_position": found.sealed_position,
                "lag_seconds": round(lag, 3),
                "stopped": found.stopped,
            }
        )
    else:
        click.echo(f"recorded  {found.position:,}")
        click.echo(f"sealed    {found.sealed_position:,}")
        if found.position > found.sealed_position:
            click.echo(f"waiting   {lag:,.1f} s, the first that is not sealed")
        click.echo(f"stopped   {found.stopped or 'no'}")
    return 0 if found.stopped is None else 1


@log.command()
@click.option(
    "--reason",
    metavar="CODE",
    required=True,
    help="What was put right: row_put_back, database_brought_back, restored_from_log, "
    "folder_brought_back or stopped_by_mistake.",
)
@click.option("--by", metavar="PERSON", help="Who decided it, by the id that the ledger knows.")
@click.pass_obj
def resume(environ: dict[str, str], *, reason: str, by: str | None) -> None:
    """Let facts be recorded again, once what stopped the log was put right.

    Looks first whether the database leads to the newest checkpoint, and refuses when it does not;
    the sealer, which then goes on, stops the log again at whatever else is not right. The fact
    `log.resumed` says so for ever: who, when, why, and what had stopped the log at which position.
    """
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from ledger.decisions.resuming import ResumeLog, require_put_right  # noqa: PLC0415
    from ledger.sealing import guard  # noqa: PLC0415
    from ledger.sealing.keys import origin_of  # noqa: PLC0415
    from ledger.vocabulary import LogId, PersonId, PersonRef  # noqa: PLC0415

    require_put_right(reason)
    with opened(environ) as ledger:
        info = ledger.info
        origin = origin_of(ledger.settings.log_origin, info.name, simulated=info.simulated)

        def tell(finding: str) -> None:
            command = ResumeLog(
                log=LogId(origin),
                finding=finding,
                position=ledger.recorder.head().position,
                put_right=reason,
                by=None if by is None else PersonId(PersonRef(by)),
            )
            ledger.log.execute(command, ledger.context())

        looks = guard.guard_of(ledger.settings, info.name)
        stopped_by = guard.resume(ledger.database, info.ledger_id, looks, tell)
    if stopped_by is None:
        click.echo("the log was not stopped")
    else:
        click.echo(f"facts are recorded again; the log was stopped by: {stopped_by}")
