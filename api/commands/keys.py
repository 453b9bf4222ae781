"""Keys: who may come in at the door of the API, and who signs the log (`log_keys.py`).

Those of persons, with which they are erased, are in `personal_keys.py`.
"""

from datetime import timedelta

import rich_click as click

from api.commands import printing
from api.commands.log_keys import log
from api.commands.personal_keys import personal
from ledger.vocabulary import AccessId, PersonId, PersonRef, UnitId, UnitRef

AS_JSON = click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")


@click.group()
def keys() -> None:
    """The keys of a ledger."""


keys.add_command(log)
keys.add_command(personal)


@keys.group()
def api() -> None:
    """API keys of persons and systems."""


@api.command()
@click.option("--role", required=True, help="administrator, auditor, manager, obligor, dashboard.")
@click.option("--unit", metavar="U", help="Only this unit and what stands below it.")
@click.option("--person", metavar="ID", help="Whose key it is.")
@click.option("--system", metavar="NAME", help="Which program's key it is.")
@click.option(
    "--days", type=click.IntRange(1, 366), default=90, show_default=True, help="Until it expires."
)
@AS_JSON
@click.pass_obj
def new(  # noqa: PLR0913  (one parameter an option)
    environ: dict[str, str],
    *,
    role: str,
    unit: str | None,
    person: str | None,
    system: str | None,
    days: int,
    as_json: bool,
) -> None:
    """Issue a key; it is shown now and never again."""
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from ledger.access import AccessKeys, Grant, new_access_id  # noqa: PLC0415
    from ledger.decisions.access import GrantAccess  # noqa: PLC0415

    access = new_access_id()
    command = GrantAccess(
        access=access,
        role=role,
        unit=None if unit is None else UnitId(UnitRef(unit)),
        person=None if person is None else PersonId(PersonRef(person)),
        system=system,
    )
    with opened(environ) as ledger:
        # The fact first: a key that opens something is always one that the log knows of.
        ledger.log.execute(command, ledger.context())
        # The door looks at the ledger's own time, which a simulated one is told.
        now = ledger.now()
        grant = Grant(
            access=access,
            role=role,
            unit=command.unit,
            person=command.person,
            system=system,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        key = AccessKeys(ledger.database, ledger.info.ledger_id).issue(grant)
    if as_json:
        printing.print_json({"key": key, "access": access, "expires_at": grant.expires_at})
        return
    click.echo(key)
    click.echo(f"expires {printing.local(grant.expires_at)}; it is not shown again", err=True)


@api.command("list")
@AS_JSON
@click.pass_obj
def list_keys(environ: dict[str, str], *, as_json: bool) -> None:
    """Every key that was issued, without its secret."""
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from ledger.access import AccessKeys  # noqa: PLC0415

    with opened(environ) as ledger:
        found = AccessKeys(ledger.database, ledger.info.ledger_id).listed()
    if as_json:
        printing.print_json(found)
        return
    printing.print_table(
        ("key", "role", "unit", "whose", "created", "expires", "revoked"),
        (
            (
                one.access,
                one.role,
                one.unit or "all",
                one.person or one.system,
                one.created_at,
                one.expires_at,
                one.revoked_at,
            )
            for one in found
        ),
    )


@api.command()
@click.argument("access")
@click.pass_obj
def revoke(environ: dict[str, str], *, access: str) -> None:
    """Make a key open nothing from now on."""
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from ledger.access import AccessKeys  # noqa: PLC0415
    from ledger.decisions.access import RevokeAccess  # noqa: PLC0415

    with opened(environ) as ledger:
        # The door first: a key that must not open any more is shut even if the log is busy.
        AccessKeys(ledger.database, ledger.info.ledger_id).revoke(AccessId(access), ledger.now())
        ledger.log.execute(RevokeAccess(access=AccessId(access)), ledger.context())
    click.echo(f"{access} opens nothing any more")
