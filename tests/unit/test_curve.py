"""Curves: what was measured stands in the drawing, where it belongs, and can be read."""

import re
from xml.etree import ElementTree as ET

from api.bench.curve import LABEL_HEIGHT, Line, Panel, drawing

SVG = "{http://www.w3.org/2000/svg}"
COSTS = Panel(
    "microseconds a fact",
    [
        Line("append & seal", [(50_000, 20.0), (1_000_000, 22.0), (10_000_000, 25.0)]),
        Line("fold", [(50_000, 20.5), (1_000_000, 22.4), (10_000_000, 25.1)]),
    ],
)


def drawn(*panels: Panel) -> ET.Element:
    """The drawing of these panels, as XML."""
    return ET.fromstring(drawing("A curve", panels))  # noqa: S314  (our own)


def texts(svg: ET.Element) -> list[str]:
    """Everything written in it."""
    return [one.text or "" for one in svg.iter(f"{SVG}text")]


def test_a_drawing_names_its_lines_its_scales_and_its_units() -> None:
    """Title, panels, lines, the powers of ten and what they count."""
    found = texts(drawn(COSTS))

    expected = {"A curve", "microseconds a fact", "append & seal", "fold", "facts in the ledger"}
    assert expected <= {*found}
    assert {"100,000", "1 million", "10 million"} <= {*found}


def test_points_stand_by_their_measure() -> None:
    """More facts are further right, more microseconds higher up, and nothing leaves the panel."""
    svg = drawn(COSTS)

    for line in svg.iter(f"{SVG}polyline"):
        points = [tuple(map(float, one.split(","))) for one in (line.get("points") or "").split()]
        assert [x for x, _ in points] == sorted({x for x, _ in points})
        assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
        assert all(0 <= y <= float(svg.get("height") or 0) for _, y in points)


def test_names_of_lines_that_end_together_do_not_cover_each_other() -> None:
    """Each keeps its own height."""
    svg = drawn(COSTS)
    heights = sorted(
        float(one.get("y") or 0)
        for one in svg.iter(f"{SVG}text")
        if one.text in {"append & seal", "fold"}
    )

    assert heights[1] - heights[0] >= LABEL_HEIGHT


def test_a_drawing_can_be_read_by_day_and_by_night() -> None:
    """Every colour of a line has another one where the reader prefers dark."""
    style = drawn(COSTS).findtext(f"{SVG}style") or ""
    light, _, dark = style.partition("prefers-color-scheme: dark")

    for name in re.findall(r"\.(c\d|f\d|grid|background)\b", light):
        assert f".{name} " in dark, name
