"""The past at a terminal: step through history, compare two moments, look at the rows."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import rich_click as click

from api.commands import printing
from api.commands.asking import AS_JSON, AS_OF, limit_of, standing_at
from ledger.errors import Invalid, LedgerError
from ledger.vocabulary import UnitRef

if TYPE_CHECKING:
    from api.commands.opening import Opened
    from projections.past.replaying import Step
    from projections.past.selecting import Selection
    from projections.standpoint import Standpoint

UNIT = click.option(
    "--unit", metavar="U", help="Only a unit and everything that ever stood below it."
)
LIMIT = limit_of(20)
SEPARATOR: Final = "/"
HELP: Final = (
    "n: the next, p: the one before, 184233: that position, 2026-04-01: that day, q: the end"
)


@click.command()
@click.argument("subject", required=False)
@UNIT
@click.option("--type", "types", metavar="T", multiple=True, help="Only facts of this type.")
@click.option("--from", "begin", metavar="X", help="Begin at a position, or after a time.")
@click.option("--to", "end", metavar="X", help="End at a position or a time; the head by default.")
@LIMIT
@click.option("--step", "by_hand", is_flag=True, help="One at a time: n, p, a position, a time, q.")
@click.option("--json", "as_json", is_flag=True, help="One step a line, as JSON.")
@click.pass_obj
def replay(  # noqa: PLR0913  (one parameter an option)
    environ: dict[str, str],
    *,
    subject: str | None,
    unit: UnitRef | None,
    types: tuple[str, ...],
    begin: str | None,
    end: str | None,
    limit: int,
    by_hand: bool,
    as_json: bool,
) -> None:
    """Step through history: each fact, and what it changed in every view.

    SUBJECT is unit:X, post:X, obligation:X ...; --unit takes everything below it along; without
    either, every fact is stepped through.
    """
    from itertools import islice  # noqa: PLC0415  (a fast start)

    from projections.past.replaying import steps  # noqa: PLC0415
    from projections.past.selecting import Selection  # noqa: PLC0415

    with standing_at(environ, None) as (ledger, here):
        chosen = Selection(
            subject=subject,
            unit=unit,
            types=types,
            after=_begin(here, begin),
            until=None if end is None else _position(here, end, "to"),
        )
        if by_hand:
            _step_by_hand(ledger, here, chosen)
            return
        following = None
        for step in islice(steps(here, chosen), limit):
            _print_step(ledger, step, as_json=as_json)
            following = step.next
        if following is not None and not as_json:
            printing.print_text(f"more: --from {following}")


def _begin(here: "Standpoint", text: str | None) -> int:
    """The position after which facts are wanted: one that is named is wanted itself."""
    if text is None:
        return 0
    position = _position(here, text, "from")
    return position - 1 if text.isdigit() and position else position


def _position(here: "Standpoint", text: str, name: str) -> int:
    from projections.standpoint import asked_as, parse_as_of  # noqa: PLC0415  (a fast start)

    with asked_as(name):
        asked = parse_as_of(text)
        return here.as_of.position if asked is None else here.questions.resolve(asked)[0]


def _print_step(ledger: "Opened", step: "Step", *, as_json: bool) -> None:
    from api.citable import cited  # noqa: PLC0415  (a fast start)
    from api.commands.retelling import tell_step  # noqa: PLC0415
    from projections.past.replaying import with_erased  # noqa: PLC0415

    hashed = cited(with_erased(step, ledger.sealed.erased_in))
    if as_json:
        printing.print_line(hashed)
    else:
        tell_step(hashed)


def _step_by_hand(ledger: "Opened", here: "Standpoint", chosen: "Selection") -> None:
    """Ask for a way to go, and go it, until there is no more to ask."""
    from projections.past.replaying import step_after  # noqa: PLC0415  (a fast start)

    step = step_after(here, chosen, chosen.after)
    if step is None:
        printing.print_text("there is no such fact")
        return
    _print_step(ledger, step, as_json=False)
    for asked in _asked():
        try:
            found = _gone(here, chosen, step, asked)
        except LedgerError as error:
            printing.print_text(printing.escape(str(error)))
            continue
        if found is None:
            printing.print_text("there is no fact there")
            continue
        step = found
        _print_step(ledger, step, as_json=False)


def _asked() -> Iterator[str]:
    """What is typed, line by line, until `q` or the end."""
    while True:
        sys.stdout.write("> ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line or line.strip() == "q":
            return
        yield line.strip() or "n"


def _gone(here: "Standpoint", chosen: "Selection", step: "Step", asked: str) -> "Step | None":
    from projections.past.replaying import step_after, step_at, step_before  # noqa: PLC0415

    if asked == "n":
        return step_after(here, chosen, step.fact.position)
    if asked == "p":
        return step_before(here, chosen, step.fact.position)
    try:
        return step_at(here, chosen, _position(here, asked, "at"))
    except Invalid as error:
        raise Invalid.field(asked, f"{error.fields[0].message}; {HELP}") from None


@click.command()
@click.option("--at", "one", metavar="A", required=True, help="The earlier moment.")
@click.option("--and", "other", metavar="B", help="The later moment; now by default.")
@UNIT
@LIMIT
@click.option("--beyond", metavar="ROW", help="`next` of the page before: TABLE/KEY.")
@AS_JSON
@click.pass_obj
def compare(  # noqa: PLR0913  (one parameter an option)
    environ: dict[str, str],
    *,
    one: str,
    other: str | None,
    unit: UnitRef | None,
    limit: int,
    beyond: str | None,
    as_json: bool,
) -> None:
    """What differs between two moments, field by field, and the facts that caused it.

    A moment is a position or a time; obligations are judged at both.
    """
    from api.commands.retelling import tell_comparison  # noqa: PLC0415  (a fast start)
    from projections.past import comparing  # noqa: PLC0415
    from projections.standpoint import asked_as, parse_as_of  # noqa: PLC0415

    with standing_at(environ, other, "and") as (_, later):
        with asked_as("at"):
            earlier = later.questions.stand(later.connection, parse_as_of(one))
        found = comparing.compare(
            earlier,
            later,
            unit=unit,
            limit=limit,
            beyond=None if beyond is None else beyond.split(SEPARATOR),
        )
    printing.print_answer(found, tell_comparison, as_json=as_json)


@click.command()
@click.argument("view", required=False)
@click.argument("key", required=False)
@click.option("--where", metavar="COLUMN=VALUE", multiple=True, help="Only rows that have it.")
@UNIT
@LIMIT
@click.option("--beyond", metavar="KEY", help="`next` of the page before.")
@AS_OF
@AS_JSON
@click.pass_obj
def show(  # noqa: PLR0913  (one parameter an option)
    environ: dict[str, str],
    *,
    view: str | None,
    key: str | None,
    where: tuple[str, ...],
    unit: UnitRef | None,
    limit: int,
    beyond: str | None,
    as_of: str | None,
    as_json: bool,
) -> None:
    """The rows of a view as they were at a moment; without a name, which views there are.

    VIEW is unit, post, person, duty, form, calendar, rule_book, obligation ...; KEY is one row's.
    """
    from api.commands.retelling import tell_rows, tell_views  # noqa: PLC0415  (a fast start)
    from projections.past import showing  # noqa: PLC0415

    with standing_at(environ, as_of) as (_, here):
        if view is None:
            views = showing.Views(as_of=here.as_of, views=showing.views_of(here.reader))
            printing.print_answer(views, tell_views, as_json=as_json)
            return
        conditions = [showing.condition(one) for one in where]
        if key is not None:
            conditions.append((showing.key_column(view), key))
        found = showing.show(
            here,
            view,
            where=conditions,
            unit=unit,
            limit=limit,
            beyond=None if beyond is None else beyond.split(SEPARATOR),
        )
    printing.print_answer(found, tell_rows, as_json=as_json)
