"""The recorder: one gapless order, entries as they are hashed, keys, limits, times."""

import hashlib
import json
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID, uuid4

import psycopg
import pytest

from ledger.database import Database, connect_as_login
from ledger.errors import (
    BadLabel,
    DuplicateId,
    EntryTooLarge,
    Invalid,
    KeyReused,
    LedgerError,
    LogStopped,
)
from ledger.recorder import (
    ENTRY_BYTES_MAX,
    REQUEST_EVENTS_MAX,
    Appended,
    AppendRequest,
    Item,
    NewEvent,
    PostgresRecorder,
)
from ledger.recorder.admission import BODY_BYTES_MAX
from tests.recording import new_event, positions, request

START = datetime(2026, 4, 1, 2, 3, 4, 5, UTC)


def entries(recorder: PostgresRecorder) -> list[bytes]:
    """Everything in the log."""
    return [stored.entry for page in recorder.stream() for stored in page]


def test_positions_begin_at_one_and_have_no_gap(recorder: PostgresRecorder) -> None:
    """Requests take the next positions in order, whatever number of events each has."""
    outcomes = recorder.append(
        [request(*(new_event() for _ in range(count))) for count in (1, 3, 2)]
    )

    assert [positions(one) for one in outcomes] == [[1], [2, 3, 4], [5, 6]]
    assert recorder.head().position == 6


def test_an_empty_ledger_has_a_head_too(recorder: PostgresRecorder) -> None:
    """Before the first fact the head is at 0 and was never recorded."""
    assert (recorder.head().position, recorder.head().recorded_at) == (0, None)
    assert recorder.read().events == []
    assert recorder.position_at(START) == (0, False)


def test_the_entry_is_the_body_with_position_and_time_in_front(recorder: PostgresRecorder) -> None:
    """The stored line begins with what the database decided; the rest is the body, to the byte."""
    event = new_event("report.submitted", "unit:上海", text='值 \\ " é')
    (receipt,) = recorder.append_one(request(event)).receipts

    (entry,) = entries(recorder)

    spelled = receipt.recorded_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert entry == b'{"position":1,"recorded_at":"%s",' % spelled.encode() + event.body[1:]
    assert json.loads(entry)["data"] == {"text": '值 \\ " é'}


def test_the_receipt_names_the_entry(recorder: PostgresRecorder) -> None:
    """A receipt holds the event's id, position, time, and SHA-256(0x00 || entry)."""
    events = [new_event() for _ in range(3)]
    receipts = recorder.append_one(request(*events)).receipts

    stored = recorder.read().events

    assert [one.event_id for one in receipts] == [event.id for event in events]
    assert [one.position for one in receipts] == [one.position for one in stored]
    assert [one.leaf_hash for one in receipts] == [one.leaf_hash for one in stored]
    assert receipts[0].leaf_hash == hashlib.sha256(b"\0" + stored[0].entry).digest()


def test_the_columns_say_what_the_entry_says(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Type, tags, time and leaf hash of a row are copies of what its entry says."""
    recorder.append_one(request(new_event("a.b", "x:1", "y:2")))

    with connect_as_login(database.url) as connection:
        row = connection.execute(
            "SELECT type, tags, recorded_at, leaf_hash, entry FROM ledger.event"
        ).fetchone()

    assert row is not None
    entry = json.loads(row[4])
    assert [entry["type"], entry["tags"]] == [row[0], row[1]]
    assert datetime.fromisoformat(entry["recorded_at"]) == row[2]
    assert row[3] == hashlib.sha256(b"\0" + row[4]).digest()


def test_time_rises_from_call_to_call(recorder: PostgresRecorder) -> None:
    """`recorded_at` strictly increases between calls, and the head shows the last."""
    times = [recorder.append_one(request()).receipts[0].recorded_at for _ in range(50)]

    assert all(earlier < later for earlier, later in pairwise(times))
    assert recorder.head().recorded_at == times[-1]


def test_a_refused_request_leaves_no_trace(recorder: PostgresRecorder) -> None:
    """Its neighbours move up, and the head keeps the time of the last event."""
    first = new_event("t", "a")
    recorder.append_one(request(first))
    before = recorder.head()

    (alone,) = recorder.append([request(new_event("t", "b"), unless=(Item((), ("a",)),))])
    assert isinstance(alone, LedgerError)
    assert recorder.head() == before

    outcomes = recorder.append(
        [request(), request(new_event("t", "b"), unless=(Item((), ("a",)),)), request()]
    )
    assert isinstance(outcomes[1], LedgerError)
    assert [positions(outcomes[0]), positions(outcomes[2])] == [[2], [3]]
    assert len(entries(recorder)) == 3


def test_a_key_repeated_answers_the_first_receipts(recorder: PostgresRecorder) -> None:
    """The same key for the same command records nothing new, even when its condition now fails."""
    unless = (Item((), ("report:1",)),)
    asked = request(new_event("t", "report:1"), new_event(), unless=unless, key="k")
    first = recorder.append_one(asked)
    again = request(new_event("t", "report:1"), new_event(), unless=unless, key="k")

    second = recorder.append_one(again)

    assert second == Appended(first.receipts, replayed=True)
    assert recorder.head().position == 2


def test_a_key_is_bound_to_its_principal_and_command(recorder: PostgresRecorder) -> None:
    """Another command under the key is refused; another principal has keys of its own."""
    recorder.append_one(request(key="k"))

    with pytest.raises(KeyReused):
        recorder.append_one(request(key="k", fingerprint=b"other"))
    assert not recorder.append_one(request(key="k", principal="other")).replayed


def test_a_key_can_be_looked_up(recorder: PostgresRecorder) -> None:
    """A key shows its fingerprint and receipts before anything is decided; an id, its place."""
    event = new_event()
    appended = recorder.append_one(request(event, key="k", fingerprint=b"f"))

    record = recorder.lookup_key("somebody", "k")

    assert record is not None
    assert (record.fingerprint, record.receipts) == (b"f", appended.receipts)
    assert recorder.lookup_key("nobody", "k") is None
    assert recorder.position_of(event.id) == 1
    assert recorder.position_of(uuid4()) is None


def test_an_id_is_used_once(recorder: PostgresRecorder) -> None:
    """An id that is recorded, or that comes twice, in a request or beside it, is refused."""
    event = new_event()

    outcomes = recorder.append([request(event), request(event), request(event, event), request()])

    assert positions(outcomes[0]) == [1]
    assert isinstance(outcomes[1], DuplicateId)
    assert isinstance(outcomes[2], DuplicateId)
    assert positions(outcomes[3]) == [2]


def with_body(body: bytes, event_id: UUID | None = None) -> NewEvent:
    """An event of which only the body matters."""
    return NewEvent(event_id or uuid4(), "t", (), body)


def body_of(event_id: UUID, size: int) -> bytes:
    """A body of exactly this many bytes."""
    frame = b'{"id":"%s","pad":""}' % str(event_id).encode()
    return frame[:-2] + b"x" * (size - len(frame)) + frame[-2:]


def test_an_entry_may_hold_65535_bytes(recorder: PostgresRecorder) -> None:
    """The largest body that is let in fits with the longest prefix; one byte more is refused."""
    event_id = uuid4()

    with pytest.raises(EntryTooLarge):
        recorder.append_one(request(with_body(body_of(event_id, BODY_BYTES_MAX + 1), event_id)))
    recorder.append_one(request(with_body(body_of(event_id, BODY_BYTES_MAX), event_id)))

    assert ENTRY_BYTES_MAX - 20 < len(entries(recorder)[0]) <= ENTRY_BYTES_MAX


ID = UUID("01890000-0000-7000-8000-000000000000")


NOT_A_BODY = [
    b"",
    b"{}",
    b"[]",
    b'"text"',
    b'{"a":1}',
    b' {"id":"%s"}' % str(ID).encode(),
    b'{ "id":"%s"}' % str(ID).encode(),
    b'{"id":"%s"}\n' % str(ID).encode(),
    b'{"id":"%s","a":"\n"}' % str(ID).encode(),
    b'{"id":"%s","a":"\x00"}' % str(ID).encode(),
    b'{"id":"%s","a":"\xff"}' % str(ID).encode(),
    b'{"id":"%s"' % str(ID).encode(),
    b'{"id":"%s"}{}' % str(ID).encode(),
    b'{"id":"%s","position":7}' % str(ID).encode(),
    b'{"id":"%s","recorded_at":null}' % str(ID).encode(),
    b'{"id":"01890000-0000-7000-8000-000000000001"}',
]


def test_a_body_is_one_line_of_json_with_its_id(recorder: PostgresRecorder) -> None:
    """Anything else is refused before it is queued, and its neighbours are recorded."""
    for body in NOT_A_BODY:
        head = recorder.head().position
        outcomes = recorder.append([request(), request(with_body(body, ID)), request()])

        assert isinstance(outcomes[1], Invalid), body
        assert [positions(outcomes[0]), positions(outcomes[2])] == [[head + 1], [head + 2]]


BAD_LABELS: list[tuple[str, tuple[str, ...]]] = [
    ("", ()),
    ("a\x1fb", ()),
    ("a\nb", ()),
    ("a\x00", ()),
    ("a\x85", ()),
    ("x" * 256, ()),
    ("t", ("",)),
    ("t", ("a", "")),
    ("t", ("a", "a")),
    ("t", ("a\x1fb",)),
    ("t", ("a", "b\tc")),
    ("t", ("\udc00",)),
    ("t", tuple(str(n) for n in range(257))),
]


def test_labels_are_plain_text_each_once(recorder: PostgresRecorder) -> None:
    """A type or tag that is empty, repeated, too long or holds a control character is refused."""
    for kind, tags in BAD_LABELS:
        event_id = uuid4()
        event = NewEvent(event_id, kind, tags, b'{"id":"%s"}' % str(event_id).encode())
        head = recorder.head().position

        outcomes = recorder.append([request(event), request()])

        assert isinstance(outcomes[0], BadLabel), (kind, tags)
        assert positions(outcomes[1]) == [head + 1]


def test_labels_of_conditions_and_reads_are_checked(recorder: PostgresRecorder) -> None:
    """A label that no event can have is a mistake of the caller, not an empty answer."""
    bad = ("a\x1fb", "", "\ud800")
    for item in (Item((label,) * n, (label,) * (1 - n)) for label in bad for n in (0, 1)):
        with pytest.raises(BadLabel):
            recorder.append_one(request(unless=(item,)))
        with pytest.raises(BadLabel):
            recorder.read((item,))


def test_a_request_has_limits(recorder: PostgresRecorder) -> None:
    """No events, too many, too many items, a bad key: refused, and the field is named."""
    event = new_event()
    for asked, field in (
        (AppendRequest(events=()), "events"),
        (AppendRequest(events=(event,) * (REQUEST_EVENTS_MAX + 1)), "events"),
        (request(unless=(Item(),) * 1_001), "condition"),
        (request(unless=(Item(),), after=-1), "condition.after"),
        (request(key=""), "key"),
        (request(key="k" * 256), "key"),
        (request(key="\ud800"), "key"),
        (request(key="k", principal="a\0b"), "principal"),
        (request(recorded_at=START), "recorded_at"),
    ):
        with pytest.raises(Invalid) as caught:
            recorder.append_one(asked)
        assert [problem.field for problem in caught.value.fields] == [field]


def test_a_large_call_is_taken_in_windows(recorder: PostgresRecorder) -> None:
    """A list larger than one batch is recorded in its own order."""
    asked = [request(new_event(number=n), new_event(number=n)) for n in range(11_000)]

    outcomes = recorder.append(asked)

    assert [positions(one) for one in outcomes] == [[2 * n + 1, 2 * n + 2] for n in range(11_000)]


def test_a_closed_recorder_refuses(database: Database, recorder: PostgresRecorder) -> None:
    """After close nothing is queued."""
    closed = PostgresRecorder(database, recorder.ledger_id)
    closed.append_one(request())

    closed.close()

    with pytest.raises(LogStopped):
        closed.append_one(request())


def test_the_call_refuses_what_only_a_defect_could_send(
    database: Database, recorder: PostgresRecorder
) -> None:
    """The database checks again: times for a real ledger, no object, an unknown ledger."""
    event = str(uuid4())
    call = """
    SELECT ledger.append_v1(
        %s, now(), %s::timestamptz[],
        '{1}', ARRAY[%s]::uuid[], '{t}', ARRAY[''], ARRAY[%s]::bytea[],
        '{}', '{}', '{}', '{}', '{}', '{}', '{}'
    )
    """
    good = b'{"id":"%s"}' % event.encode()
    with connect_as_login(database.url) as connection:
        for ledger_id, times, body, state in (
            (recorder.ledger_id, [START], good, "LG003"),
            (recorder.ledger_id, None, b'["id"]', "LG004"),
            (recorder.ledger_id, None, good.replace(b'"}', b'\n"}'), "23514"),
            (recorder.ledger_id, None, good.replace(b'"}', b"x" * 65_535 + b'"}'), "23514"),
            (recorder.ledger_id + 1, None, good, "LG001"),
        ):
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(call, (ledger_id, times, event, body))
            assert caught.value.sqlstate == state
    assert recorder.head().position == 0
