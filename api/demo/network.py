"""Who there is before the story begins: units, posts, people in posts, and outlets by stage.

A plan only: `founding.py` records it. Codes are readable (`B51` Sichuan, `S5101` Chengdu, `T5101`
its coaches, `O510104` an outlet in Jinjiang), posts are `<unit>-<role>`, persons are random.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import cycle, islice
from random import Random
from typing import Final
from uuid import UUID

import msgspec

from api.demo.codes import person_id, post_id, unit_id
from api.demo.names import Identity, identity
from api.demo.places import REGIONS, Place, provinces
from api.demo.scales import FOCUS_OUTLETS, FOCUS_PREFECTURES, Scale
from ledger.vocabulary import Level, PersonId, PostId, UnitId, UnitKind

HEADQUARTERS: Final = unit_id("HQ")
OWNER_POST: Final = post_id("HQ-dual_market")
"""The head of the dual-market development department (二元发展部) owns every duty."""
FOCUS_OPENED: Final = date(2023, 3, 20)

FOUNDED: Final = date(2012, 5, 18)
CLERK_SHARE: Final = 0.25
ESTABLISHED_SHARE: Final = 0.72
NEW_SHARE: Final = 0.12
OPENING_SHARE: Final = 0.08

TITLES: Final = {
    ("headquarters", "head"): ("总经理", "President"),
    ("headquarters", "dual_market"): ("二元发展部负责人", "Head of Dual-Market Development"),
    ("headquarters", "platform"): ("报告平台负责人", "Head of the Reporting Platform"),
    ("region", "head"): ("区域总监", "Regional Director"),
    ("branch", "head"): ("分公司负责人", "Head of Branch"),
    ("sub_branch", "head"): ("三级机构负责人", "Head of Sub-branch"),
    ("sub_branch", "expansion"): ("区拓督导", "District-Expansion Supervisor"),
    ("sub_branch", "coach"): ("营销辅导专员", "Sales Coaching Specialist"),
    ("outlet", "head"): ("网点负责人", "Outlet Head"),
    ("outlet", "clerk"): ("网点内勤", "Outlet Clerk"),
}


class UnitPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A unit as it stands when the ledger begins."""

    unit: UnitId
    level: Level
    name_zh: str
    name_en: str
    parent: UnitId | None
    founded: date
    kind: UnitKind = UnitKind.LINE
    supporter: UnitId | None = None


class PostPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A post, and who has held it since when (None: vacant)."""

    post: PostId
    unit: UnitId
    role: str
    title_zh: str
    title_en: str
    person: PersonId | None
    since: date


class OutletPlan(msgspec.Struct, frozen=True, kw_only=True):
    """When an outlet is planned to open, and when it does (None: not within the story)."""

    unit: UnitId
    planned_open: date
    opened_on: date | None
    in_focus: bool = False


class Network(msgspec.Struct, kw_only=True):
    """The plan; people are added as the story needs them."""

    random: Random
    units: list[UnitPlan] = []
    posts: dict[PostId, PostPlan] = {}
    outlets: dict[UnitId, OutletPlan] = {}
    people: dict[PersonId, Identity] = {}
    parents: dict[UnitId, UnitId] = {}

    def new_person(self) -> PersonId:
        """Somebody new, with a random id (one ordered by time would tell when they joined)."""
        person = person_id(UUID(int=self.random.getrandbits(128), version=4).hex)
        self.people[person] = identity(self.random, len(self.people) + 1)
        return person

    def superior_of(self, post: PostId) -> PostId:
        """The head of the unit above the post's, as the network was planned."""
        return post_of(self.parents.get(unit_id(post.rpartition("-")[0]), HEADQUARTERS))

    def outlets_of(self, sub_branch: str) -> list[UnitId]:
        """The outlets below a sub-branch, in the order planned."""
        return [one.unit for one in self.units if one.parent == sub_branch and one.unit[0] == "O"]


def post_of(unit: UnitId | str, role: str = "head") -> PostId:
    """The id of a post."""
    return post_id(f"{unit}-{role}")


def build(scale: Scale, seed: int) -> Network:
    """The network of a scale; the same for the same seed."""
    network = Network(random=Random(f"network-{seed}"))  # noqa: S311
    _unit(network, "HQ", Level.HEADQUARTERS, ("总公司", "Headquarters"), None)
    for role in ("head", "dual_market", "platform"):
        _post(network, "HQ", role, "headquarters")
    wanted = [one for one in provinces() if not scale.provinces or one.code in scale.provinces]
    for region in REGIONS:
        if any(one.code[0] == region.digit for one in wanted):
            _unit(network, region.code, Level.REGION, (region.name_zh, region.name_en), "HQ")
            _post(network, region.code, "head", "region")
    sub_branches = [pair for one in wanted for pair in _branch(network, one, scale)]
    _outlets(network, sub_branches, scale)
    return network


def _branch(network: Network, province: Place, scale: Scale) -> Iterator[tuple[UnitId, Place]]:
    branch = f"B{province.code}"
    names = (f"{province.name_zh}分公司", f"{province.name_en} Branch")
    _unit(network, branch, Level.BRANCH, names, f"R{province.code[0]}")
    _post(network, branch, "head", "branch")
    for prefecture in province.below:
        if scale.prefectures and prefecture.code not in scale.prefectures:
            continue
        unit, coaches = unit_id(f"S{prefecture.code}"), f"T{prefecture.code}"
        names = (f"{_short(prefecture)}中心支公司", f"{prefecture.name_en} Sub-branch")
        _unit(network, unit, Level.SUB_BRANCH, names, branch)
        _post(network, unit, "head", "sub_branch")
        names = (f"{_short(prefecture)}网点辅导组", f"{prefecture.name_en} Outlet Coaches")
        _unit(network, coaches, Level.SUB_BRANCH, names, unit, kind=UnitKind.SUPPORT)
        for role in ("expansion", "coach"):
            _post(network, coaches, role, "sub_branch")
        yield unit, prefecture


def _short(place: Place) -> str:
    name = place.name_zh
    return name.removesuffix("市") if len(name) > 2 else name  # noqa: PLR2004  (吉 is no name)


def _outlets(network: Network, below: list[tuple[UnitId, Place]], scale: Scale) -> None:
    """Outlets round after round, one a county, then a second one; the focus is the same always."""
    sites: list[tuple[UnitId, str, Place, int]] = []
    turns: dict[UnitId, Iterator[tuple[Place, int]]] = {}
    for sub_branch, prefecture in below:
        turns[sub_branch] = _counties(prefecture)
        if prefecture.code in FOCUS_PREFECTURES:
            taken = islice(turns[sub_branch], FOCUS_OUTLETS)
            sites += [(sub_branch, prefecture.code, place, turn) for place, turn in taken]
    others = [pair for pair in below if pair[1].code not in FOCUS_PREFECTURES]
    for sub_branch, prefecture in cycle(others):
        if len(sites) >= scale.outlets:
            break
        place, turn = next(turns[sub_branch])
        sites.append((sub_branch, prefecture.code, place, turn))
    for sub_branch, prefecture_code, place, turn in sites:
        _outlet(
            network, sub_branch, place, turn, scale, in_focus=prefecture_code in FOCUS_PREFECTURES
        )


def _counties(prefecture: Place) -> Iterator[tuple[Place, int]]:
    counties = prefecture.below or (prefecture,)
    for turn in range(1, 1_000):
        for place in counties:
            yield place, turn


def _outlet(  # noqa: PLR0913  (where it stands, and how large the story is)
    network: Network, parent: UnitId, place: Place, turn: int, scale: Scale, *, in_focus: bool
) -> None:
    code = f"O{place.code}" if turn == 1 else f"O{place.code}-{turn}"
    suffix_zh, suffix_en = ("", "") if turn == 1 else (f"第{turn}", f" {turn}")
    planned, opened = _opening(network.random, scale, in_focus=in_focus)
    founded = min(planned, scale.first_day) - timedelta(days=400)
    names = (f"{place.name_zh}{suffix_zh}网点", f"{place.name_en} Outlet{suffix_en}")
    supporter = unit_id(f"T{parent[1:]}")
    _unit(network, code, Level.OUTLET, names, parent, founded=founded, supporter=supporter)
    unit = unit_id(code)
    network.outlets[unit] = OutletPlan(
        unit=unit, planned_open=planned, opened_on=opened, in_focus=in_focus
    )
    if opened is not None:
        since = max(opened - timedelta(days=60), FOUNDED)
        _post(network, code, "head", "outlet", since=since)
        if in_focus or network.random.random() < CLERK_SHARE:
            _post(network, code, "clerk", "outlet", since=since)


def _opening(random: Random, scale: Scale, *, in_focus: bool) -> tuple[date, date | None]:
    """The planned and the actual opening: so many of each stage when the story begins."""
    if in_focus:
        return FOCUS_OPENED, FOCUS_OPENED
    lot = random.random()
    begins = scale.first_day
    if lot < ESTABLISHED_SHARE:
        opened = begins - timedelta(days=random.randint(400, 3_200))
    elif lot < ESTABLISHED_SHARE + NEW_SHARE:
        opened = begins - timedelta(days=random.randint(5, 330))
    elif lot < ESTABLISHED_SHARE + NEW_SHARE + OPENING_SHARE:
        opened = begins + timedelta(days=random.randint(10, (scale.last_day - begins).days - 10))
    else:
        return scale.last_day + timedelta(days=random.randint(20, 600)), None
    return opened - timedelta(days=random.choice((0, 0, 0, 15, 40))), opened


def _unit(  # noqa: PLR0913  (a unit has these parts)
    network: Network,
    code: str,
    level: Level,
    names: tuple[str, str],
    parent: str | None,
    *,
    kind: UnitKind = UnitKind.LINE,
    founded: date = FOUNDED,
    supporter: UnitId | None = None,
) -> None:
    network.units.append(
        UnitPlan(
            unit=unit_id(code),
            level=level,
            name_zh=names[0],
            name_en=names[1],
            parent=unit_id(parent) if parent else None,
            founded=founded,
            kind=kind,
            supporter=supporter,
        )
    )
    if parent is not None:
        network.parents[unit_id(code)] = unit_id(parent)


def _post(network: Network, unit: str, role: str, level: str, *, since: date = FOUNDED) -> None:
    post = post_of(unit, role)
    title_zh, title_en = TITLES[level, role]
    network.posts[post] = PostPlan(
        post=post,
        unit=unit_id(unit),
        role=role,
        title_zh=title_zh,
        title_en=title_en,
        person=network.new_person(),
        since=since,
    )
