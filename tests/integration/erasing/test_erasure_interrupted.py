"""An erasure that was interrupted, or is seen from another process, is the same in the end."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from api.ledgers import Ledgers
from ledger.attachments import State
from ledger.database import connect_as_login
from ledger.erased import FOLLOW_SECONDS
from ledger.errors import LogStopped
from ledger.personal_keys import PersonErased
from ledger.sealed import Mark
from ledger.settings import Settings
from tests.erasing import NAME, NUMBER, WHO, Place, fact_alone, operator


def _fact_and_key(place: Place) -> None:
    fact_alone(place)
    place.keys.destroy(WHO)


@pytest.mark.parametrize("begin", [fact_alone, _fact_and_key])
@pytest.mark.parametrize("how", ["repeated", "started again"])
def test_what_was_interrupted_is_finished(
    place: Place, home: Path, begin: Callable[[Place], None], how: str
) -> None:
    """From the fact on nothing opens; a repeated command or the next start deletes the rest."""
    mine = place.register(WHO, NAME, NUMBER)
    key = place.keys.of([WHO])[WHO]
    assert key is not None
    begin(place)

    after = Place(place.database, home)
    assert after.store.reveal(mine) == [Mark.ERASED] * 2
    assert after.store.find("number", NUMBER) == []
    assert after.rows() == (2, 1)
    if how == "repeated":
        after.erasure.erase(WHO, "requested", operator())
    else:
        after.erasure.finish(operator())

    assert after.rows() == (0, 0)
    assert len(after.facts()) == 1
    after.close()
    assert not [file for file in home.iterdir() if key in file.read_bytes()]


def test_a_key_destroyed_without_a_fact_gets_one_at_the_next_start(place: Place) -> None:
    """The mark in the file of keys is told to a log that has lost the fact; the values go."""
    place.register(WHO, NAME, NUMBER)
    place.keys.destroy(WHO)

    place.erasure.finish(operator())
    place.erasure.finish(operator())

    assert place.facts() == [(WHO, "repeated")]
    assert place.rows() == (0, 0)


def test_a_mark_of_somebody_whom_the_log_never_knew_is_left_alone(place: Place) -> None:
    """A start neither fails nor records a fact about nobody."""
    place.keys.destroy("somebody-of-another-ledger")

    assert place.erasure.finish(operator()) == 0
    assert place.facts() == []


def test_a_log_that_takes_nothing_does_not_keep_the_service_from_starting(place: Place) -> None:
    """The fact waits for a later start; what the mark locked stays locked."""
    mine = place.register(WHO, NAME, NUMBER)
    place.keys.destroy(WHO)
    with connect_as_login(place.database.url) as connection:
        connection.execute("UPDATE ledger.head SET recorded_at = recorded_at + interval '1 day'")
    with pytest.raises(LogStopped):
        fact_alone(place)

    place.erasure.finish(operator())

    assert place.facts() == []
    assert place.store.reveal(mine) == [Mark.ERASED] * 2


def test_other_processes_forget_at_once(place: Place, elsewhere: Place) -> None:
    """What another process had read and kept is not shown after the erasure, nor found."""
    mine = place.register(WHO, NAME, NUMBER)
    assert elsewhere.store.reveal(mine) == [NAME, NUMBER]
    assert elsewhere.store.find("number", NUMBER) == [WHO]
    position = place.erasure.erase(WHO, "requested", operator()).position

    assert elsewhere.store.reveal(mine) == [Mark.ERASED] * 2
    assert elsewhere.store.find("number", NUMBER) == []
    assert elsewhere.store.erased() == {WHO: position}
    with pytest.raises(PersonErased):
        elsewhere.store.seal(WHO, "phone", "13900000000")


def test_a_process_with_its_own_copy_of_the_keys_follows_the_log(
    place: Place, tmp_path: Path
) -> None:
    """On another machine the keys are another file: within a second it follows the fact."""
    mine = place.register(WHO, NAME, NUMBER)
    place.keys.backup(tmp_path / "copy")
    (tmp_path / "far").mkdir()
    shutil.copy(tmp_path / "copy", tmp_path / "far" / "personal-main.sqlite")
    far = Place(place.database, tmp_path / "far")
    assert far.store.reveal(mine) == [NAME, NUMBER]
    place.erasure.erase(WHO, "requested", operator())

    far.store.erased(now=True)

    assert far.store.reveal(mine) == [Mark.ERASED] * 2
    assert far.keys.of([WHO]) == {WHO: None}
    far.close()


def test_a_running_service_closes_the_files_of_the_erased(place: Place, tmp_path: Path) -> None:
    """It has a copy of the keys of its own: within a moment of the fact nobody reads the file."""
    place.register(WHO, NAME, NUMBER)
    ledgers = Ledgers(place.database, Settings(home=str(tmp_path / "service"), name="main"))
    files, content = ledgers.open("main").attachments, b"%PDF-1.7 a file"
    sha256 = hashlib.sha256(content).hexdigest()
    name = files.identify(WHO, sha256)
    incoming = files.begin(WHO, name)
    incoming.write(content)
    files.keep(incoming, name, sha256)
    assert files.state(name, WHO) is State.PRESENT

    fact_alone(place)
    time.sleep(FOLLOW_SECONDS)

    assert files.state(name, WHO) is State.ERASED
    ledgers.close()


def test_a_real_process_killed_after_the_fact_is_finished_by_the_next(
    place: Place, home: Path
) -> None:
    """Killed (SIGKILL) between fact and key: the next process destroys key and values."""
    mine = place.register(WHO, NAME, NUMBER)
    program = (
        "import os, sys, pathlib, signal\n"
        "from ledger.database import Database\n"
        "from tests.erasing import Place, fact_alone\n"
        "place = Place(Database(sys.argv[1]), pathlib.Path(sys.argv[2]))\n"
        "fact_alone(place)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    arguments = [sys.executable, "-c", program, place.database.url, str(home)]
    ended = subprocess.run(arguments, check=False, env={**os.environ, "PYTHONPATH": "."})
    assert ended.returncode == -9

    after = Place(place.database, home)
    after.erasure.finish(operator())

    assert after.store.reveal(mine) == [Mark.ERASED] * 2
    assert after.keys.of([WHO]) == {WHO: None}
    assert (after.rows(), len(after.facts())) == ((0, 0), 1)
    after.close()
