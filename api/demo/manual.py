"""The planted cases as the manual shows them: ruling, what happens, obligation, answer."""

from api.demo.cases import Case
from api.demo.summary import planted


def table() -> str:
    """Every planted case, a row each, as Markdown."""
    lines = [
        "| Ruling | 事例 | Case | Obligation | Answer |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [_row(case) for case in planted()]
    return "\n".join(lines) + "\n"


def _row(case: Case) -> str:
    expected = case.expected
    answer = [expected.outcome.replace("_", " ")]
    if expected.expectation not in ("expected", "waived"):
        answer.append(expected.expectation.replace("_", " "))
    answer += [f"{who.role}: {who.ground.replace('_', ' ')}" for who in expected.who]
    answer += [f"excused: {one.replace('_', ' ')}" for one in expected.excused]
    answer += [f"mitigated: {one.replace('_', ' ')}" for one in expected.mitigated]
    said = "; ".join(answer)
    return f"| {case.ruling} | {case.title_zh} | {case.title_en} | `{case.obligation}` | {said} |"
