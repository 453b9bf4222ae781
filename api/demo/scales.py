"""How large the demonstration is, and how long the life is that it tells.

Every scale holds the same planted cases, in the same sub-branches and the same months; the larger
ones have more of the country around them, and a longer past.
"""

from datetime import date
from typing import Final, Literal

import msgspec

ScaleName = Literal["small", "medium", "large"]


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """`provinces` empty: all of them; `prefectures` empty: all of theirs; days are China's.

    `facts`: about how many there will be. `daily_for_all`: every open outlet reports
    every working day, not only the new ones.
    """

    name: ScaleName
    outlets: int
    facts: int
    first_day: date
    last_day: date = date(2026, 10, 31)
    provinces: tuple[str, ...] = ()
    prefectures: tuple[str, ...] = ()
    daily_for_all: bool = False


FOCUS_PREFECTURES: Final = ("5101", "5105", "5107", "5113", "5115")
"""The sub-branches in Sichuan where the planted cases happen, at every scale."""

FOCUS_OUTLETS: Final = 10
"""Outlets in each of them, at every scale."""

SCALES: Final[dict[str, Scale]] = {
    "small": Scale(
        name="small",
        outlets=62,
        facts=4_100,
        first_day=date(2026, 6, 29),
        provinces=("51", "52"),
        prefectures=(*FOCUS_PREFECTURES, "5201", "5203"),
    ),
    "medium": Scale(name="medium", outlets=2_000, facts=421_000, first_day=date(2025, 9, 29)),
    "large": Scale(
        name="large",
        outlets=10_000,
        facts=6_300_000,
        first_day=date(2025, 9, 29),
        daily_for_all=True,
    ),
}

SEED: Final = 20_260_401
"""The story that everybody is told; another seed tells another."""
