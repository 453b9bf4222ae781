"""Running the ledger: serve it, migrate its database, keep its time, keep its views."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import rich_click as click

from api.commands import printing

WATCH_SECONDS: Final = 0.2
"""Between looks at how far work has come."""

AS_JSON = click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")


@click.command()
@click.pass_obj
def serve(environ: dict[str, str]) -> None:
    """Serve API and console until interrupted; migrates the database and founds the ledger."""
    from api.server import serve as serve_until_interrupted  # noqa: PLC0415  (a fast start)
    from ledger.settings import load  # noqa: PLC0415

    serve_until_interrupted(
        load(environ), lambda address: click.echo(f"serving {address}", err=True)
    )


@click.command()
@click.option("--no-serve", is_flag=True, help="Load and print, then end.")
@click.option(
    "--scale",
    type=click.Choice(["small", "medium", "large"]),
    default="medium",
    show_default=True,
    help="How large a network, and how long a history.",
)
@click.pass_obj
def demo(environ: dict[str, str], *, no_serve: bool, scale: str) -> None:
    """Load a year in the life of a made-up network, print who failed, and serve it."""
    from api.demo.run import run  # noqa: PLC0415  (a fast start)
    from ledger.settings import load  # noqa: PLC0415

    run(load({"LEDGER_NAME": "demo", **environ}), scale, serve=not no_serve)


@click.command()
@AS_JSON
@click.pass_obj
def migrate(environ: dict[str, str], *, as_json: bool) -> None:
    """Bring the database up to this version."""
    from api.commands.opening import database_of  # noqa: PLC0415  (a fast start)
    from ledger.migrate import migrate as apply_migrations  # noqa: PLC0415

    with database_of(environ) as (_, database):
        applied = apply_migrations(database)
    if as_json:
        printing.print_json({"applied": applied})
    else:
        click.echo("\n".join(applied) or "nothing to do")


@click.command()
@click.option(
    "--until", metavar="TIME", help="2026-04-01T18:00:00+08:00; a simulated ledger's now."
)
@AS_JSON
@click.pass_obj
def clock(environ: dict[str, str], *, until: str | None, as_json: bool) -> None:
    """Open what is owed and notice what was not done, up to now, or on a simulated ledger UNTIL."""
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from ledger.clock import Clock  # noqa: PLC0415
    from ledger.errors import Invalid  # noqa: PLC0415

    instant = _instant(until)
    with opened(environ) as ledger:
        if ledger.info.simulated and instant is None:
            raise Invalid.field("until", "a simulated ledger is told its time; give --until")
        if not ledger.info.simulated and instant is not None:
            raise Invalid.field("until", "a real ledger keeps the machine's time; leave it out")
        tick = Clock(ledger.log).tick(instant)
    if as_json:
        printing.print_json(tick)
        return
    printing.print_table(("recorded", "facts"), sorted(tick.recorded.items()))
    click.echo(f"position {tick.position}, {tick.waiting} left for the next time")


def _instant(text: str | None) -> datetime | None:
    from projections.standpoint import parse_as_of  # noqa: PLC0415  (a fast start)

    found = parse_as_of(text)
    if found is not None and not isinstance(found, datetime):
        raise click.BadParameter("write a time: 2026-04-01T18:00:00+08:00", param_hint="--until")
    return found


@click.command()
@click.option("--follow", is_flag=True, help="Go on as facts are recorded, until interrupted.")
@AS_JSON
@click.pass_obj
def project(environ: dict[str, str], *, follow: bool, as_json: bool) -> int:
    """Bring every view up to the last fact, and say how each stands."""
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from projections.building.builds import require_same_folds  # noqa: PLC0415
    from projections.views import VIEWS  # noqa: PLC0415

    with opened(environ) as ledger:
        require_same_folds(ledger.database, VIEWS)
        bring_views_up(ledger, "projecting")
        status = _tell_standings(ledger, as_json=as_json)
        if follow:
            ledger.runner().run()
    return status


def bring_views_up(ledger: Any, doing: str) -> None:  # noqa: ANN401  (imported only when needed)
    """Catch up, with a bar that looks how far the views have come."""
    with watched(doing, ledger.recorder.head().position, lambda: max(0, ledger.projected())):
        ledger.bring_views_up()


@contextmanager
def watched(doing: str, total: int, reached: Callable[[], int]) -> Iterator[None]:
    """A bar that looks now and then how far the work within has come."""
    import threading  # noqa: PLC0415  (a fast start)

    from api.progress import Progress  # noqa: PLC0415

    done = threading.Event()
    with Progress(doing, total) as shown:

        def watch() -> None:
            while not done.wait(WATCH_SECONDS):
                shown.reach(reached())

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
        shown.reach(total)


def _tell_standings(ledger: Any, *, as_json: bool) -> int:  # noqa: ANN401  (as above)
    """Say how every build stands; 1 when a view that serves has stopped at a fact."""
    from ledger.database import Role  # noqa: PLC0415  (a fast start)
    from projections.positions import standings  # noqa: PLC0415

    with ledger.database.pooled(Role.READER) as connection:
        found = standings(connection, ledger.info.ledger_id)
    if as_json:
        printing.print_json(found)
    else:
        printing.print_table(
            ("view", "version", "build", "state", "position", "stopped at", "by"),
            (
                (
                    one.name,
                    one.version,
                    one.generation,
                    one.state,
                    f"{one.position:,}",
                    f"{one.stopped_at:,}" if one.stopped_at else "",
                    one.stopped_reason or "",
                )
                for one in found
            ),
        )
    stops = [one.stop for one in found if one.serving and one.stop]
    for stop in stops:
        click.echo(f"{stop}: the other views go on; mend the fold and start again", err=True)
    return 1 if stops else 0
