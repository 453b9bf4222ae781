"""The files that can be imported: their names, and the columns that each may have.

This table is the only place where columns are said; `docs/importing.md` is compared with it.
Files are taken in the order of this table, whatever the order given. Read next: `files.py`.
"""

from typing import Any, Final

import msgspec

from api.importing import cells
from api.importing.cells import CellReader
from ledger.vocabulary import Cadence, Level, Stage, UnitKind

code, text, day, instant, boolean = (
    cells.code,
    cells.text,
    cells.day,
    cells.instant,
    cells.boolean,
)
level = cells.word_of(Level, cells.LEVELS)
stage = cells.word_of(Stage, cells.STAGES)
cadence = cells.word_of(Cadence, cells.CADENCES)
FIELD_KINDS: Final = ("integer", "decimal", "text", "date", "choice", "boolean")
POLICIES: Final = ("alive_at_due", "any_overlap", "whole_period")
NUMBER_MAX: Final = 10**15
WORKING_DAYS_MAX: Final = 250


class Column(msgspec.Struct, frozen=True):
    """A column: how its cells are read, what it means, and what an empty cell stands for."""

    name: str
    read: CellReader
    means: str
    required: bool = False
    default: Any = None


class Sheet(msgspec.Struct, frozen=True):
    """One kind of file; `fields`: columns `field:<code>` carry a report's own fields."""

    name: str
    means: str
    columns: tuple[Column, ...]
    unique: tuple[str, ...] = ()
    fields: bool = False

    def column(self, name: str) -> Column | None:
        """The column of a name, if the sheet has one."""
        return next((one for one in self.columns if one.name == name), None)


FIELD_PREFIX: Final = "field:"

SHEETS: Final = (
    Sheet(
        "calendar",
        "Days off and make-up working days; a year without rows is taken from the announcements "
        "that the program knows",
        (
            Column("day", day, "The day that differs from its weekday", required=True),
            Column("kind", cells.choice("off", "makeup"), "`off` or `makeup`", required=True),
            Column("source", text, "The announcement's title or number", required=True),
        ),
        unique=("day",),
    ),
    Sheet(
        "units",
        "Units of both lines, outlets included",
        (
            Column("unit", code, "Code of the unit", required=True),
            Column("level", level, "`headquarters`, `region`, `branch` ...", required=True),
            Column("name_zh", text, "Chinese name", required=True),
            Column("name_en", text, "English name", required=True),
            Column("parent", code, "Unit above on the management line; empty at the top"),
            Column(
                "kind",
                cells.word_of(UnitKind, cells.KINDS),
                "`line` (empty) or `support`",
                default=UnitKind.LINE,
            ),
            Column("established_on", day, "First day of its existence", required=True),
            Column("planned_open", day, "Outlets: planned opening"),
            Column("opened_on", day, "Outlets: opening, month 1 begins"),
            Column("closed_on", day, "First day on which it exists no longer"),
            Column("supporter", code, "Support unit that coaches it"),
        ),
        unique=("unit",),
    ),
    Sheet(
        "posts",
        "Posts in units",
        (
            Column("post", code, "Code of the post", required=True),
            Column("unit", code, "Unit that it belongs to", required=True),
            Column("role", code, "`head` leads the unit; duties name a role", required=True),
            Column("title_zh", text, "Chinese title", required=True),
            Column("title_en", text, "English title", required=True),
            Column("superior", code, "Post that it answers to; empty: the head above"),
            Column("established_on", day, "First day; empty: the unit's"),
        ),
        unique=("post",),
    ),
    Sheet(
        "people",
        "Who held which post from when to when; a person has a row for each tenure",
        (
            Column("number", text, "Employee number: one person", required=True),
            Column("name", text, "Name; sealed, never in the log", required=True),
            Column("phone", text, "Phone; sealed"),
            Column("post", code, "Post held"),
            Column("capacity", cells.choice("holder", "acting"), "`holder` (empty) or `acting`"),
            Column("from", instant, "First instant of the tenure"),
            Column("until", instant, "End, no longer included; empty: still there"),
            Column("appointed_by", code, "Post that appointed (needed for `acting`)"),
            Column("departed_on", day, "Day on which the person had left the company"),
            Column("departure", text, "Cause: `resigned`, `retired` ..."),
        ),
        unique=("number", "post", "from"),
    ),
    Sheet(
        "forms",
        "Fields of reports, a row for each field",
        (
            Column("form", code, "Code of the form", required=True),
            Column("title_zh", text, "Chinese title of the form", required=True),
            Column("title_en", text, "English title of the form", required=True),
            Column("field", code, "Code of the field", required=True),
            Column("kind", cells.choice(*FIELD_KINDS), ", ".join(FIELD_KINDS), required=True),
            Column("label_zh", text, "Chinese label", required=True),
            Column("label_en", text, "English label", required=True),
            Column("required", boolean, "Whether it must be filled (empty: yes)", default=True),
            Column("measure", text, "Unit of measurement"),
            Column("minimum", cells.whole(-NUMBER_MAX, NUMBER_MAX), "Least value"),
            Column("maximum", cells.whole(-NUMBER_MAX, NUMBER_MAX), "Greatest value"),
            Column("choices", cells.many(text), "For `choice`: values, `;` between", default=()),
        ),
        unique=("form", "field"),
    ),
    Sheet(
        "duties",
        "Standing demands for reports",
        (
            Column("duty", code, "Code of the duty", required=True),
            Column("title_zh", text, "Chinese title", required=True),
            Column("title_en", text, "English title", required=True),
            Column("form", code, "Form to fill", required=True),
            Column("cadence", cadence, "`daily`, `weekly`, `monthly` ...", required=True),
            Column(
                "due_working_days",
                cells.whole(0, WORKING_DAYS_MAX),
                "Due on the nth working day after the period; 0: on its last day",
                required=True,
            ),
            Column("due_time", cells.wall_time, "Time of day (empty: 18:00)", default="18:00"),
            Column("owner", code, "Post that demands it", required=True),
            Column("scope", code, "Unit below which it applies", required=True),
            Column("levels", cells.many(level), "Levels that owe it, `;` between", required=True),
            Column("stages", cells.many(stage), "Outlets' stages (empty: all)", default=()),
            Column("post_role", code, "Role of the post that owes it", default="head"),
            Column("owed_by_level", level, "Owed by the unit of this level above"),
            Column(
                "expectation", cells.choice(*POLICIES), ", ".join(POLICIES), default="alive_at_due"
            ),
            Column("final_report", boolean, "Owed once more when a unit closes", default=False),
            Column("first_period", day, "A day of the first period asked for"),
            Column("published_at", instant, "Since when it is known", required=True),
            Column("retired_on", day, "First day on which it asks for nothing more"),
        ),
        unique=("duty",),
    ),
    Sheet(
        "submissions",
        "Past reports; the receipt time claimed is believed, and such reports are counted apart",
        (
            Column("duty", code, "Duty", required=True),
            Column("unit", code, "Unit reported on", required=True),
            Column("period", text, "`2026-04`, `2026W14`, `2026Q2` ...", required=True),
            Column("received_at", instant, "When the report arrived", required=True),
            Column("number", text, "Employee number of its author", required=True),
            Column("nil_return", boolean, "Nothing to report (empty: no)", default=False),
        ),
        fields=True,
    ),
    Sheet(
        "relief",
        "Past extensions and waivers",
        (
            Column("duty", code, "Duty", required=True),
            Column("unit", code, "Unit", required=True),
            Column("period", text, "Period", required=True),
            Column(
                "kind", cells.choice("extension", "waiver"), "`extension`, `waiver`", required=True
            ),
            Column("requested_at", instant, "When it was asked for", required=True),
            Column("requested_by", text, "Employee number of who asked", required=True),
            Column("due", instant, "Extension: asked for, and given, until then"),
            Column("decision", cells.choice("granted", "refused"), "Empty: never decided"),
            Column("decided_at", instant, "When it was decided"),
            Column("decided_by", code, "Post that decided"),
            Column("decider", text, "Employee number of who decided"),
            Column("reason", text, "Code of the reason", default="unstated"),
        ),
    ),
)
