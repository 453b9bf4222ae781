"""Benchmarks: this ledger against its references, alternately in one run."""

from pathlib import Path

import rich_click as click


@click.command()
@click.argument("name", required=False, default="all")
@click.option("--quick", is_flag=True, help="Smaller and rougher, to see whether it works.")
@click.option("--json", "as_json", is_flag=True, help="Each goal as one line of JSON.")
@click.option("--facts", type=click.IntRange(min=50_000), help="Of `scale`: how far to go.")
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Of `scale`: where to draw the curve.",
)
@click.pass_obj
def bench(  # noqa: PLR0913  (its options)
    environ: dict[str, str],
    *,
    name: str,
    quick: bool,
    as_json: bool,
    facts: int | None,
    svg: Path | None,
) -> int:
    """Measure one benchmark, or `all`; exit status 1 when a goal does not hold."""
    from api.bench import run  # noqa: PLC0415  (a fast start)
    from ledger.settings import load  # noqa: PLC0415

    return run(load(environ), name, as_json=as_json, quick=quick, facts=facts, svg=svg)
