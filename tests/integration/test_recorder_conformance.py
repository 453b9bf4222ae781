"""The library's own conformance cases, run against our recorder behind its adapter."""

from collections.abc import Iterator

import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent
from eventsourcing.dcb.tests import DCBRecorderTestCase
from eventsourcing.persistence import IntegrityError, ProgrammingError

from ledger.database import Database
from ledger.recorder import DCBRecorderAdapter, PostgresRecorder, create_ledger


class Conformance(DCBRecorderTestCase):
    """Opens the library's cases, whose names begin with an underscore."""

    def append_and_read(self, adapter: DCBRecorderAdapter) -> None:
        self._test_append_read(adapter)

    def append_and_subscribe(self, adapter: DCBRecorderAdapter) -> None:
        self._test_append_subscribe(adapter)


@pytest.fixture
def adapter(database: Database) -> Iterator[DCBRecorderAdapter]:
    """The adapter over a new ledger."""
    recorder = PostgresRecorder(database, create_ledger(database, "main", simulated=False))
    yield DCBRecorderAdapter(recorder)
    recorder.close()


def test_append_and_read(adapter: DCBRecorderAdapter) -> None:
    """The library's reads, conditions and heads hold."""
    Conformance().append_and_read(adapter)


def test_append_and_subscribe(adapter: DCBRecorderAdapter) -> None:
    """The library's subscription blocks at the end and receives what is recorded next."""
    Conformance().append_and_subscribe(adapter)


FOREIGN = [
    b"",
    b"\x00\xff",
    b"{}",
    b'{"a":1}',
    b'{"a":"b\\u0000c"}',
    b'{"octets":"eA==","v":2}',
    b'{"a":\n1}',
    b'{"a":1} ',
    b"[1,2]",
    '{"名":"值"}'.encode(),
    b'{"a":"\xff"}',
    b'{"id":"01890000-0000-7000-8000-000000000000"}',
]


def test_foreign_bytes_come_back_exactly(adapter: DCBRecorderAdapter) -> None:
    """Whatever bytes a foreign event holds, reading returns the same bytes."""
    given = [DCBEvent(type="foreign", data=data, tags=["tag"]) for data in FOREIGN]

    adapter.append(given)

    assert [found.event for found in adapter.read()] == given


def test_refusals_are_the_librarys_own_errors(adapter: DCBRecorderAdapter) -> None:
    """A failed condition is IntegrityError; nothing to append, or a bad label, ProgrammingError."""
    event = DCBEvent(type="t", data=b"x", tags=["a"])
    adapter.append([event])

    with pytest.raises(IntegrityError):
        adapter.append([event], DCBAppendCondition())
    with pytest.raises(ProgrammingError):
        adapter.append([])
    for tags in (["a", "a"], [""], ["a\x1fb"], ["a\nb"], ["\ud800"]):
        with pytest.raises(ProgrammingError):
            adapter.append([DCBEvent(type="t", data=b"x", tags=tags)])
