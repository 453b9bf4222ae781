"""How far long work is, told to programs."""

import msgspec
import pytest

from api import progress
from api.progress import Progress


def test_lines_of_json_where_no_terminal_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line at times and one at the end, on standard error, so that output stays clean."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with Progress("folding", 3) as shown:
        shown.advance()
        shown.reach(3)
    captured = capsys.readouterr()
    lines = [msgspec.json.decode(line) for line in captured.err.splitlines()]

    assert captured.out == ""
    assert [line["done"] for line in lines] == [1, 3, 3]
    assert [line["finished"] for line in lines] == [False, False, True]


def test_work_that_failed_did_not_finish(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line says so, and the error goes on."""
    with pytest.raises(ValueError, match="broken"), Progress("folding", 3):
        raise ValueError("broken")

    assert msgspec.json.decode(capsys.readouterr().err.splitlines()[-1])["finished"] is False
