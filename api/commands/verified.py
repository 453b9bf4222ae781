"""What a verification says to people: how far it looked, against what, and what is wrong."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import rich_click as click

from api.commands import printing

if TYPE_CHECKING:
    from ledger.verify import Report
    from projections.building.verifying import ViewChecked


def tell(report: "Report", views: list["ViewChecked"], *, as_json: bool) -> int:
    """Print a report; the exit status. The first bad position goes to standard error as well."""
    from ledger.verify import Fault  # noqa: PLC0415  (a fast start)

    bad = [one for one in views if not one.agrees]
    report.add([Fault(one.first_position, f"view {one.view}: {one.what}") for one in bad])
    first = report.first
    if as_json:
        answer = {"sound": first is None, "first": first, "report": report, "views": views}
        printing.print_json(answer)
    else:
        for label, text in _lines(report, views):
            click.echo(f"{label:>16}  {text}")
    if first is None:
        return 0
    sys.stderr.write(f"ledger: {' '.join(first.text().split())}\n")
    return 1


def _lines(report: "Report", views: list["ViewChecked"]) -> Iterator[tuple[str, str]]:
    yield "source", report.source
    if report.origin:
        yield "log", report.origin
    read = f"{report.entries_read:,} of {report.size:,}"
    yield "entries read", f"{read}, from position {report.first_position:,} on"
    if report.root:
        yield "root computed", report.root
    if report.checkpoint:
        yield "checkpoint", f"{report.checkpoint.size:,} entries, {report.checkpoint.root}"
        yield "its signature", report.checkpoint.signature
    for kept in report.kept:
        outcome = "the log begins with it" if kept.consistent else "THE LOG DOES NOT BEGIN WITH IT"
        yield "kept", f"{kept.file}, {kept.size:,} entries: {outcome}"
    yield from _kept_elsewhere(report)
    for view in views:
        outcome = view.what or ("as folded anew" if view.agrees else "DIFFERS")
        yield f"view {view.view}", f"{view.rows:,} rows at {view.position:,}: {outcome}"
    for note in report.notes:
        yield "note", note
    for fault in report.faults:
        yield "WRONG", fault.text()
    yield "verdict", "SOUND" if report.first is None else "NOT SOUND"
    spent = ", ".join(f"{part} {took:.1f}" for part, took in report.seconds_by_part.items())
    yield "seconds", f"{report.seconds} ({spent})" if spent else f"{report.seconds}"


def _kept_elsewhere(report: "Report") -> Iterator[tuple[str, str]]:
    """What entries only commit to: personal values, and files."""
    if (counts := report.sealed) is not None:
        erased = f"{counts.erased:,} erased by {len(counts.erased_by):,} entries"
        yield "personal values", f"{counts.present:,} present, {erased}, {counts.missing:,} MISSING"
        for person, position in counts.erased_by.items():
            yield "erased", f"{person} by entry {position:,}"
    if (files := report.attachments) is not None:
        lost = f"{files.missing:,} MISSING, {files.altered:,} ALTERED"
        yield "attachments", f"{files.present:,} present, {files.erased:,} erased, {lost}"
