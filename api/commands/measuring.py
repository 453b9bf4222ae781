"""Benchmarks: this ledger against its references, alternately in one run."""

import rich_click as click


@click.command()
@click.argument("name", required=False, default="all")
@click.option("--quick", is_flag=True, help="Smaller and rougher, to see whether it works.")
@click.option("--json", "as_json", is_flag=True, help="Each goal as one line of JSON.")
@click.pass_obj
def bench(environ: dict[str, str], *, name: str, quick: bool, as_json: bool) -> int:
    """Measure one benchmark, or `all`; exit status 1 when a goal does not hold."""
    from api.bench import run  # noqa: PLC0415  (a fast start)
    from ledger.settings import load  # noqa: PLC0415

    return run(load(environ), name, as_json=as_json, quick=quick)
