"""The auditor's page is executed as it stands, on its own example and on a real ledger."""

import os
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import pytest

from ledger.database import Database
from ledger.recorder import PostgresRecorder
from ledger.sealing import proof, receipt
from ledger.sealing.checkpoint import open_checkpoint
from ledger.sealing.note import SigningKey, VerifierKey, sign_note
from ledger.sealing.proof import Proof, check_proof
from ledger.sealing.receipt import open_receipt
from tests.sealing import Sealed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "verifying.md").read_text(encoding="utf-8")
THREATS = (ROOT / "tests" / "acceptance" / "test_threats.py").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```\n(?:\n```text\n(.*?)```)?", PAGE, re.DOTALL)
"""Each command of the page, with what it prints."""

FILES = dict(re.findall(r"cat > (\S+) <<'END'\n(.*?\n)END\n", PAGE, re.DOTALL))
"""Each file that the page writes."""

VKEY = re.findall(r"^vkey='(.*)'", PAGE, re.MULTILINE)[0]
RECEIPTS_VKEY = re.findall(r"check-note receipt '(.*)'", PAGE)[0]
TOOLS = ("awk", "base64", "bash", "openssl", "sed", "sha256sum", "xxd")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]
needs_tools = pytest.mark.skipif(bool(MISSING), reason=f"this machine lacks {MISSING}")

FACTS = 300
"""More than a tile holds, and no power of two."""


def run(folder: Path, script: str, *, program: str = "sh") -> subprocess.CompletedProcess[str]:
    """Run commands of the page in a folder of their own, our program among those they find."""
    programs = str(Path(sys.executable).parent)
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "LANG": "C.UTF-8"}
    return subprocess.run(  # noqa: PLW1510  (the tests look at the exit status)
        [program, "-c", script], cwd=folder, capture_output=True, text=True, env=environment
    )


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Put files there, and the page's programs beside them."""
    for name in ("check-note", "check-fact", "root.py"):
        (folder / name).write_text(FILES[name], encoding="utf-8")
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


@needs_tools
def test_every_command_of_the_page_prints_what_the_page_says(tmp_path: Path) -> None:
    """One shell runs all commands in order; each succeeds and prints what stands below it."""
    marked = [f"{command}\nprintf '\\036'\n" for command, _ in BLOCKS]

    done = run(tmp_path, "set -euo pipefail\n" + "".join(marked), program="bash")

    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\036")[:-1] == [printed for _, printed in BLOCKS]
    assert len(BLOCKS) > 10


def test_the_example_is_what_our_own_program_accepts() -> None:
    """The page's bytes are a real log's: its proof, checkpoints and receipt open with its keys."""
    key = VerifierKey.parse(VKEY)
    entry = FILES["export.ndjson"].split("\n")[2].encode()

    newest = check_proof(Proof.parse(FILES["fact.tlog-proof"]), entry, [key])
    kept = open_checkpoint(FILES["kept"], [key])
    promised = open_receipt(FILES["receipt"], [VerifierKey.parse(RECEIPTS_VKEY)])

    assert (kept.size, newest.size) == (2, 5)
    assert (promised.origin, promised.position) == (newest.origin, 3)
    assert f'"id":"{promised.event_id}"'.encode() in entry


def test_the_page_names_the_formats_as_they_are_written() -> None:
    """Whoever searches for a file's first line finds it on the page."""
    assert proof.HEADER in PAGE
    assert receipt.HEADER in PAGE


@needs_tools
def test_the_page_s_programs_check_a_real_ledger(
    database: Database, recorder: PostgresRecorder, tmp_path: Path
) -> None:
    """Entries, proofs, checkpoint and root of a ledger of hundreds of facts hold in plain shell.

    Its key is being replaced, so that two keys sign, and either is enough.
    """
    sealed = Sealed(database, recorder, tmp_path / "home")
    sealed.keys.rotate()
    checkpoint = sealed.grown(FACTS)
    note = sealed.folder.latest()
    assert note is not None
    tree = sealed.folder.tree(checkpoint.size)
    entries = [stored.entry for page in recorder.stream() for stored in page]
    write(tmp_path, {"export.ndjson": b"".join(entry + b"\n" for entry in entries)})

    for position in (1, 2, 128, 256, 257, FACTS - 1, FACTS):
        hashes = tuple(tree.inclusion(position - 1))
        file = Proof(position - 1, hashes, note).text()
        write(tmp_path, {"entry": entries[position - 1], "fact.tlog-proof": file})
        for key in sealed.keys.verifiers():
            done = run(tmp_path, f"sh check-fact entry fact.tlog-proof '{key.vkey()}'")
            assert done.stdout == f"entry {position} of {FACTS} in {checkpoint.origin}\n", done

    done = run(tmp_path, "python3 root.py export.ndjson")
    assert done.stdout == f"{FACTS}\n{b64encode(checkpoint.root).decode()}\n"


GOOD = {"entry": FILES["export.ndjson"].split("\n")[2], "fact.tlog-proof": FILES["fact.tlog-proof"]}
LINES = GOOD["fact.tlog-proof"].split("\n")
SIGNATURE = LINES[-2]


def changed(name: str, old: str, new: str) -> dict[str, str]:
    """The example with one thing changed in one of its files."""
    assert old in GOOD[name]
    return {**GOOD, name: GOOD[name].replace(old, new, 1)}


FORGED = {
    "another entry": {**GOOD, "entry": FILES["export.ndjson"].split("\n")[1]},
    "an edited entry": changed("entry", "Headquarters", "Headquarterz"),
    "a byte more": {**GOOD, "entry": GOOD["entry"] + "\n"},
    "another index": changed("fact.tlog-proof", "index 2", "index 3"),
    "an index beyond": changed("fact.tlog-proof", "index 2", "index 5"),
    "a negative index": changed("fact.tlog-proof", "index 2", "index -2"),
    "no index": changed("fact.tlog-proof", "index 2", "index "),
    "a hash fewer": changed("fact.tlog-proof", f"{LINES[4]}\n", ""),
    "a hash more": changed("fact.tlog-proof", f"{LINES[4]}\n", f"{LINES[4]}\n{LINES[4]}\n"),
    "hashes exchanged": changed(
        "fact.tlog-proof", f"{LINES[2]}\n{LINES[3]}\n", f"{LINES[3]}\n{LINES[2]}\n"
    ),
    "a changed hash": changed("fact.tlog-proof", LINES[2], "A" + LINES[2][1:]),
    "a short hash": changed("fact.tlog-proof", LINES[2], "AAAA"),
    "another size": changed("fact.tlog-proof", "\n5\n", "\n6\n"),
    "another root": changed("fact.tlog-proof", LINES[8], "A" + LINES[8][1:]),
    "another name": changed("fact.tlog-proof", "\nlog.example/main\n", "\nlog.example/mine\n"),
    "another signature": changed("fact.tlog-proof", SIGNATURE, SIGNATURE[:-9] + "AAAAAAA8="),
    "another key's id": changed("fact.tlog-proof", SIGNATURE, SIGNATURE.replace("CmNS", "CmNT")),
    "no signature": changed("fact.tlog-proof", SIGNATURE, ""),
    "no checkpoint": {**GOOD, "fact.tlog-proof": "\n".join(LINES[:6]) + "\n"},
}


@needs_tools
def test_the_unchanged_example_passes(tmp_path: Path) -> None:
    """What the forgeries below change is accepted as it is."""
    write(tmp_path, GOOD)

    assert run(tmp_path, f"sh check-fact entry fact.tlog-proof '{VKEY}'").returncode == 0


@needs_tools
@pytest.mark.parametrize("case", FORGED)
def test_the_page_s_programs_refuse_what_was_changed(case: str, tmp_path: Path) -> None:
    """No changed entry, index, hash, size, root, name or signature passes for the example."""
    write(tmp_path, FORGED[case])

    done = run(tmp_path, f"sh check-fact entry fact.tlog-proof '{VKEY}'")

    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr


@needs_tools
def test_the_page_s_programs_refuse_keys_that_are_none(tmp_path: Path) -> None:
    """A stranger's key, a key with another id, and another log's key do not check the example."""
    write(tmp_path, GOOD)
    stranger = SigningKey.generate("log.example/main").verifier.vkey()
    name, key_id, public = VKEY.split("+", 2)

    for vkey in (stranger, f"{name}+00000000+{public}", f"{name}+{key_id}+AAAA", "", name):
        done = run(tmp_path, f"sh check-fact entry fact.tlog-proof '{vkey}'")
        assert done.returncode != 0, vkey
        assert done.stdout == "", vkey


@needs_tools
def test_the_page_s_programs_refuse_another_log_s_checkpoint(tmp_path: Path) -> None:
    """A known key that signed a checkpoint with this log's name in it is still another log's."""
    other = SigningKey.generate("log.example/other")
    head, _, checkpoint = FILES["fact.tlog-proof"].partition("\n\n")
    text = checkpoint.partition("\n\n")[0] + "\n"
    write(tmp_path, {**GOOD, "fact.tlog-proof": f"{head}\n\n{sign_note(text, [other])}"})

    done = run(tmp_path, f"sh check-fact entry fact.tlog-proof '{other.verifier.vkey()}'")

    assert done.returncode != 0
    assert "of another log" in done.stderr


def test_every_row_of_the_threat_table_says_who_notices_and_what_shows_it() -> None:
    """Each row names an attack that is played, and no other's, or says why there can be none."""
    table = PAGE.partition("| Somebody |")[2].split("\n")[2:]
    rows = [line.split(" | ") for line in table if line.startswith("| ")]
    tested = [row[-1] for row in rows if "test_threats.py::" in row[-1]]

    assert all(len(row) == 4 for row in rows)
    assert len(tested) == len(set(tested)) > 12
    assert all(row[-1] in tested or row[-1].startswith("none: ") for row in rows)
    for name in re.findall(r"test_threats\.py::([a-z-]+)", PAGE):
        assert re.search(rf'"{name}[":]', THREATS), name
