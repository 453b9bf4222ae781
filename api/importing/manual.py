"""The columns as the manual shows them: one table a sheet, in the order of import."""

from api.importing.sheets import SHEETS, Sheet


def tables() -> str:
    """Every sheet's table, as Markdown."""
    return "\n".join(_table(sheet) for sheet in SHEETS)


def _table(sheet: Sheet) -> str:
    lines = [
        f"### {sheet.name}.csv",
        "",
        f"{sheet.means}.",
        "",
        "| Column | | Meaning |",
        "| --- | --- | --- |",
    ]
    for column in sheet.columns:
        needed = "required" if column.required else ""
        lines.append(f"| `{column.name}` | {needed} | {column.means} |")
    if sheet.fields:
        lines.append("| `field:<code>` | | A field of the report's form, by its code |")
    return "\n".join(lines) + "\n"
