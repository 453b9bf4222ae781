"""Taking entries out, and taking a user's own data in."""

import hashlib
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import msgspec
import rich_click as click

from api.commands import printing

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAFT_SUFFIX: Final = ".part"
MANIFEST_SUFFIX: Final = ".manifest.json"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an export holds; a file without one was cut short.

    `entries_sha256` is over the file's bytes; `leaf_hash` of the last entry lets it be found in
    the log. Each line is an entry: SHA-256 of 0x00 and the line is its leaf hash. `erased` are the
    persons whose sealed values nobody can open any more, each with the position of the fact.
    """

    ledger: str
    rows: int
    first_position: int | None
    last_position: int | None
    last_leaf_hash: str | None
    head_position: int
    entries_sha256: str
    erased: dict[str, int]


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--after", type=click.IntRange(min=0), default=0, help="Only what stands after it.")
@click.option("--until", type=click.IntRange(min=0), help="The last position; the head by default.")
@click.pass_obj
def export(environ: dict[str, str], *, file: Path, after: int, until: int | None) -> None:
    """Write entries as NDJSON, byte by byte as they were hashed, and a manifest beside them.

    `-` writes to standard output, and the manifest to standard error.
    """
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from api.progress import Progress  # noqa: PLC0415

    with opened(environ) as ledger, _writing(file) as out:
        head = ledger.recorder.head().position
        last = min(head, until) if until is not None else head
        digest = hashlib.sha256()
        rows, final = 0, None
        with Progress("exporting", max(0, last - after)) as shown:
            for page in ledger.recorder.stream(after=after, until=last):
                for stored in page:
                    line = stored.entry + b"\n"
                    digest.update(line)
                    out.write(line)
                rows, final = rows + len(page), page[-1]
                shown.reach(rows)
        manifest = Manifest(
            ledger=ledger.info.name,
            rows=rows,
            first_position=final.position - rows + 1 if final else None,
            last_position=final.position if final else None,
            last_leaf_hash=final.leaf_hash.hex() if final else None,
            head_position=head,
            entries_sha256=digest.hexdigest(),
            erased=dict(ledger.sealed.erased(now=True)),
        )
    written = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    if str(file) == "-":
        click.echo(written.decode(), err=True)
    else:
        file.with_name(file.name + MANIFEST_SUFFIX).write_bytes(written + b"\n")
        printing.print_text(f"{rows:,} entries in {printing.escape(str(file))}")


@contextmanager
def _writing(file: Path) -> "Iterator[IO[bytes]]":
    """The file under another name until it is whole, or standard output."""
    if str(file) == "-":
        yield sys.stdout.buffer
        return
    draft = file.with_name(file.name + DRAFT_SUFFIX)
    with draft.open("wb") as out:
        yield out
    draft.replace(file)


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--commit", is_flag=True, help="Record what the dry run found in order.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.pass_obj
def import_files(
    environ: dict[str, str], *, files: tuple[Path, ...], commit: bool, as_json: bool
) -> int:
    """Check CSV files, or a folder of them, row by row; with --commit, record them.

    Exit status 1 when a row is not in order: every such row is named, with all its reasons.
    """
    from api.importing.run import run  # noqa: PLC0415  (a fast start)
    from ledger.settings import load  # noqa: PLC0415

    return run(load(environ), files, commit=commit, as_json=as_json)
