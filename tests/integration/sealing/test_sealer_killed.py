"""A sealer killed anywhere leaves a true log, and the next one does the rest.

LEDGER_TEST_CYCLES kills a sealer more often than a usual run does.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from ledger.errors import LogStopped
from ledger.sealing.checkpoint import Checkpoint
from ledger.sealing.folder import LogFolder
from ledger.sealing.session import SealerSession
from tests.sealing import (
    DICE,
    Sealed,
    append_until,
    in_thread,
    is_sealed,
    require_consistent,
    sealing_process,
)
from tests.torturing import eventually

CYCLES = int(os.environ.get("LEDGER_TEST_CYCLES", "10"))


class Killed(BaseException):
    """The process is gone."""


STEPS = [
    (LogFolder, "write_tiles", "before"),
    (LogFolder, "write_tiles", "after"),
    (SealerSession, "fence", "before"),
    (SealerSession, "fence", "after"),
    (LogFolder, "save_state", "before"),
    (LogFolder, "save_state", "after"),
    (LogFolder, "publish", "before"),
    (LogFolder, "publish", "after"),
    (LogFolder, "remove_partials", "after"),
]


@contextmanager
def killed_at(owner: type, name: str, when: str) -> Iterator[None]:
    """Whoever comes to this step is gone, before it or after it."""
    real = getattr(owner, name)

    def ends(*given: Any) -> None:
        if when == "after":
            real(*given)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, ends)
        with pytest.raises(Killed):
            yield


@pytest.mark.parametrize(("owner", "name", "when"), STEPS)
@pytest.mark.parametrize("before", [0, 300, 512])
def test_killed_between_two_steps_the_next_sealer_does_the_rest(
    sealed: Sealed, owner: type, name: str, when: str, before: int
) -> None:
    """At every step of a pass: what is published stays true, and the log goes on."""
    checkpoints = [sealed.grown(before)] if before else []
    sealed.append(300)
    with killed_at(owner, name, when):
        sealed.sealer.seal()
    if sealed.folder.latest() is not None:
        checkpoints.append(sealed.published())
        sealed.require_readable(checkpoints[-1])
    sealed.require_whole()

    sealed.append(7)
    checkpoints.append(sealed.another().seal())

    assert checkpoints[-1].size == before + 307
    require_consistent(sealed.folder, checkpoints)
    sealed.require_true()


def test_what_was_fenced_is_what_is_signed(sealed: Sealed) -> None:
    """Rows edited between the fence and the signature, while no sealer lives, are not signed."""
    sealed.grown(100)
    sealed.append(50)
    with killed_at(SealerSession, "fence", "after"):
        sealed.sealer.seal()
    sealed.edit(120, leaf=True)

    with pytest.raises(LogStopped, match="FORK at 120"):
        sealed.another().seal()
    assert sealed.published().size == 100


def test_a_state_ahead_of_the_checkpoint_is_published(sealed: Sealed) -> None:
    """Killed before the signature, with nothing new recorded since: the next one signs it."""
    sealed.grown(100)
    sealed.append(1)
    with killed_at(LogFolder, "publish", "before"):
        sealed.sealer.seal()
    assert sealed.published().size == 100

    assert sealed.another().seal().size == 101
    assert sealed.published().size == 101


def test_a_process_killed_at_any_instant_leaves_a_true_log(sealed: Sealed) -> None:
    """Killed over and over while facts are recorded: no half file, no checkpoint taken back."""
    seen: dict[int, Checkpoint] = {}
    with in_thread(lambda stop: append_until(stop, sealed, pause_seconds=0.2)):
        for _ in range(CYCLES):
            with sealing_process(sealed) as process:
                before = max(seen, default=0)
                eventually(partial(is_sealed, sealed, before + 1))
                time.sleep(DICE.uniform(0, 0.5))
                process.kill()
                process.wait()
            sealed.require_whole()
            checkpoint = sealed.published()
            sealed.require_readable(checkpoint)
            state = sealed.folder.state()
            assert state is not None
            assert state.size >= checkpoint.size >= before
            seen[checkpoint.size] = checkpoint
    sealed.sealer.seal()

    require_consistent(sealed.folder, list(seen.values()))
    sealed.require_true()
