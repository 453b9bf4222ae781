"""Rebuilding views beside serving: build, look at the difference, switch; or cancel, or tidy up.

What is done stands in `projections/building/rebuilding.py`, what is compared in
`projections/building/build_difference.py`; here is the order of it, and the words. A view of the
same version is switched only when nothing differs or the operator accepts what does, and never to
rows that the log, folded once more, contradicts.
"""

from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
import rich_click as click

from api.commands import printing
from api.commands.operating import watched

if TYPE_CHECKING:
    from projections.building.build_difference import BuildDifference
    from projections.building.builds import Dropped
    from projections.building.rebuilding import Rebuild
    from projections.building.verifying import ViewChecked
    from projections.tables import Projection

KEEP_HOURS: Final = 24.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a rebuild: the difference of each view, and whether the new ones serve."""

    switched: bool
    position: int
    why: str
    differences: "tuple[BuildDifference, ...]" = ()
    verified: "tuple[ViewChecked, ...]" = ()
    dropped: "tuple[Dropped, ...]" = ()


@click.command()
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every view.")
@click.option(
    "--accept", is_flag=True, help="Switch although the new build says otherwise than the old."
)
@click.option("--cancel", is_flag=True, help="Drop what was built of the views and never served.")
@click.option("--tidy", is_flag=True, help="Only drop builds that were replaced long enough ago.")
@click.option(
    "--keep",
    type=click.FloatRange(min=0),
    default=KEEP_HOURS,
    show_default=True,
    metavar="HOURS",
    help="How long a replaced build is kept; at least a minute.",
)
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    metavar="NUMBER",
    help="Chooses the past positions whose answers are compared.",
)
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")
@click.pass_obj
def rebuild(  # noqa: PLR0913  (one parameter an option)
    environ: dict[str, str],
    *,
    names: tuple[str, ...],
    every: bool,
    accept: bool,
    cancel: bool,
    tidy: bool,
    keep: float,
    seed: int,
    as_json: bool,
) -> int:
    """Build views anew beside those that serve, print what differs, and switch to them.

    Appends and questions go on meanwhile. Interrupted or killed, nothing is switched: run it again
    to go on from where it was, or with --cancel. A view of the same version that differs is not
    switched without --accept.
    """
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from projections.building.rebuilding import cancel_rebuild, drop_retired  # noqa: PLC0415

    kept = timedelta(hours=keep)
    with opened(environ) as ledger:
        place = (ledger.database, ledger.info.ledger_id)
        if tidy:
            _tell_dropped(drop_retired(*place, kept), as_json=as_json)
            return 0
        views = _chosen(names, every=every)
        if cancel:
            dropped = cancel_rebuild(*place, [view.name for view in views])
            _tell_dropped(dropped, as_json=as_json)
            return 0
        outcome = _rebuild(ledger, views, seed, accept=accept)
        if outcome.switched:
            dropped = drop_retired(*place, kept)
            outcome = msgspec.structs.replace(outcome, dropped=tuple(dropped))
    _tell(outcome, as_json=as_json)
    return 0 if outcome.switched else 1


def _chosen(names: Sequence[str], *, every: bool) -> "list[Projection]":
    from projections.views import VIEWS  # noqa: PLC0415  (a fast start)

    known = {view.name: view for view in VIEWS}
    unknown = [name for name in names if name not in known]
    if unknown or not (names or every):
        told = f"there is no view {unknown[0]}" if unknown else "name a view, or give --all"
        raise click.UsageError(f"{told}; the views are {', '.join(known)}")
    return list(VIEWS) if every else [known[name] for name in dict.fromkeys(names)]


def _rebuild(
    ledger: Any,  # noqa: ANN401  (imported only when needed)
    views: "Sequence[Projection]",
    seed: int,
    *,
    accept: bool,
) -> Outcome:
    from ledger.codec import decode  # noqa: PLC0415  (a fast start)
    from projections.building.rebuilding import Rebuild  # noqa: PLC0415

    place = (ledger.database, ledger.info.ledger_id)
    with closing(Rebuild(*place, ledger.recorder, views, decode)) as work:
        _build(work, ledger.recorder.head().position)
        differences = _compare(ledger, work, seed)
        told = Outcome(
            switched=False, position=work.position, why="", differences=tuple(differences)
        )
        doubtful = {one.view for one in differences if one.differs and one.same_version}
        verified = [
            _verify(ledger, beside)
            for beside in work.builds()
            if beside.projection.name in doubtful
        ]
        told = msgspec.structs.replace(told, verified=tuple(verified))
        if why := _why_not(sorted(doubtful), verified, accept=accept):
            return msgspec.structs.replace(told, why=why)
        if not work.switch():
            why = (
                "a projector of another version leads, so the new builds wait: they serve when "
                "this version's projector starts, so restart the service with this program"
            )
            return msgspec.structs.replace(told, why=why)
        return msgspec.structs.replace(
            told, switched=True, position=work.position, why="the new builds serve"
        )


def _why_not(doubtful: Sequence[str], verified: "Sequence[ViewChecked]", *, accept: bool) -> str:
    """Why the new builds are not to serve; empty where they are."""
    wrong = [one.view for one in verified if not one.agrees]
    if wrong:
        return (
            f"the log folded once more contradicts the new build of {', '.join(wrong)}, so it is "
            "not switched to: drop it with --cancel, and find out what folds two ways"
        )
    if doubtful and not accept:
        return (
            f"the new build of {', '.join(doubtful)} says otherwise than the one that serves, and "
            "the log folded once more agrees with the new one; it is not switched to without "
            "being told: run it again with --accept, or with --cancel"
        )
    return ""


def _build(work: "Rebuild", head: int) -> None:
    try:
        with watched("rebuilding", head, lambda: work.position):
            work.build()
    except KeyboardInterrupt:
        click.echo(
            f"nothing was switched; what was built up to position {work.position:,} stays: run it "
            "again to go on, or with --cancel to drop it",
            err=True,
        )
        raise


def _compare(ledger: Any, work: "Rebuild", seed: int) -> "list[BuildDifference]":  # noqa: ANN401  (as above)
    from ledger.database import Role  # noqa: PLC0415  (a fast start)
    from projections.building.build_difference import build_difference  # noqa: PLC0415

    besides = work.builds()
    found: list[BuildDifference] = []
    with (
        ledger.database.pooled(Role.READER) as connection,
        watched("comparing", len(besides), lambda: len(found)),
    ):
        for beside in besides:
            found.append(build_difference(connection, ledger.info.ledger_id, beside, seed))  # noqa: PERF401  (watched)
    return found


def _verify(ledger: Any, beside: Any) -> "ViewChecked":  # noqa: ANN401  (as above)
    from api.progress import Progress  # noqa: PLC0415  (a fast start)
    from projections.building.verifying import verify_build  # noqa: PLC0415

    with Progress(f"verifying {beside.projection.name}", beside.new.position) as shown:
        return verify_build(
            ledger.database,
            ledger.info.ledger_id,
            ledger.recorder,
            beside.projection,
            beside.new.generation,
            shown.reach,
        )


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        printing.print_json(outcome)
        return
    printing.print_table(
        ("view", "version", "table", "added", "removed", "changed", "past and present", "answers"),
        (
            (
                one.view,
                f"{one.version_old or '-'} → {one.version_new}",
                table.table,
                *(
                    f"{count:,}" if table.compared else "not comparable"
                    for count in (
                        table.rows_added,
                        table.rows_removed,
                        table.rows_changed,
                        table.versions,
                    )
                ),
                _answers(one, table.table),
            )
            for one in outcome.differences
            for table in one.tables
        ),
    )
    for difference in outcome.differences:
        for table in difference.tables:
            for first in table.first:
                click.echo(
                    f"{table.table} {' '.join(first.key)}: {first.change}, "
                    f"as of position {first.valid_from:,}"
                )
    for checked in outcome.verified:
        agrees = "agrees with the new build" if checked.agrees else f"disagrees: {checked.what}"
        click.echo(f"{checked.view}: the log folded once more {agrees}")
    click.echo(f"position {outcome.position:,}: {outcome.why}", err=not outcome.switched)
    if outcome.dropped:
        _tell_dropped(outcome.dropped, as_json=False)


def _answers(difference: "BuildDifference", table: str) -> str:
    asked = len(difference.sampled)
    wrong = sum(one.table == table for one in difference.answers)
    return f"{asked - wrong} of {asked} alike" if asked else ""


def _tell_dropped(dropped: "Sequence[Dropped]", *, as_json: bool) -> None:
    if as_json:
        printing.print_json(list(dropped))
        return
    if not dropped:
        click.echo("nothing to drop")
    for one in dropped:
        what = "is read at this moment and was left" if one.still_read else "was dropped"
        click.echo(f"{one.name}, build {one.generation}, {what}")
