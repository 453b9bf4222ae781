"""Files that were erased, lost, altered or never named: what is said of them, and what is swept."""

from datetime import timedelta
from pathlib import Path

from api.server import ledgers_with_files, sweep
from ledger.attachments import WAITING, State
from ledger.decisions.attachments import UNNAMED_KEPT
from ledger.entry import Context
from ledger.erasure import Erasure
from ledger.identifiers import new_fact_id
from ledger.sealed import Mark
from ledger.settings import Settings
from ledger.vocabulary import Actor, Via
from tests.attaching import fetch, pdf, report, send
from tests.visiting import Doors, project


def test_erased_lost_and_altered_files(small: Doors) -> None:
    """Each is told apart; an altered byte is never given out."""
    opened, content = small.opened, pdf("soon gone")
    attachment = send(small, content).json()["attachment"]
    report(small, content)
    project(opened)
    path = opened.attachments.folder / WAITING / attachment
    stored = path.read_bytes()

    path.write_bytes(stored[:-1] + bytes([stored[-1] ^ 1]))
    altered = fetch(small, attachment)
    path.unlink()
    lost = fetch(small, attachment)
    path.write_bytes(stored)
    restored = fetch(small, attachment)
    opened.sealed._keys.destroy("O1-boss")
    erased = fetch(small, attachment)

    assert altered.status_code == 500
    assert (lost.status_code, lost.json()["type"]) == (404, "/problems/attachment-missing")
    assert restored.content == content
    assert (erased.status_code, erased.json()["type"]) == (404, "/problems/attachment-erased")


def test_the_name_goes_with_the_key(small: Doors) -> None:
    """A name that was erased is not shown, wherever the file itself may still be."""
    content = pdf("named")
    attachment = send(small, content).json()["attachment"]
    report(small, content)
    project(small.opened)
    naming = small.opened.uploads.known(attachment).namings[0]
    assert naming.name is not None
    small.opened.sealed._keys.destroy("O1-boss")

    revealed = small.opened.sealed.reveal([(naming.name.person, naming.name.commitment)])

    assert revealed == [Mark.ERASED]


def test_sweeping(small: Doors) -> None:
    """What nobody names goes after a day, what is named stays, and may be fetched all along."""
    opened = small.opened
    named, draft = pdf("named"), pdf("never named")
    kept, lost = (send(small, one).json()["attachment"] for one in (named, draft))
    report(small, named)
    project(opened)
    now = opened.clock.now()
    operator = Actor(via=Via.OPERATOR, system="tests")

    def sweep_at(later: timedelta) -> int:
        context = Context(actor=operator, received_at=now + later, new_id=new_fact_id)
        return opened.uploads.sweep(context, opened.sealed.erased(now=True))

    early, late, again = (
        sweep_at(UNNAMED_KEPT / 2),
        sweep_at(UNNAMED_KEPT + timedelta(minutes=1)),
        sweep_at(UNNAMED_KEPT + timedelta(minutes=2)),
    )

    assert (early, late, again) == (0, 1, 0)
    assert fetch(small, kept).content == named
    assert fetch(small, lost, "obligor", person="O1-boss").json()["type"] == (
        "/problems/attachment-erased"
    )
    assert opened.attachments.waiting() == []
    sent_again = send(small, draft)
    assert (sent_again.status_code, sent_again.json()["attachment"]) == (201, lost)
    assert fetch(small, lost, "obligor", person="O1-boss").content == draft


def test_files_of_who_was_erased_are_swept(small: Doors) -> None:
    """Once the fact stands, what nobody can open goes too; other people's files stay."""
    opened, content = small.opened, pdf("of O1's head")
    attachment = send(small, content).json()["attachment"]
    report(small, content)
    project(opened)
    assert sweep(opened) == 0
    kept = opened.attachments.folder / attachment[:2] / attachment
    assert kept.exists()
    opened.sealed._keys.destroy("O1-boss")
    assert sweep(opened) == 0, "the log does not tell of it yet"
    assert kept.exists()
    operator = Actor(via=Via.OPERATOR, system="tests")
    context = Context(actor=operator, received_at=opened.clock.now(), new_id=new_fact_id)
    Erasure(opened.log, opened.sealed._keys, opened.sealed).erase("O1-boss", "requested", context)

    assert sweep(opened) == 1
    assert not kept.exists()
    assert sweep(opened) == 0, "nothing is looked through twice"
    assert fetch(small, attachment).json()["type"] == "/problems/attachment-erased"
    assert opened.attachments.state(attachment, "O1-boss") is State.ERASED


def test_every_ledger_with_files_is_swept(small: Doors, tmp_path: Path) -> None:
    """Not only the one that `/` leads to, and simulated ones like any other."""
    settings = Settings(home=str(tmp_path))
    assert small.opened.info.simulated
    assert ledgers_with_files(settings) == []
    send(small, pdf("somebody's"))
    (tmp_path / "attachments" / "another").mkdir()

    assert ledgers_with_files(settings) == ["another", small.opened.info.name]
