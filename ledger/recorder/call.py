"""One call of `ledger.append_v1`: a batch joined into binary arrays, answers taken apart.

The arrays go through libpq as they are: at some twenty thousand events a second, a general
adapter would cost as much as the database does. Formats are PostgreSQL's own (array_send,
timestamptz_send). Read next: `migrations/0002_event_log.sql`, then `ledger/recorder/writer.py`.
"""

import select
import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec
import psycopg
from psycopg import errors, pq

from ledger.errors import (
    ConditionFailed,
    DuplicateId,
    Invalid,
    KeyReused,
    LedgerError,
    LogStopped,
    NotFound,
    TimeWentBack,
)
from ledger.patience import Impatient
from ledger.recorder.admission import Prepared, element
from ledger.recorder.requests import Appended, AppendRequest, Receipt

APPEND: Final = (
    b"SELECT ledger.append_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
)
_STATEMENT: Final = b"append"
_INT4, _INT8, _TEXT, _BYTEA, _UUID, _TIMESTAMPTZ = 23, 20, 25, 17, 2950, 1184
_ARRAY_OF: Final = {_INT4: 1007, _INT8: 1016, _TEXT: 1009, _BYTEA: 1001, _UUID: 2951}
_TIMESTAMPTZ_ARRAY: Final = 1185
_TYPES: Final = (
    *(_INT4, _TIMESTAMPTZ, _TIMESTAMPTZ_ARRAY),
    *(_ARRAY_OF[one] for one in (_INT4, _UUID, _TEXT, _TEXT, _BYTEA)),
    *(_ARRAY_OF[one] for one in (_INT4, _UUID, _BYTEA)),
    *(_ARRAY_OF[one] for one in (_INT4, _INT8, _TEXT, _TEXT)),
)
_BINARY: Final = pq.Format.BINARY

_array_header = struct.Struct("!IIIII").pack
_uint4 = struct.Struct("!I").pack
_read_uint4 = struct.Struct("!I").unpack_from
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ARRAY_HEADER_BYTES: Final = 20

_read_answer = struct.Struct("!IHq").unpack_from
_ACCEPTED, _REPLAYED, _CONDITION_FAILED, _KEY_REUSED, _DUPLICATE_ID = range(5)
_ANSWER_HEADER_BYTES: Final = 14
_HASHES_AT: Final = _ANSWER_HEADER_BYTES + 8
_HASH_BYTES: Final = 32

NO_SUCH_LEDGER, CLOCKS_DISAGREE, STOPPED = "LG001", "LG002", "LG005"
OUR_DATA_STATES: Final = frozenset({"LG003", "LG004"})
DATA_CLASSES: Final = frozenset({"22", "23", "54"})
"""SQLSTATE classes that speak of the data: one request of the batch is to blame."""

LOCK_NOT_AVAILABLE: Final = "55P03"


class Replayed(msgspec.Struct, frozen=True):
    """Where a request stands that is recorded already: its receipts are read from the log."""

    first_position: int
    event_count: int
    under_key: bool = True


class AppendCall:
    """The prepared call of one connection; owned by the writer thread."""

    def __init__(self, connection: Impatient, ledger_id: int) -> None:
        self._connection = connection
        self._ledger_id = ledger_id.to_bytes(4, "big")
        # libpq's own `prepare` would wait for ever, and let no other thread run.
        connection.pgconn.send_prepare(_STATEMENT, APPEND, _TYPES)
        self._flush()
        self._result()

    def run(
        self,
        batch: Sequence[Prepared],
        gate_at: datetime | None,
        meanwhile: Callable[[], None],
    ) -> list[bytes]:
        """Append a batch in one transaction; an answer for each request, in order.

        `meanwhile` is called once the database works on it, and may not fail.
        """
        parameters = [
            self._ledger_id,
            None if gate_at is None else _instant(gate_at),
            _times(batch),
            *_events(batch),
            *_keys(batch),
            *_conditions(batch),
        ]
        formats = [_BINARY] * len(parameters)
        pgconn = self._connection.pgconn
        pgconn.send_query_prepared(
            _STATEMENT,
            parameters,
            formats,
            _BINARY,
        )
        self._flush()
        meanwhile()
        result = self._result()
        answers = sorted(_elements(result.get_value(0, 0) or b""))
        assert len(answers) == len(batch), "append_v1 answers every request once"
        return answers

    def _flush(self) -> None:
        """Hand over all that was sent."""
        while self._connection.pgconn.flush():
            self._wait_for(select.POLLIN | select.POLLOUT)

    def _result(self) -> pq.abc.PGresult:
        """What the call answered, once its transaction has ended well; raises what ended it.

        The server answers the call before it commits. When the commit fails, or the connection
        breaks before its end is known, that comes as a second result: whoever takes the first one
        for an acknowledgement acknowledges what was never recorded.
        """
        pgconn, results = self._connection.pgconn, list[pq.abc.PGresult]()
        while True:
            while pgconn.is_busy():
                self._wait_for(select.POLLIN)
            result = pgconn.get_result()
            if result is None:
                break
            results.append(result)
        for result in results:
            self._completed(result)
        assert results, "whatever was sent has a result"
        return results[0]

    def _wait_for(self, happenings: int) -> None:
        """Wait for the socket: other threads run meanwhile, which libpq's own waiting forbids.

        Not for ever: a line may be silent and not broken, and then the call's end is unknown.
        """
        pgconn, silence_seconds = self._connection.pgconn, self._connection.silence_seconds
        socket = select.poll()
        socket.register(pgconn.socket, happenings)
        found = socket.poll(None if silence_seconds is None else silence_seconds * 1000)
        if not found:
            self._connection.lose()
        if any(happened != select.POLLOUT for _, happened in found):
            pgconn.consume_input()

    def _completed(self, result: pq.abc.PGresult) -> None:
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise errors.error_from_result(result)


def outcome_of(request: AppendRequest, answer: bytes) -> Appended | Replayed | LedgerError:
    """What the call's answer means to the request that it answers."""
    _, outcome, position = _read_answer(answer)
    if outcome == _ACCEPTED:
        recorded_at = _instant_of(answer[_ANSWER_HEADER_BYTES:_HASHES_AT])
        hashes = range(_HASHES_AT, len(answer), _HASH_BYTES)
        return Appended(
            tuple(
                [
                    Receipt(event.id, place, answer[at : at + _HASH_BYTES], recorded_at)
                    for place, (event, at) in enumerate(
                        zip(request.events, hashes, strict=True), start=position
                    )
                ]
            )
        )
    if outcome == _REPLAYED:
        return Replayed(position, int.from_bytes(answer[_ANSWER_HEADER_BYTES:], "big"))
    return _refusal(outcome, position)


def accepted_position(answer: bytes) -> int | None:
    """Where the first event of an accepted request stands; None for every other answer."""
    _, outcome, position = _read_answer(answer)
    return int(position) if outcome == _ACCEPTED else None


def last_of(answer: bytes) -> tuple[int, bytes] | None:
    """Where the last event of an accepted request stands, and its leaf hash."""
    position = accepted_position(answer)
    if position is None:
        return None
    count = (len(answer) - _HASHES_AT) // _HASH_BYTES
    return position + count - 1, answer[-_HASH_BYTES:]


def _refusal(outcome: int, position: int) -> LedgerError:
    if outcome == _CONDITION_FAILED:
        return ConditionFailed(
            f"the fact at position {position} was recorded meanwhile, and this decision depends "
            "on it; read again and decide anew"
        )
    if outcome == _KEY_REUSED:
        return KeyReused(
            f"this idempotency key was used for another request, recorded at position {position}; "
            "send a new key"
        )
    if outcome == _DUPLICATE_ID:
        return DuplicateId(
            f"the event at position {position} has this id; ids are never used twice"
        )
    return TimeWentBack(f"the fact at position {position} was recorded later; time never goes back")


def refusal_of(error: psycopg.Error) -> LedgerError:
    """What an error of the call means: the transaction was rolled back in every case."""
    state = error.sqlstate or ""
    said = f"{error.diag.message_primary or error} ({state})"
    if state[:2] in DATA_CLASSES or state in OUR_DATA_STATES:
        return Invalid(f"the database refused this entry: {said}; correct it")
    if state == NO_SUCH_LEDGER:
        return NotFound(f"{said}; create it")
    if state == STOPPED:
        return LogStopped(str(error.diag.message_primary))
    if state == LOCK_NOT_AVAILABLE:
        return LogStopped("another session holds the ledger's head; end it, then try again")
    return LogStopped(f"nothing was recorded: {said}")


def _times(batch: Sequence[Prepared]) -> bytes | None:
    if batch[0].request.recorded_at is None:
        return None
    times = [one.request.recorded_at for one in batch]
    return _array(
        _TIMESTAMPTZ,
        len(times),
        b"".join([element(_instant(at)) for at in times if at is not None]),
    )


def _events(batch: Sequence[Prepared]) -> Iterable[bytes]:
    count = sum([one.event_count for one in batch])
    yield _array(
        _INT4,
        count,
        b"".join([element(_uint4(i)) * one.event_count for i, one in enumerate(batch, start=1)]),
    )
    yield _array(_UUID, count, b"".join([one.ids for one in batch]))
    yield _array(_TEXT, count, b"".join([one.types for one in batch]))
    yield _array(_TEXT, count, b"".join([one.tags for one in batch]))
    yield _array(_BYTEA, count, b"".join([one.bodies for one in batch]))


def _keys(batch: Sequence[Prepared]) -> Iterable[bytes]:
    keyed = [(i, one) for i, one in enumerate(batch, start=1) if one.key is not None]
    yield _array(_INT4, len(keyed), b"".join([element(_uint4(i)) for i, _ in keyed]))
    yield _array(_UUID, len(keyed), b"".join([element(one.key or b"") for _, one in keyed]))
    yield _array(_BYTEA, len(keyed), b"".join([element(one.fingerprint) for _, one in keyed]))


def _conditions(batch: Sequence[Prepared]) -> Iterable[bytes]:
    numbered = [(i, item) for i, one in enumerate(batch, start=1) for item in one.items]
    yield _array(_INT4, len(numbered), b"".join([element(_uint4(i)) for i, _ in numbered]))
    yield _array(_INT8, len(numbered), b"".join([item[0] for _, item in numbered]))
    yield _array(_TEXT, len(numbered), b"".join([item[1] for _, item in numbered]))
    yield _array(_TEXT, len(numbered), b"".join([item[2] for _, item in numbered]))


def _array(oid: int, count: int, elements: bytes) -> bytes:
    """A one-dimensional binary array without NULLs."""
    if count == 0:
        return struct.pack("!III", 0, 0, oid)
    return _array_header(1, 0, oid, count, 1) + elements


def _elements(array: bytes) -> Iterable[bytes]:
    """The elements of a one-dimensional binary array without NULLs."""
    at = _ARRAY_HEADER_BYTES
    while at < len(array):
        (length,) = _read_uint4(array, at)
        yield array[at + 4 : at + 4 + length]
        at += 4 + length


@lru_cache(maxsize=64)
def _instant_of(content: bytes) -> datetime:
    """The requests of one batch share their instant."""
    return _EPOCH + _MICROSECOND * int.from_bytes(content, "big", signed=True)


def _instant(instant: datetime) -> bytes:
    return ((instant - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True)
