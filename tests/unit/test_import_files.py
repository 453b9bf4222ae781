"""Reading files to import: every bad cell named with its reason, before anything is decided."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from api.importing import cells
from api.importing.files import find, read
from ledger.errors import Invalid, NotFound
from ledger.vocabulary import Level, Stage

UNITS = "unit,level,name_zh,name_en,parent,established_on\n"


def written(folder: Path, text: str, name: str = "units.csv", encoding: str = "utf-8") -> Path:
    """A file with this text."""
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def reasons(folder: Path, text: str, name: str = "units.csv") -> list[tuple[int, str, str]]:
    """Row, column and value of every problem, in order."""
    found = read(written(folder, text, name)).problems
    assert all(one.reason for one in found)
    return [(one.row, one.column, one.value) for one in found]


def test_a_good_row_is_read(tmp_path: Path) -> None:
    """Cells become values; what is left out has its default."""
    found = read(written(tmp_path, UNITS + "HQ,总部,总公司,Headquarters,,2012/5/18\n"))

    assert found.problems == []
    (row,) = found.rows
    assert row.number == 2
    assert row.cells["level"] is Level.HEADQUARTERS
    assert row.cells["established_on"] == date(2012, 5, 18)
    assert row.cells["parent"] is None
    assert row.cells["kind"] == "line"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_encodings_are_told_apart(tmp_path: Path, encoding: str) -> None:
    """UTF-8 with and without its mark, and GB18030, give the same rows; the encoding is said."""
    text = UNITS + "HQ,headquarters,总公司,Headquarters,,2012-05-18\n"
    found = read(written(tmp_path, text, encoding=encoding))

    assert found.rows[0].cells["name_zh"] == "总公司"
    assert found.encoding == encoding.removesuffix("-sig")


def test_every_bad_cell_of_a_row_is_named(tmp_path: Path) -> None:
    """A row with four faults has four problems."""
    assert reasons(tmp_path, UNITS + "H Q,palace,,Headquarters,,2012-02-30\n") == [
        (2, "unit", "H Q"),
        (2, "level", "palace"),
        (2, "name_zh", ""),
        (2, "established_on", "2012-02-30"),
    ]


def test_the_header_is_checked_whole(tmp_path: Path) -> None:
    """Unknown, repeated and missing columns are all named; the rows are left alone."""
    assert reasons(tmp_path, "unit,unit,colour\nHQ,HQ,red\n") == [
        (1, "unit", "unit"),
        (1, "unit", "unit"),
        (1, "colour", "colour"),
        (1, "level", ""),
        (1, "name_zh", ""),
        (1, "name_en", ""),
        (1, "established_on", ""),
    ]


def test_rows_are_numbered_as_a_spreadsheet_does(tmp_path: Path) -> None:
    """A line break within quotes does not count, an empty row does."""
    good = "HQ,headquarters,总公司,Headquarters,,2012-05-18\n"
    bad = "B,branch,x,Branch,,never\n"

    assert reasons(tmp_path, UNITS + good + ",,,,,\n" + bad) == [(4, "established_on", "never")]
    quoted = 'B,branch,"a\nb",Branch,,2012-05-18\n'
    assert reasons(tmp_path, UNITS + quoted + bad.replace("B,", "C,", 1)) == [
        (2, "name_zh", "a\nb"),
        (3, "established_on", "never"),
    ]


def test_a_row_given_twice_is_named(tmp_path: Path) -> None:
    """The second row with the same code names the first."""
    row = "HQ,headquarters,总公司,Headquarters,,2012-05-18\n"
    found = read(written(tmp_path, UNITS + row + row))

    assert [one.number for one in found.rows] == [2]
    assert found.problems[0].row == 3
    assert "row 2" in found.problems[0].reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        UNITS.rstrip("\n") + ',"open quote\n',
        UNITS + "HQ,headquarters,总公司,Headquarters,,2012-05-18,extra\n",
        UNITS + 'HQ,headquarters,"总公司\n',
    ],
)
def test_broken_files_are_problems_and_not_errors(tmp_path: Path, text: str) -> None:
    """An empty, torn or ragged file is reported like any other fault."""
    assert read(written(tmp_path, text)).problems


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes in neither encoding are refused with what to do."""
    path = tmp_path / "units.csv"
    path.write_bytes(b"\xff\xfe\x00\x00\x81")
    with pytest.raises(Invalid, match="CSV UTF-8"):
        read(path)


def test_files_are_found_and_ordered(tmp_path: Path) -> None:
    """A folder gives its known files in the order of import, whatever their names' order."""
    for name in ("submissions.csv", "units.csv", "people.csv", "notes.txt"):
        written(tmp_path, "x", name)

    assert [one.name for one in find([tmp_path])] == ["units.csv", "people.csv", "submissions.csv"]
    with pytest.raises(Invalid, match="rename it"):
        find([written(tmp_path, "x", "staff.csv")])
    with pytest.raises(NotFound, match="check the path"):
        find([tmp_path / "nowhere.csv"])


@pytest.mark.parametrize(
    ("cell", "instant"),
    [
        ("2026-06-08 18:00", datetime(2026, 6, 8, 10, 0, tzinfo=UTC)),
        ("2026/6/8 18:00:30", datetime(2026, 6, 8, 10, 0, 30, tzinfo=UTC)),
        ("2026-06-08T18:00:00+09:00", datetime(2026, 6, 8, 9, 0, tzinfo=UTC)),
        ("2026-06-08T10:00:00Z", datetime(2026, 6, 8, 10, 0, tzinfo=UTC)),
    ],
)
def test_instants(cell: str, instant: datetime) -> None:
    """Without an offset an instant is wall time in China; with one, the offset counts."""
    assert cells.instant(cell) == instant


@pytest.mark.parametrize(
    "cell", ["2026-06-08", "08.06.2026 18:00", "2026-06-08 25:00", "2026-06-08T", "18:00", "soon"]
)
def test_what_is_no_instant(cell: str) -> None:
    """Half an instant is none."""
    with pytest.raises(ValueError, match=r"is|not"):
        cells.instant(cell)


def test_lists_and_words_in_either_language() -> None:
    """Several values stand between semicolons of either width, in either language."""
    read_stages = cells.many(cells.word_of(Stage, cells.STAGES))

    assert read_stages("new; 已有；preparing") == (Stage.NEW, Stage.ESTABLISHED, Stage.PREPARING)
    with pytest.raises(ValueError, match="none of"):
        read_stages("new;old")
