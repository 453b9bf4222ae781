"""From bytes to checked rows: encoding, header, cells; every problem of every row is kept.

UTF-8 is read with or without a byte-order mark; what is not UTF-8 but GB18030 is read as that,
and said. A row is numbered as a spreadsheet numbers it: the header is row 1.
Read next: `rows.py`, which turns rows into commands.
"""

import csv
import hashlib
import io
from pathlib import Path
from typing import Any, Final

import msgspec

from api.importing.sheets import FIELD_PREFIX, SHEETS, Sheet
from ledger.errors import Invalid, NotFound

FILE_BYTES_MAX: Final = 256 * 1024 * 1024
ROWS_MAX: Final = 1_000_000
SHOWN_CHARACTERS_MAX: Final = 60


class Problem(msgspec.Struct, frozen=True):
    """One reason why a row cannot be imported, and where it stands; row 1 is the header."""

    file: str
    row: int
    column: str
    value: str
    reason: str


class Row(msgspec.Struct, frozen=True):
    """A row whose every cell could be read; `fields` are a report's own, as text."""

    number: int
    cells: dict[str, Any]
    fields: dict[str, str] = {}


class Read(msgspec.Struct, kw_only=True):
    """A file as read: its rows, what was wrong, and how it was encoded."""

    path: Path
    sheet: Sheet
    sha256: str
    encoding: str
    row_count: int
    rows: list[Row]
    problems: list[Problem]


def find(paths: list[Path]) -> list[Path]:
    """The files meant, folders opened, in the order in which they are imported."""
    found: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise NotFound(f"there is no file {str(path)!r}; check the path")
        inside = [one for one in sorted(path.glob("*.csv")) if _sheet(one)] if path.is_dir() else []
        if path.is_dir() and not inside:
            raise NotFound(f"{str(path)!r} holds none of {_names()}")
        for one in inside or [path]:
            sheet = _sheet(one)
            if sheet is None:
                raise Invalid.field("file", f"{one.name!r} is none of {_names()}; rename it")
            if sheet.name in found:
                raise Invalid.field("file", f"two files are {sheet.name}.csv; import one at a time")
            found[sheet.name] = one
    return [found[sheet.name] for sheet in SHEETS if sheet.name in found]


def read(path: Path) -> Read:
    """One file, checked cell by cell."""
    if path.stat().st_size > FILE_BYTES_MAX:
        raise Invalid.field(
            "file", f"{path.name} is larger than {FILE_BYTES_MAX:,} bytes; split it"
        )
    content = path.read_bytes()
    sheet = _sheet(path)
    assert sheet is not None, "only known files are found"
    words, encoding = _decoded(content, path.name)
    result = Read(
        path=path,
        sheet=sheet,
        sha256=hashlib.sha256(content).hexdigest(),
        encoding=encoding,
        row_count=0,
        rows=[],
        problems=[],
    )
    _read_rows(result, words)
    return result


def _sheet(path: Path) -> Sheet | None:
    if path.suffix.lower() != ".csv":
        return None
    return next((one for one in SHEETS if one.name == path.stem.lower()), None)


def _names() -> str:
    return ", ".join(f"{one.name}.csv" for one in SHEETS)


def _decoded(content: bytes, name: str) -> tuple[str, str]:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise Invalid.field("file", f"{name} is neither UTF-8 nor GB18030; save it as CSV UTF-8")


def _read_rows(result: Read, words: str) -> None:
    lines = csv.reader(io.StringIO(words, newline=""), strict=True)
    number = 0
    header: list[str] | None = None
    seen: dict[tuple[Any, ...], int] = {}
    try:
        for number, cells in enumerate(lines, 1):
            if header is None:
                header = [cell.strip() for cell in cells]
                if not _header_holds(result, header):
                    return
            elif any(cell.strip() for cell in cells):
                result.row_count += 1
                if result.row_count > ROWS_MAX:
                    _note(
                        result,
                        number,
                        "",
                        "",
                        f"the file has more than {ROWS_MAX:,} rows; split it",
                    )
                    return
                _read_row(result, header, number, cells, seen)
    except csv.Error as error:
        _note(result, number + 1, "", "", f"the file breaks off here: {error}; quote the cells")
    if header is None:
        _note(result, 1, "", "", "the file is empty; the first row names the columns")


def _header_holds(result: Read, header: list[str]) -> bool:
    sheet, before = result.sheet, len(result.problems)
    known = ", ".join(one.name for one in sheet.columns)
    for name in header:
        if header.count(name) > 1:
            _note(result, 1, name, name, "stands in the header twice")
        if sheet.column(name) is None and not (sheet.fields and name.startswith(FIELD_PREFIX)):
            _note(result, 1, name, name, f"is no column of {sheet.name}.csv; known are {known}")
    for column in sheet.columns:
        if column.required and column.name not in header:
            _note(result, 1, column.name, "", "this column is required and missing")
    return len(result.problems) == before


def _read_row(
    result: Read, header: list[str], number: int, cells: list[str], seen: dict[tuple[Any, ...], int]
) -> None:
    before = len(result.problems)
    if len(cells) > len(header):
        extra = cells[len(header)]
        _note(
            result, number, "", extra, f"the row has {len(cells)} cells, the header {len(header)}"
        )
    given = dict(zip(header, (cell.strip() for cell in cells), strict=False))
    values: dict[str, Any] = {}
    for column in result.sheet.columns:
        cell = given.get(column.name, "")
        values[column.name] = column.default
        if cell:
            try:
                values[column.name] = column.read(cell)
            except ValueError as error:
                _note(result, number, column.name, cell, str(error))
        elif column.required:
            _note(result, number, column.name, "", "is required and empty")
    fields = {
        name.removeprefix(FIELD_PREFIX): cell
        for name, cell in given.items()
        if name.startswith(FIELD_PREFIX) and cell
    }
    if result.sheet.unique and len(result.problems) == before:
        key = tuple(values[name] for name in result.sheet.unique)
        first = seen.setdefault(key, number)
        if first != number:
            named = " and ".join(result.sheet.unique)
            _note(result, number, named, str(key[0]), f"the same {named} stands in row {first}")
    if len(result.problems) == before:
        result.rows.append(Row(number, values, fields))


def _note(result: Read, row: int, column: str, value: str, reason: str) -> None:
    shown = value if len(value) <= SHOWN_CHARACTERS_MAX else value[:SHOWN_CHARACTERS_MAX] + "…"
    result.problems.append(Problem(result.path.name, row, column, shown, reason))
