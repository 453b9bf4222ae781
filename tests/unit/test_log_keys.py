"""The log's keys: where they lie, who may read them, and how one follows another."""

import os
import stat
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from uuid import uuid4

import pytest

from ledger.decisions.log_keys import RotateLogKey
from ledger.entry import Access, Context, Draft
from ledger.errors import Conflict, Invalid, LedgerError, NotAllowed, NoteError
from ledger.events.platform import KeyRotated
from ledger.model.history import History
from ledger.sealing.keys import LogKeyMissing, LogKeys, LogKeyUnsafe, ReceiptsKey, origin_of
from ledger.sealing.note import SigningKey, open_note, sign_note
from ledger.vocabulary import Actor, Via

ORIGIN = "example.org/ledger/main"
STARTERS = 4


@pytest.fixture
def keys(tmp_path: Path) -> LogKeys:
    """The keys of a log that has none yet."""
    return LogKeys(tmp_path / "home" / "keys", "main")


def mode_of(path: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_the_origin_says_when_the_clock_was_simulated() -> None:
    """A demonstration's checkpoint can never pass for a real ledger's."""
    assert origin_of("example.org/ledger", "main", simulated=False) == ORIGIN
    assert origin_of("example.org/ledger", "main", simulated=True) == (
        "example.org/ledger/simulated/main"
    )


def test_a_new_key_is_its_owners_alone(keys: LogKeys) -> None:
    """File 0600 in a folder 0700, whatever the umask; nothing else is left beside it."""
    before = os.umask(0)
    try:
        made = keys.new(ORIGIN, sealed_before=False)
    finally:
        os.umask(before)

    assert (mode_of(keys.path), mode_of(keys.path.parent)) == (0o600, 0o700)
    assert [one.name for one in keys.path.parent.iterdir()] == ["log-main.key"]
    assert keys.path.read_text() == made.private_text() + "\n"
    assert (keys.origin, keys.verifiers()) == (ORIGIN, [made.verifier])


def test_the_first_key_is_made_once(keys: LogKeys) -> None:
    """Asked for again, `new` refuses and names the file, and the key stays as it was."""
    made = keys.new(ORIGIN, sealed_before=False)

    with pytest.raises(Conflict, match=r"log-main\.key"):
        keys.new(ORIGIN, sealed_before=False)

    assert keys.verifiers() == [made.verifier]


def test_a_log_without_its_key_says_where_it_should_be(keys: LogKeys) -> None:
    """Nobody is left to guess; and nothing was made by asking."""
    with pytest.raises(LogKeyMissing, match=str(keys.path)):
        keys.signing()

    assert not keys.exist()


def test_a_lost_key_is_never_replaced_in_silence(keys: LogKeys) -> None:
    """Where a checkpoint exists a start without the key fails, and makes none."""
    with pytest.raises(LogKeyMissing, match=str(keys.path)):
        keys.ensure(ORIGIN, sealed_before=True)
    with pytest.raises(LogKeyMissing, match=str(keys.path)):
        keys.new(ORIGIN, sealed_before=True)

    assert not keys.exist()


def test_the_first_start_makes_a_key_and_the_next_keeps_it(keys: LogKeys) -> None:
    """A ledger that was never sealed gets one; later starts, sealed or not, leave it be."""
    keys.ensure(ORIGIN, sealed_before=False)
    made = keys.verifiers()
    keys.ensure(ORIGIN, sealed_before=False)
    keys.ensure(ORIGIN, sealed_before=True)

    assert keys.verifiers() == made


def test_a_key_of_another_log_is_refused(keys: LogKeys) -> None:
    """The origin was fixed with the key: a start under another name stops and names both."""
    keys.new(ORIGIN, sealed_before=False)

    with pytest.raises(LogKeyUnsafe, match=r"example\.org/ledger/main.*example\.org/other/main"):
        keys.ensure("example.org/other/main", sealed_before=False)


def first_start(folder: str) -> str:
    """What one of several processes that start together finds."""
    keys = LogKeys(Path(folder), "main")
    keys.ensure(ORIGIN, sealed_before=False)
    return keys.verifiers()[0].vkey() + ReceiptsKey(Path(folder), "main").signing(ORIGIN).name


def test_processes_that_start_together_make_one_key(tmp_path: Path) -> None:
    """All of them sign with the same key, whoever made it."""
    folder = str(tmp_path / "keys")
    with ProcessPoolExecutor(STARTERS, mp_context=get_context("spawn")) as pool:
        found = set(pool.map(first_start, [folder] * STARTERS))

    assert len(found) == 1
    assert sorted(one.name for one in Path(folder).iterdir()) == [
        "log-main.key",
        "receipts-main.key",
    ]


def test_threads_that_start_together_make_one_key(tmp_path: Path) -> None:
    """The same in one process, many times over, where the race is closer."""
    for attempt in range(20):
        folder = str(tmp_path / str(attempt))
        with ThreadPoolExecutor(STARTERS) as pool:
            assert len(set(pool.map(first_start, [folder] * STARTERS))) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o610])
def test_a_key_that_others_may_read_is_refused(keys: LogKeys, mode: int) -> None:
    """The message names the file and the command that mends it; mended, it signs again."""
    keys.new(ORIGIN, sealed_before=False)
    keys.path.chmod(mode)

    with pytest.raises(LogKeyUnsafe, match=f"chmod 600 {keys.path}"):
        keys.signing()

    keys.path.chmod(0o600)
    assert keys.signing()


def test_a_folder_that_others_may_change_is_refused(keys: LogKeys) -> None:
    """Whoever may put files there may put a key of their own there."""
    keys.new(ORIGIN, sealed_before=False)
    keys.path.parent.chmod(0o770)

    with pytest.raises(LogKeyUnsafe, match=f"chmod 700 {keys.path.parent}"):
        LogKeys(keys.path.parent, "main").signing()


@pytest.mark.parametrize("content", ["", "nonsense\n", "PRIVATE+KEY+a+00000000+AAAA\n", "\xff\n"])
def test_a_damaged_file_is_refused(keys: LogKeys, content: str) -> None:
    """Whatever is wrong, the message names the file and never shows its content."""
    keys.new(ORIGIN, sealed_before=False)
    keys.path.write_text(content, encoding="latin-1")

    with pytest.raises(LogKeyUnsafe, match=str(keys.path)) as refusal:
        keys.signing()

    assert "AAAA" not in str(refusal.value)


def test_keys_of_two_logs_in_one_file_are_refused(keys: LogKeys) -> None:
    """Nobody rotates to a key whose name is not the origin, not even with an editor."""
    made = keys.new(ORIGIN, sealed_before=False)
    other = SigningKey.generate("example.org/other")
    keys.path.write_text(f"{made.private_text()}\n{other.private_text()}\n")

    with pytest.raises(LogKeyUnsafe, match="different logs"):
        keys.signing()


def test_a_third_key_is_refused(keys: LogKeys) -> None:
    """One rotation at a time."""
    keys.new(ORIGIN, sealed_before=False)
    lines = [SigningKey.generate(ORIGIN).private_text() + "\n" for _ in range(3)]
    keys.path.write_text("".join(lines))

    with pytest.raises(LogKeyUnsafe, match="holds 3 keys"):
        keys.signing()


def test_both_keys_sign_while_a_rotation_lasts(keys: LogKeys) -> None:
    """A note of that time opens with either key alone; one of before and after with its own."""
    older = keys.new(ORIGIN, sealed_before=False).verifier
    before = sign_note("before\n", keys.signing())
    rotated = keys.rotate()
    during = sign_note("during\n", keys.signing())
    keys.finish(older)
    after = sign_note("after\n", keys.signing())
    newer = rotated[1]

    assert rotated[0] == older
    assert [open_note(during, [one]).text for one in rotated] == ["during\n"] * 2
    assert open_note(before, [older]).text == "before\n"
    assert open_note(after, [newer]).text == "after\n"
    with pytest.raises(NoteError):
        open_note(after, [older])


def test_a_rotation_repeated_is_the_same_rotation(keys: LogKeys) -> None:
    """Interrupted after the file was written, the second run finds the keys of the first."""
    keys.new(ORIGIN, sealed_before=False)
    first = keys.rotate()

    assert keys.rotate() == first
    keys.finish(first[0])
    keys.finish(first[0])
    assert keys.verifiers() == [first[1]]
    assert mode_of(keys.path) == 0o600


def test_a_finish_never_takes_the_last_key(keys: LogKeys) -> None:
    """Without a rotation under way there is nothing to finish."""
    older = keys.new(ORIGIN, sealed_before=False).verifier
    keys.finish(older)

    assert keys.verifiers() == [older]


def test_a_rotation_in_another_process_is_noticed(keys: LogKeys) -> None:
    """The sealer of a running service signs with both keys at its next checkpoint."""
    keys.new(ORIGIN, sealed_before=False)
    serving = LogKeys(keys.path.parent, "main")
    assert len(serving.signing()) == 1
    keys.rotate()

    assert serving.signing()[1].name == ORIGIN


def test_the_gate_signs_with_a_key_of_its_own(keys: LogKeys) -> None:
    """Named after the log's origin, and not the log's key: who takes reports cannot seal."""
    keys.new(ORIGIN, sealed_before=False)
    receipts = ReceiptsKey(keys.path.parent, "main")
    made = receipts.signing(ORIGIN)

    assert made.name == f"{ORIGIN}/receipts"
    assert made.verifier == receipts.signing(ORIGIN).verifier
    assert made.verifier.public != keys.verifiers()[0].public
    assert mode_of(receipts.path) == 0o600
    with pytest.raises(LogKeyUnsafe, match=r"example\.org/other/receipts"):
        receipts.signing("example.org/other")


OPERATOR = Context(
    actor=Actor(via=Via.OPERATOR, system="command line"),
    received_at=datetime(2026, 4, 1, tzinfo=UTC),
    new_id=uuid4,
)


def rotation(**changes: str) -> RotateLogKey:
    """The command that tells of a rotation."""
    fields = {
        "log": ORIGIN,
        "stage": "begun",
        "older": SigningKey.generate(ORIGIN).verifier.vkey(),
        "newer": SigningKey.generate(ORIGIN).verifier.vkey(),
    }
    return RotateLogKey(**(fields | changes))


def decided(command: RotateLogKey, context: Context = OPERATOR) -> Draft:
    """The one fact that is decided."""
    (draft,) = command.decide(History(), context)
    return draft


def test_a_rotation_is_told_in_the_log() -> None:
    """Both public keys and the stage, under the tag of the log."""
    command = rotation()
    fact = decided(command).fact

    assert fact == KeyRotated(log=ORIGIN, stage="begun", older=command.older, newer=command.newer)
    assert fact.tags() == [f"log:{ORIGIN}"]


def test_each_step_of_a_rotation_has_one_id() -> None:
    """Told twice it is the same fact, so that an interrupted command may be repeated."""
    command = rotation()
    finished = rotation(stage="finished", older=command.older, newer=command.newer)

    assert decided(command).event_id == decided(command).event_id
    assert decided(command).event_id != decided(finished).event_id
    assert decided(command).event_id != decided(rotation()).event_id


@pytest.mark.parametrize("which", ["older", "newer"])
def test_nobody_rotates_to_another_logs_key(which: str) -> None:
    """A key of another name is refused by the decision too."""
    other = SigningKey.generate("example.org/other").verifier.vkey()

    with pytest.raises(Invalid, match=r"named example\.org/other"):
        decided(rotation(**{which: other}))


def test_a_key_does_not_follow_itself() -> None:
    """A rotation needs a newer key."""
    vkey = SigningKey.generate(ORIGIN).verifier.vkey()

    with pytest.raises(Invalid):
        decided(rotation(older=vkey, newer=vkey))


@pytest.mark.parametrize(
    "context",
    [
        Context(
            actor=Actor(via=Via.API, person="p"),
            received_at=OPERATOR.received_at,
            new_id=uuid4,
            access=Access(role="administrator"),
        )
    ],
)
def test_only_the_operator_tells_of_a_rotation(context: Context) -> None:
    """Not even an administrator at the door of the API: the keys are not there."""
    with pytest.raises(NotAllowed):
        decided(rotation(), context)


def test_what_is_no_key_is_refused() -> None:
    """A vkey that does not parse never becomes a fact."""
    with pytest.raises(LedgerError):
        decided(rotation(newer="nonsense"))
