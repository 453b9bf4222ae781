"""How a command comes in: one route each, made from the command itself.

`POST /api/v1/{ledger}/<capability>/<command>` takes the command's fields, an `Idempotency-Key`,
and answers signed receipts: where each fact stands and the hash that an auditor will find there. A
repeated key answers the first receipts again; the fingerprint that recognises the repetition is
keyed, because a command may hold personal words.
Read next: `wire.py` (what callers send), `ledger/log.py` (what happens to it).
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, HeaderParameter

from api.auth import Permission
from api.problems import KeyMissing
from api.visits import Visit
from api.wire import Seal, sealed, wire_of
from ledger.decisions.command import Command
from ledger.log import Recorded
from ledger.recorder import Receipt
from ledger.sealing.note import SigningKey
from ledger.sealing.receipt import sign_receipt
from ledger.vocabulary import EventId

KEY_CHARACTERS_MIN: Final = 16
KEY_CHARACTERS_MAX: Final = 128
_KEY: Final = re.compile(rf"[\x21-\x7e]{{{KEY_CHARACTERS_MIN},{KEY_CHARACTERS_MAX}}}")


class ReceiptAnswer(msgspec.Struct, frozen=True):
    """Where a fact stands for ever; keep it: it proves that the fact was recorded."""

    event_id: EventId
    position: int
    leaf_hash: str
    recorded_at: str
    receipt: str
    """The same, signed by the gate: a C2SP note of `accountability-ledger/receipt@v1`."""

    @classmethod
    def of(cls, receipt: Receipt, origin: str, key: SigningKey) -> "ReceiptAnswer":
        """A receipt as JSON shows it: the hash in hexadecimal."""
        spelled = f"{receipt.recorded_at:%Y-%m-%dT%H:%M:%S.%fZ}"
        event_id = EventId(str(receipt.event_id))
        leaf_hash, signed = receipt.leaf_hash.hex(), sign_receipt(receipt, origin, key)
        return cls(event_id, receipt.position, leaf_hash, spelled, signed)


class ReceiptsAnswer(ReceiptAnswer, frozen=True):
    """The receipt of a command's first fact, and those of all its facts."""

    receipts: tuple[ReceiptAnswer, ...]


Prepare = Callable[[Visit, Any, Seal], msgspec.Struct]
"""What a caller sent as what `wire_of(command)` wants, after looking up what only we know."""


class Door(msgspec.Struct, frozen=True):
    """A command and how it is reached: its permission, one sentence, an example of its fields."""

    command: type[Command]
    permission: Permission
    summary: str
    example: dict[str, Any]
    wire: type[msgspec.Struct] | None = None
    prepare: Prepare | None = None
    """Where callers send something else than the command: what, and how it becomes it."""

    @property
    def path(self) -> str:
        """`SubmitReport` is reached at `/submit-report`."""
        return "/" + re.sub(r"(?<!^)(?=[A-Z])", "-", self.command.__name__).lower()


def command_router(capability: str, doors: tuple[Door, ...]) -> Router:
    """The write routes of a capability."""
    handlers = [_route(door, capability) for door in doors]
    return Router(f"/{capability}", route_handlers=handlers, tags=[capability])


def _route(door: Door, capability: str) -> HTTPRouteHandler:
    wire = door.wire or wire_of(door.command)

    def handle(visit: Visit, data: Any, idempotency_key: str | None = None) -> Any:  # noqa: ANN401
        return execute(visit, door, data, idempotency_key)

    handle.__name__ = door.command.__name__
    handle.__annotations__ = {
        "visit": NamedDependency[Visit],
        "data": Annotated[wire, BodyKwarg(examples=[Example(summary="usual", value=door.example)])],
        "idempotency_key": IdempotencyKey,
        "return": Response[ReceiptsAnswer],
    }
    return post(
        door.path,
        name=door.command.__name__,
        operation_id=f"{capability}_{door.command.__name__}",
        summary=door.summary,
        description=(door.command.__doc__ or "").strip(),
        permission=door.permission,
        sync_to_thread=True,
    )(handle)


IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="16 to 128 visible characters; repeating a request under its key is harmless",
    ),
]


def execute(
    visit: Visit, door: Door, data: msgspec.Struct, key: str | None
) -> Response[ReceiptsAnswer]:
    """Record what a caller sent, once, however often it is sent under its key."""
    key = accepted_key(key)
    log, context = visit.opened.log, visit.context()
    fingerprint = fingerprint_of(door.command, data, visit.opened.secret)

    def stop_if_recorded() -> None:
        if (done := log.done(context, key, fingerprint)) is not None:
            raise _Repeated(done)

    try:
        # Sealing stores words, and a repetition must not store them again.
        seal = visit.sealer(data, before=stop_if_recorded)
        wired = door.prepare(visit, data, seal) if door.prepare else data
        visit.require_in_scope(wired, door.command)
        command = visit.with_files_named(sealed(wired, door.command, seal))
        recorded = log.execute(command, context, key, fingerprint)
    except _Repeated as repeated:
        recorded = repeated.recorded
    return _answer(visit, recorded)


class _Repeated(Exception):
    """The request was recorded before, under the same key."""

    def __init__(self, recorded: Recorded) -> None:
        super().__init__()
        self.recorded = recorded


def accepted_key(key: str | None) -> str:
    """An idempotency key, with or without the quotes of a structured header."""
    plain = (key or "").strip().removeprefix('"').removesuffix('"')
    if not _KEY.fullmatch(plain):
        raise KeyMissing
    return plain


def fingerprint_of(command: type[Command], data: msgspec.Struct, secret: bytes) -> bytes:
    """What tells a repetition from another request under the same key; reveals no words."""
    content = msgspec.json.encode(data, order="deterministic")
    return hmac.digest(
        secret, b"request\0" + command.__name__.encode() + b"\0" + content, hashlib.sha256
    )


def _answer(visit: Visit, recorded: Recorded) -> Response[ReceiptsAnswer]:
    # An Ed25519 signature over the same is the same, so a repetition answers the first receipts.
    opened = visit.opened
    receipts = tuple(
        ReceiptAnswer.of(one, opened.log_origin, opened.receipts_key) for one in recorded.receipts
    )
    first = receipts[0]
    content = ReceiptsAnswer(**msgspec.structs.asdict(first), receipts=receipts)
    headers = {
        "location": f"/api/v1/{opened.info.name}/events/{first.position}",
        "ledger-position": str(receipts[-1].position),
        "cache-control": "no-store",
    }
    if recorded.replayed:
        headers["idempotency-replayed"] = "true"
    return Response(content, status_code=201, headers=headers)
