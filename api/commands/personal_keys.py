"""The keys of persons: erase somebody, see what is left of them, and back the keys up."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import rich_click as click

from api.commands import printing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.commands.opening import Opened

AS_JSON = click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")
NEW_FILE = click.Path(path_type=Path, dir_okay=False)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a person's sealed values.

    `key` is `present`, `destroyed` or `none`; `erased_by` the position of the fact that erased the
    person. The counts are of what the log's entries commit to: `missing` is neither there nor
    erased, `wrong` is there and is not what was committed to. `stored` counts what is there.
    """

    person: str
    key: str
    erased_by: int | None
    present: int
    erased: int
    missing: int
    wrong: int
    stored: int


@click.group()
def personal() -> None:
    """The keys of persons, which seal what identifies them."""


@personal.command()
@click.argument("person")
@click.option(
    "--reason",
    metavar="CODE",
    required=True,
    help="requested, consent_withdrawn, purpose_ended, retention_ended, unlawful or "
    "required_by_law; no words, which would outlive what they erase.",
)
@AS_JSON
@click.pass_obj
def destroy(environ: dict[str, str], *, person: str, reason: str, as_json: bool) -> None:
    """Erase PERSON for good: destroy the key, delete what it sealed, record that it was done.

    Repeating it finishes what was interrupted. There is no way back, not from any backup.
    """
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from ledger.erasure import Erasure  # noqa: PLC0415

    with opened(environ) as ledger:
        erasure = Erasure(ledger.log, ledger.personal_keys, ledger.sealed)
        done = erasure.erase(person, reason, ledger.context())
    if as_json:
        printing.print_json(done)
        return
    click.echo(f"{person} is erased by fact {done.position}; {done.values_deleted} values deleted")
    click.echo(
        "backups of the keys made before now still hold this key: make a new one "
        "(`ledger keys personal backup`) and destroy the older ones in their time",
        err=True,
    )


@personal.command()
@click.argument("person")
@AS_JSON
@click.pass_obj
def show(environ: dict[str, str], *, person: str, as_json: bool) -> None:
    """Count what the log commits to of PERSON: present, erased, missing; shows no value."""
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)

    with opened(environ) as ledger:
        found = _standing(ledger, person)
    if as_json:
        printing.print_json(found)
        return
    printing.print_table(
        ("person", "key", "erased by fact", "present", "erased", "missing", "wrong"),
        [
            (
                found.person,
                found.key,
                found.erased_by,
                found.present,
                found.erased,
                found.missing,
                found.wrong,
            )
        ],
    )


def _standing(ledger: "Opened", person: str) -> Standing:
    from ledger.sealed import Kept  # noqa: PLC0415  (a fast start)

    erased_by = ledger.sealed.erased(now=True).get(person)
    kept = Counter(ledger.sealed.check(_sealed_of(ledger, person)))
    keys = ledger.personal_keys.of([person])
    gone = kept[Kept.ABSENT] + kept[Kept.LOCKED]
    is_erased = erased_by is not None
    key = "none" if person not in keys else "destroyed" if keys[person] is None else "present"
    return Standing(
        person=person,
        key=key,
        erased_by=erased_by,
        present=kept[Kept.MATCHING],
        erased=gone if is_erased else 0,
        missing=0 if is_erased else gone,
        wrong=kept[Kept.WRONG],
        stored=kept.total() - kept[Kept.ABSENT],
    )


def _sealed_of(ledger: "Opened", person: str) -> "Iterator[tuple[str, str]]":
    """Every (person, commitment) of a person in the whole log."""
    from api.progress import Progress  # noqa: PLC0415  (a fast start)
    from ledger.sealed import sealed_in  # noqa: PLC0415

    with Progress("reading", ledger.recorder.head().position) as shown:
        for page in ledger.recorder.stream():
            for stored in page:
                yield from (one for one in sealed_in(stored.entry) if one[0] == person)
            shown.advance(len(page))


@personal.command()
@click.argument("file", type=NEW_FILE)
@AS_JSON
@click.pass_obj
def backup(environ: dict[str, str], *, file: Path, as_json: bool) -> None:
    """Copy the keys into a new FILE; keep it apart from backups of the database, and not for ever.

    Whoever has it and a dump of the database reads every name in the dump.
    """
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)

    with opened(environ) as ledger:
        # What the log says was erased goes before the copy is made.
        ledger.sealed.erased(now=True)
        count = ledger.personal_keys.backup(file)
    if as_json:
        printing.print_json({"file": str(file), "keys": count})
        return
    click.echo(f"{count:,} keys in {file}")


@personal.command()
@click.argument("file", type=NEW_FILE)
@AS_JSON
@click.pass_obj
def restore(environ: dict[str, str], *, file: Path, as_json: bool) -> None:
    """Take the keys that are missing here from a backup FILE; nobody erased since comes back.

    The log says who was erased, so it comes first: restore the ledger before its keys. Refused
    while the ledger is behind its checkpoint, because erasures may be missing from it.
    """
    from api.commands.opening import opened  # noqa: PLC0415  (a fast start)
    from ledger.database import Role  # noqa: PLC0415
    from ledger.sealing.guard import guard_of  # noqa: PLC0415

    with opened(environ) as ledger:
        look = guard_of(ledger.settings, ledger.info.name)
        with ledger.database.pooled(Role.READER) as connection:
            look(connection, ledger.info.ledger_id)
        restored = ledger.personal_keys.restore(file, ledger.sealed.erased(now=True))
    if as_json:
        printing.print_json(restored)
        return
    click.echo(f"{restored.keys:,} keys restored, {restored.erased:,} persons stay erased")
