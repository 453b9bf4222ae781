"""What the demonstration prints: who failed, one failure traced, the planted cases, where to look.

All of it is asked of the views, as any user would. Read next: `cases/`.
"""

import os
import sys
from typing import Final

from msgspec.structs import replace

from api.citable import Answer
from api.commands import telling
from api.commands.opening import Opened
from api.commands.printing import print_answer, print_table, print_text
from api.demo.cases import Case, plant
from api.demo.network import build
from api.demo.scales import SCALES, SEED
from ledger.settings import Settings
from ledger.vocabulary import DutyRef, ObligationId, UnitRef
from projections import failures, spans, tracing
from projections.names import with_person_names

BRANCH: Final = UnitRef("B51")
REGION: Final = UnitRef("R5")
WEEK: Final = "2026W36"
MONTH: Final = "2026-09"
FAILURES_SHOWN: Final = 12
STRIKING: Final = "R7"
"""The case whose trace is printed: nobody at the outlet, nobody above it, two hops up."""

CASES_SHOWN: Final = ("3", "6", "12", "18", "20", "28", "31", "38", "45", "48", "54", "57b", "59")


def say(words: str) -> None:
    """A line about how things go, beside what is printed."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def language() -> str:
    """The reader's language as the terminal says it."""
    spoken = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "zh" if spoken.startswith("zh") else "en"


def planted() -> list[Case]:
    """The planted cases: the same at every scale, the persons those of the small one."""
    return plant(build(SCALES["small"], SEED)).cases


def tell(opened: Opened, settings: Settings, *, serves: bool) -> None:
    """Everything, in the order in which a newcomer should read it."""
    spoken = language()
    _tell_failures(opened, spoken, WEEK, BRANCH, None)
    _tell_failures(opened, spoken, MONTH, REGION, DutyRef("outlet-monthly"))
    cases = {case.code: case for case in planted()}
    _tell_trace(opened, spoken, cases[STRIKING])
    print_table(
        ("ruling", "what happened", "obligation", "the answer"),
        (
            (case.ruling, _title(case, spoken), case.obligation, case.expected.outcome)
            for case in (cases[code] for code in CASES_SHOWN)
        ),
        title=f"{len(CASES_SHOWN)} of {len(cases)} planted cases (docs/demonstration.md has all)",
    )
    _tell_where(settings, cases[STRIKING].obligation, serves=serves)


def _title(case: Case, spoken: str) -> str:
    return case.title_zh if spoken == "zh" else case.title_en


def _tell_failures(
    opened: Opened, spoken: str, period: str, unit: UnitRef, duty: DutyRef | None
) -> None:
    with opened.questions.at() as here:
        span = spans.parse_span(period)
        found = failures.who_failed(here, span, unit=unit, duty=duty, limit=FAILURES_SHOWN)
        persons = opened.names_of(here, found.names.persons)
        found = replace(found, names=with_person_names(found.names, persons))
    if found.total or duty is None:
        _tell(found, spoken)


def _tell_trace(opened: Opened, spoken: str, case: Case) -> None:
    print_text(f"\n[bold]{_title(case, spoken)}[/bold]")
    with opened.questions.at() as here:
        found = tracing.trace(here, ObligationId(case.obligation))
        persons = opened.names_of(here, found.names.persons)
        found = replace(found, names=with_person_names(found.names, persons))
    _tell(found, spoken)


def _tell(found: Answer, spoken: str) -> None:
    print_answer(found, lambda one: telling.tell(one, spoken), as_json=False)


def _tell_where(settings: Settings, obligation: str, *, serves: bool) -> None:
    name, base = settings.name, f"http://{settings.host}:{settings.port}"
    print_text("\n[bold]Look at[/bold]")
    print_text(f"  {base}/{name}/matrix?duty=outlet-weekly&period={WEEK}&unit=S5101")
    print_text(f"  {base}/{name}/traces/{obligation}")
    print_text(f"  {base}/api/v1/{name}/who-failed?period={WEEK}&unit={BRANCH}")
    print_text("[bold]Try[/bold]" + ("" if serves else " (`ledger demo` serves it)"))
    print_text(f"  ledger --ledger {name} who-failed --period {MONTH} --unit {BRANCH}")
    print_text(f"  ledger --ledger {name} trace {obligation} --as-of 2026-09-07T18:05:00+08:00")
    print_text(
        f"  ledger --ledger {name} matrix --duty outlet-monthly --period 2026Q3 --unit S5107"
    )
