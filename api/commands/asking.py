"""The questions: who failed to report, why exactly, how well reports come in, who held which post.

Every one takes `--as-of`, a position or a time, and says what it is as of.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click
from msgspec.structs import replace

from api.commands import printing
from api.commands.printing import LOCAL_ZONE
from ledger.vocabulary import DutyRef, ObligationId, PersonRef, PostRef, UnitRef

if TYPE_CHECKING:
    from api.citable import Answer
    from api.commands.opening import Opened
    from projections.names import Names
    from projections.standpoint import Standpoint

F = TypeVar("F", bound=Callable[..., Any])

AS_OF = click.option(
    "--as-of",
    metavar="X",
    help="What was known then: a position (184233) or a time (2026-04-01T18:00:00+08:00).",
)


def limit_of(default: int) -> Callable[[F], F]:
    """The option that says how many are shown."""
    return click.option(
        "--limit",
        type=click.IntRange(1, 500),
        default=default,
        show_default=True,
        help="How many to show, at most 500.",
    )


LIMIT = limit_of(100)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="The whole answer as JSON.")
LANGUAGE = click.option(
    "--language",
    type=click.Choice(["zh", "en"]),
    default="zh",
    show_default=True,
    help="The language of names.",
)


@click.command("who-failed")
@click.option("--period", metavar="P", help="2026-04, 2026W14, 2026Q1, or two joined by `..`.")
@click.option("--unit", metavar="U", help="A unit and everything below it; all by default.")
@click.option("--duty", metavar="D", help="One duty; all by default.")
@LIMIT
@AS_OF
@LANGUAGE
@AS_JSON
@click.pass_obj
def who_failed(  # noqa: PLR0913  (one parameter an option)
    environ: dict[str, str],
    *,
    period: str | None,
    unit: UnitRef | None,
    duty: DutyRef | None,
    limit: int,
    as_of: str | None,
    language: str,
    as_json: bool,
) -> None:
    """Who failed to report in a period (default: last month), and who answers for it."""
    from projections import failures, spans  # noqa: PLC0415  (a fast start)

    with standing_at(environ, as_of) as (ledger, here):
        span = spans.parse_span(period or _last_month(here.moment.instant))
        found = failures.who_failed(here, span, unit=unit, duty=duty, limit=limit)
        found = replace(found, names=_with_persons(ledger, here, found.names))
    _print(found, language, as_json=as_json)


@click.command()
@click.argument("obligation")
@AS_OF
@LANGUAGE
@AS_JSON
@click.pass_obj
def trace(
    environ: dict[str, str],
    *,
    obligation: ObligationId,
    as_of: str | None,
    language: str,
    as_json: bool,
) -> None:
    """Why a report was demanded, of whom, what was done, who answers, on which facts."""
    from projections import tracing  # noqa: PLC0415  (a fast start)

    with standing_at(environ, as_of) as (ledger, here):
        found = tracing.trace(here, obligation)
        found = replace(found, names=_with_persons(ledger, here, found.names))
    _print(found, language, as_json=as_json)


@click.command()
@click.option("--duty", metavar="D", required=True, help="The duty whose reports are counted.")
@click.option("--period", metavar="P", help="2026-04, 2026Q1, or two joined by `..`.")
@click.option("--unit", metavar="U", help="A unit and everything below it; all by default.")
@click.option(
    "--then", metavar="X", help="What 'as known then' means, instead of each period's own."
)
@LIMIT
@AS_OF
@LANGUAGE
@AS_JSON
@click.pass_obj
def matrix(  # noqa: PLR0913  (one parameter an option)
    environ: dict[str, str],
    *,
    duty: DutyRef,
    period: str | None,
    unit: UnitRef | None,
    then: str | None,
    limit: int,
    as_of: str | None,
    language: str,
    as_json: bool,
) -> None:
    """Units by periods (default: last month): each outcome, as known then and as known now."""
    from projections import matrix as reporting  # noqa: PLC0415  (a fast start)
    from projections.spans import parse_span  # noqa: PLC0415
    from projections.standpoint import asked_as, parse_as_of  # noqa: PLC0415

    with asked_as("then"):
        known_then = parse_as_of(then)
    with standing_at(environ, as_of) as (_, here):
        found = reporting.matrix(
            here,
            parse_span(period or _last_month(here.moment.instant)),
            duty,
            unit=unit,
            then=known_then,
            limit=limit,
        )
    _print(found, language, as_json=as_json)


@click.command()
@click.argument("unit")
@AS_OF
@LANGUAGE
@AS_JSON
@click.pass_obj
def status(
    environ: dict[str, str], *, unit: UnitRef, as_of: str | None, language: str, as_json: bool
) -> None:
    """How one unit stands: its stage, its head, what it owes and what it missed."""
    from projections import status as standing  # noqa: PLC0415  (a fast start)

    with standing_at(environ, as_of) as (ledger, here):
        found = standing.status(here, unit)
        found = replace(found, names=_with_persons(ledger, here, found.names))
    _print(found, language, as_json=as_json)


@click.command()
@click.option("--unit", metavar="U", help="A unit and everything below it; all by default.")
@click.option("--on", metavar="DATE", help="What was in force on that day; today by default.")
@click.option(
    "--depth",
    type=click.IntRange(0, 32),
    default=2,
    show_default=True,
    help="How many levels below the top are shown.",
)
@click.option("--ended", is_flag=True, help="Closed units too.")
@AS_OF
@click.option(
    "--and",
    "known_at",
    metavar="Y",
    help="What differs as known at Y from as known at --as-of, and which facts did it; "
    "needs --on. `now` is a Y too.",
)
@click.option("--post", metavar="P", help="With --and: one post alone.")
@click.option("--person", metavar="X", help="With --and: one person alone.")
@LANGUAGE
@AS_JSON
@click.pass_obj
def org(  # noqa: PLR0913  (one parameter an option)
    environ: dict[str, str],
    *,
    unit: UnitRef | None,
    on: str | None,
    depth: int,
    ended: bool,
    as_of: str | None,
    known_at: str | None,
    post: PostRef | None,
    person: PersonRef | None,
    language: str,
    as_json: bool,
) -> None:
    """The organisation on a date, as known at a position: units, posts, and who was in them.

    With --and: how two knowings of the date differ, field by field, and why.
    """
    if known_at is not None:
        _two_times(
            environ,
            _both(as_of, known_at),
            on,
            unit=unit,
            post=post,
            person=person,
            language=language,
            as_json=as_json,
        )
        return
    if post or person:
        raise click.UsageError("--post and --person go with --as-of X --and Y")
    from projections.structure import organisation_on  # noqa: PLC0415  (a fast start)

    with standing_at(environ, as_of) as (ledger, here):
        found = organisation_on(here, _day(on), unit=unit, depth=depth, ended=ended)
        found = replace(found, names=_with_persons(ledger, here, found.names))
    _print(found, language, as_json=as_json)


@click.command()
@click.argument("subject")
@click.option("--type", "types", metavar="T", multiple=True, help="Only facts of this type.")
@LIMIT
@click.option("--beyond", type=click.IntRange(min=1), help="`next` of the page before.")
@click.option("--backwards", is_flag=True, help="The latest first.")
@AS_OF
@AS_JSON
@click.pass_obj
def timeline(  # noqa: PLR0913  (one parameter an option)
    environ: dict[str, str],
    *,
    subject: str,
    types: tuple[str, ...],
    limit: int,
    beyond: int | None,
    backwards: bool,
    as_of: str | None,
    as_json: bool,
) -> None:
    """Every fact about one subject, in order: unit:X, post:X, obligation:X, duty:X ..."""
    from projections import timeline as facts  # noqa: PLC0415  (a fast start)

    with standing_at(environ, as_of) as (ledger, here):
        found = facts.timeline(
            ledger.questions,
            here.as_of,
            subject,
            types=types,
            beyond=beyond,
            limit=limit,
            backwards=backwards,
        )
        found = facts.with_erased(found, ledger.sealed.erased_in)
    _print(found, "zh", as_json=as_json)


@contextmanager
def standing_at(
    environ: dict[str, str], as_of: str | None, option: str = "as_of"
) -> "Iterator[tuple[Opened, Standpoint]]":
    """The ledger, its views brought up to date, and the standpoint that an option asked for."""
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from projections.standpoint import asked_as, parse_as_of  # noqa: PLC0415

    with asked_as(option):
        asked = parse_as_of(as_of)
    with opened(environ) as ledger, ExitStack() as standing:
        ledger.bring_views_up()
        with asked_as(option):
            here = standing.enter_context(ledger.questions.at(asked))
        yield ledger, here


def _both(as_of: str | None, known_at: str) -> tuple[str, str | None]:
    if as_of is None:
        raise click.UsageError("--and says the later of two moments; give the earlier as --as-of")
    return as_of, None if known_at == "now" else known_at


def _two_times(  # noqa: PLR0913  (one parameter an option)
    environ: dict[str, str],
    moments: tuple[str, str | None],
    on: str | None,
    *,
    unit: UnitRef | None,
    post: PostRef | None,
    person: PersonRef | None,
    language: str,
    as_json: bool,
) -> None:
    from projections.past.two_times import two_times  # noqa: PLC0415
    from projections.standpoint import parse_as_of  # noqa: PLC0415  (a fast start)

    if on is None:
        raise click.UsageError("two knowings are compared about a day; give it as --on")
    if sum(one is not None for one in (unit, post, person)) > 1:
        raise click.UsageError("give one of --unit, --post and --person")
    with standing_at(environ, moments[1], "and") as (ledger, here):
        then = here.questions.stand(here.connection, parse_as_of(moments[0]))
        found = two_times(
            then,
            here,
            _day(on),
            unit=unit,
            post=post,
            person=person,
        )
        found = replace(found, names=_with_persons(ledger, here, found.names))
    _print(found, language, as_json=as_json)


def _print(found: "Answer", language: str, *, as_json: bool) -> None:
    from api.commands.telling import tell  # noqa: PLC0415  (a fast start)

    printing.print_answer(found, lambda one: tell(one, language), as_json=as_json)


def _with_persons(ledger: "Opened", here: "Standpoint", names: "Names") -> "Names":
    from projections.names import with_person_names  # noqa: PLC0415  (a fast start)

    return with_person_names(names, ledger.names_of(here, names.persons))


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a date; write 2026-04-01") from None


def _last_month(instant: datetime) -> str:
    first = instant.astimezone(LOCAL_ZONE).date().replace(day=1)
    return f"{first - timedelta(days=1):%Y-%m}"
