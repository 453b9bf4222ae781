"""Codes in words, for the command line: Chinese and English."""

from collections.abc import Iterable
from typing import Final

from projections.names import Names, called

WORDS: Final[dict[str, tuple[str, str]]] = {
    "on_time": ("及时", "on time"),
    "late": ("迟报", "late"),
    "unreported": ("未报", "unreported"),
    "missed": ("未报(补报期内)", "missed, late channel open"),
    "pending": ("待定", "pending"),
    "exempt": ("豁免", "exempt"),
    "not_expected": ("不应报", "not expected"),
    "direct": ("直接责任", "direct"),
    "management": ("管理责任", "management"),
    "retained": ("保留责任", "retained"),
    "noted": ("记录在案", "noted"),
    "holder": ("任职人", "holder"),
    "acting": ("临时负责人", "acting"),
    "acting_overdue": ("超期代理", "acting beyond the ceiling"),
    "vacancy": ("空岗承接", "by vacancy"),
    "vacant": ("空岗", "vacant"),
    "suspended": ("停职", "suspended"),
    "disputed": ("任职重叠", "two holders on record"),
    "absent": ("岗位不存在", "no such post"),
    "long_vacancy": ("长期空岗", "long vacancy"),
    "short_notice": ("通知过短", "short notice"),
    "nobody_found": ("无人可究", "nobody found"),
    "headquarters": ("总部", "headquarters"),
    "region": ("区域", "region"),
    "branch": ("二级机构", "branch"),
    "sub_branch": ("三级机构", "sub-branch"),
    "outlet": ("网点", "outlet"),
    "planned": ("规划期", "planned"),
    "preparing": ("筹备期", "preparing"),
    "new": ("新设", "new"),
    "established": ("已有", "established"),
    "erased": ("已删除", "erased"),
}

MARKS: Final[dict[str, str]] = {
    "on_time": "✓",
    "late": "L",
    "missed": "✕",
    "pending": "·",
    "exempt": "E",
    "not_expected": "-",
}
"""One character an outcome, for the cells of the matrix."""


def word(code: str | None, language: str) -> str:
    """A code in words; what has none keeps its code, spaced."""
    if code is None:
        return ""
    found = WORDS.get(code)
    if found is None:
        return code.replace("_", " ")
    return found[0] if language == "zh" else found[1]


def words(codes: Iterable[str], language: str) -> str:
    """Several of them."""
    return ", ".join(word(code, language) for code in codes)


def unit_name(names: Names, unit: str | None, language: str) -> str:
    """A unit's name and code."""
    label = names.units.get(unit) if unit else None
    if label is None:
        return unit or ""
    return f"{label.zh if language == 'zh' else label.en} ({unit})"


def post_name(names: Names, post: str | None, language: str) -> str:
    """A post's title and the unit it is in."""
    label = names.posts.get(post) if post else None
    if label is None:
        return post or ""
    title = label.zh if language == "zh" else label.en
    return f"{unit_name(names, label.unit, language)} {title}"


def person_name(names: Names, person: str | None, language: str) -> str:
    """A person's name, the mark of whoever was erased, else the id; a dash for nobody."""
    return called(names, person, word("erased", language))


def duty_name(names: Names, duty: str, language: str) -> str:
    """A duty's title."""
    label = names.duties.get(duty)
    if label is None:
        return duty
    return label.zh if language == "zh" else label.en
