"""What the company of the demonstration demands: forms and report duties, as commands.

The handbook's stages decide who reports what: new outlets every working day, every open outlet
weekly and monthly, the institutions above for outlets that are planned or being prepared.
"""

from datetime import date
from typing import Final

from api.demo.codes import duty_id, form_id
from api.demo.network import HEADQUARTERS, OWNER_POST
from api.demo.scales import Scale
from ledger.decisions.duties import PublishDuty, PublishForm
from ledger.events.duties import DueRule, ExpectationPolicy, FieldKind, FormField
from ledger.model.periods import period_of
from ledger.vocabulary import Cadence, FormRef, Level, Stage, UnitRef

OPEN_STAGES: Final = (Stage.NEW, Stage.ESTABLISHED)
INSTITUTIONS: Final = (Level.SUB_BRANCH, Level.BRANCH, Level.REGION)
COUNT_MAX: Final = 100_000
PREMIUM_MAX: Final = 10**12


def _field(  # noqa: PLR0913  (a field has these parts)
    code: str,
    kind: FieldKind,
    label_zh: str,
    label_en: str,
    *,
    unit: str | None = None,
    required: bool = True,
    choices: tuple[str, ...] = (),
) -> FormField:
    return FormField(
        code=code,
        kind=kind,
        label_zh=label_zh,
        label_en=label_en,
        required=required,
        unit=unit,
        minimum=0 if kind == "integer" else None,
        maximum=(PREMIUM_MAX if unit == "元" else COUNT_MAX) if kind == "integer" else None,
        choices=choices,
    )


_HEADCOUNT: Final = _field("headcount", "integer", "在册人力", "Headcount", unit="人")
_ACTIVE: Final = _field("active_agents", "integer", "举绩人力", "Active agents", unit="人")
_PREMIUM: Final = _field("premium", "integer", "期交保费", "Regular premium", unit="元")
_REMARKS: Final = _field("remarks", "text", "说明", "Remarks", required=False)
_STATES: Final = ("not_started", "under_way", "done")

FORMS: Final = (
    PublishForm(
        form=form_id("daily"),
        title_zh="新设网点日报",
        title_en="New outlet, daily",
        fields=(
            _field("morning_meeting", "boolean", "是否召开早会", "Morning meeting held"),
            _field("visits", "integer", "拜访量", "Customer visits", unit="次"),
            _field("policies", "integer", "件数", "Policies sold", unit="件"),
        ),
    ),
    PublishForm(
        form=form_id("weekly"),
        title_zh="网点周报",
        title_en="Outlet, weekly",
        fields=(_HEADCOUNT, _ACTIVE, _PREMIUM, _REMARKS),
    ),
    PublishForm(
        form=form_id("monthly"),
        title_zh="网点经营月报",
        title_en="Outlet business, monthly",
        fields=(
            _HEADCOUNT,
            _ACTIVE,
            _PREMIUM,
            _field("recruitment_briefings", "integer", "创说会场次", "Recruitment briefings"),
            _field("product_briefings", "integer", "产说会场次", "Product briefings"),
            _field("persistency", "decimal", "13个月继续率", "13-month persistency", unit="%"),
            _REMARKS,
        ),
    ),
    PublishForm(
        form=form_id("preparing"),
        title_zh="筹备进度表",
        title_en="Preparation progress",
        fields=(
            _field("licence", "choice", "批筹与执照", "Licence", choices=_STATES),
            _field("premises", "choice", "职场", "Premises", choices=_STATES),
            _field("head_selected", "boolean", "负责人是否选定", "Head selected"),
            _field("planned_open", "date", "预计开业日", "Planned opening"),
        ),
    ),
    PublishForm(
        form=form_id("siting"),
        title_zh="规划网点筛选表",
        title_en="Planned outlets, screening",
        fields=(
            _field("population", "integer", "覆盖人口（千人）", "Population, thousands"),
            _field("competitors", "integer", "同业网点数", "Competing outlets"),
            _REMARKS,
        ),
    ),
    PublishForm(
        form=form_id("institution"),
        title_zh="机构推动报告",
        title_en="Institution, progress of outlets",
        fields=(
            _field("outlets_open", "integer", "已开业网点", "Outlets open", unit="个"),
            _field("outlets_on_standard", "integer", "达标网点", "Outlets on standard", unit="个"),
            _PREMIUM,
            _REMARKS,
        ),
    ),
)


def _duty(  # noqa: PLR0913, PLR0917  (a duty has these parts)
    duty: str,
    titles: tuple[str, str],
    form: str,
    cadence: Cadence,
    due: DueRule,
    levels: tuple[Level, ...],
    *,
    first: date,
    stages: tuple[Stage, ...] = (),
    owed_by: Level | None = None,
    scope: str = HEADQUARTERS,
    expectation: ExpectationPolicy = "alive_at_due",
    final_report: bool = False,
) -> PublishDuty:
    return PublishDuty(
        duty=duty_id(duty),
        title_zh=titles[0],
        title_en=titles[1],
        form=FormRef(form),
        cadence=cadence,
        due=due,
        owner=OWNER_POST,
        scope=UnitRef(scope),
        levels=levels,
        stages=stages,
        owed_by_level=owed_by,
        expectation=expectation,
        final_report=final_report,
        first_period=first,
    )


def duties(scale: Scale) -> tuple[PublishDuty, ...]:
    """The duties that stand from the beginning; each starts with its first whole period."""

    def first(cadence: Cadence) -> date:
        period = period_of(cadence, scale.first_day)
        whole = period.start == scale.first_day
        return period.start if whole else period_of(cadence, _day_after(period.end)).start

    daily_stages = OPEN_STAGES if scale.daily_for_all else (Stage.NEW,)
    outlet, preparing, planned = (Level.OUTLET,), (Stage.PREPARING,), (Stage.PLANNED,)
    day, week, month = Cadence.DAILY, Cadence.WEEKLY, Cadence.MONTHLY
    quarter, year = Cadence.QUARTERLY, Cadence.YEARLY
    stated = (
        ("outlet-daily", ("新设网点日报", "New outlet daily"), "daily", day, DueRule(0, "20:00"),
         outlet, daily_stages, None, False),
        ("outlet-weekly", ("网点周报", "Outlet weekly"), "weekly", week, DueRule(1),
         outlet, OPEN_STAGES, None, False),
        ("outlet-monthly", ("网点经营月报", "Outlet monthly"), "monthly", month, DueRule(5),
         outlet, OPEN_STAGES, None, True),
        ("preparing-monthly", ("网点筹备月报", "Preparation monthly"), "preparing", month,
         DueRule(3), outlet, preparing, Level.SUB_BRANCH, False),
        ("siting-quarterly", ("规划网点季报", "Siting quarterly"), "siting", quarter, DueRule(5),
         outlet, planned, Level.BRANCH, False),
        ("institution-monthly", ("机构推动月报", "Institution monthly"), "institution", month,
         DueRule(8, "12:00"), INSTITUTIONS, (), None, False),
        ("institution-quarterly", ("机构推动季报", "Institution quarterly"), "institution",
         quarter, DueRule(10, "12:00"), INSTITUTIONS, (), None, False),
        ("plan-yearly", ("年度发展规划总结", "Yearly development plan"), "institution", year,
         DueRule(10), INSTITUTIONS, (), None, False),
    )  # fmt: skip
    return tuple(
        _duty(code, titles, form, cadence, due, levels, first=first(cadence), stages=stages,
              owed_by=owed_by, final_report=final)
        for code, titles, form, cadence, due, levels, stages, owed_by, final in stated
    )  # fmt: skip


def _day_after(day: date) -> date:
    return date.fromordinal(day.toordinal() + 1)
