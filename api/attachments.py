"""Files beside reports: sent under their hash, fetched by whoever sees a fact that names them.

`PUT /uploads/{sha256}` is the whole of an upload: the log hears of the file before its content
is read, so a slow line costs nobody a deadline (ruling 42), and sending it again is harmless. Where
the line broke, `GET` says how much is here, and `PATCH` sends the rest.
Reports then name the file by the same hash. A file is only ever served as a download.
Read next: `ledger/uploads.py`.
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import msgspec
from litestar import Request, Response, Router, get, patch, put
from litestar.di import NamedDependency
from litestar.exceptions import InternalServerException
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)
from litestar.params import FromPath
from litestar.response import Stream

from api.auth import Permission
from api.problems import BadBody, UnsupportedMediaType
from api.visits import Visit
from ledger.attached_content import Incoming
from ledger.errors import Invalid, NotFound
from ledger.media_types import MEDIA_TYPES
from ledger.model.attachments import Attachment, uploader_of
from ledger.uploads import Announced, Known, Naming
from ledger.vocabulary import AttachmentId

UPLOADS_MAX: Final = 16
"""Uploads at once in this process; the next waits for its turn, its receipt already taken."""

UPLOAD_SECONDS_MAX: Final = 3_600
WRITTEN_AT_ONCE_BYTES: Final = 1024 * 1024
"""What is gathered before a thread encrypts and writes it."""

SERVED_WITH: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}
UPLOAD_OFFSET: Final = "upload-offset"
OFFSET: Final = re.compile(r"0|[1-9][0-9]{0,14}")
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]")


class AttachmentAnswer(msgspec.Struct, frozen=True):
    """A file that is here whole: what entries call it, and when the gate first heard of it."""

    attachment: str
    sha256: str
    media_type: str
    size_bytes: int
    received_at: str
    event_id: str
    position: int


class ArrivedAnswer(msgspec.Struct, frozen=True):
    """How many bytes of a file are here, and whether that is all of it."""

    sha256: str
    offset: int
    is_complete: bool


class BrokenOff(BadBody):
    """The upload broke off; ask how much has arrived, and send the rest."""


@dataclass
class _Sending(Operation):
    """What the framework cannot tell of an upload: its body is the file."""

    def __post_init__(self) -> None:
        content = {one: OpenAPIMediaType(schema=_BINARY) for one in MEDIA_TYPES}
        self.request_body = RequestBody(content=content, required=True)


@dataclass
class _Fetching(Operation):
    """What the framework cannot tell of a download: its answer is the file."""

    def __post_init__(self) -> None:
        for answer in (self.responses or {}).values():
            if hasattr(answer, "content"):
                answer.content = {one: OpenAPIMediaType(schema=_BINARY) for one in MEDIA_TYPES}


_BINARY: Final = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)


@put(
    "/uploads/{sha256:str}",
    permission=Permission.SEND_ATTACHMENTS,
    summary="Send a file that reports may name",
    status_code=201,
    json=False,
    # The limit is the operator's (LEDGER_ATTACHMENT_BYTES_MAX), and is kept while reading.
    request_max_body_size=None,
    operation_class=_Sending,
)
async def send(
    visit: NamedDependency[Visit],
    request: Request[Any, Any, Any],
    sha256: FromPath[str],
) -> Response[AttachmentAnswer]:
    """The body is the file, its Content-Type its media type; sending it again is harmless."""
    announced = _announced(request, sha256)
    row, incoming = await asyncio.to_thread(visit.opened.uploads.begin, announced, visit.context())
    if incoming is None:
        return _kept(visit, announced, row, replayed=True)
    return await _received(visit, request, announced, row, incoming)


@get(
    "/uploads/{sha256:str}",
    permission=Permission.SEND_ATTACHMENTS,
    summary="How much of a file has arrived",
    judged=False,
    placed=False,
    sync_to_thread=True,
)
def show_arrived(visit: NamedDependency[Visit], sha256: FromPath[str]) -> Response[ArrivedAnswer]:
    """After an upload that broke off: from where on to send the rest (HEAD says the same)."""
    offset, is_complete = visit.opened.uploads.arrived(sha256, visit.caller.actor())
    headers = {
        UPLOAD_OFFSET: str(offset),
        "upload-complete": "?1" if is_complete else "?0",
        "cache-control": "no-store",
    }
    return Response(ArrivedAnswer(sha256, offset, is_complete), headers=headers)


@patch(
    "/uploads/{sha256:str}",
    permission=Permission.SEND_ATTACHMENTS,
    summary="Send the rest of a file",
    status_code=201,
    json=False,
    request_max_body_size=None,
    operation_class=_Sending,
)
async def send_rest(
    visit: NamedDependency[Visit],
    request: Request[Any, Any, Any],
    sha256: FromPath[str],
) -> Response[AttachmentAnswer]:
    """The body is what follows the first `Upload-Offset` bytes, which arrived before."""
    told = request.headers.get(UPLOAD_OFFSET, "")
    if not OFFSET.fullmatch(told):
        raise Invalid.field(UPLOAD_OFFSET, "say after how many bytes the body goes on")
    announced = _announced(request, sha256)
    if announced.size_bytes is not None:
        size = announced.size_bytes + int(told)
        announced = msgspec.structs.replace(announced, size_bytes=size)
    go_on = visit.opened.uploads.go_on
    row, incoming = await asyncio.to_thread(go_on, announced, int(told), visit.context())
    return await _received(visit, request, announced, row, incoming)


async def _received(
    visit: Visit,
    request: Request[Any, Any, Any],
    announced: Announced,
    row: Attachment,
    incoming: Incoming,
) -> Response[AttachmentAnswer]:
    """Write the body; what came of one that breaks off stays for a day."""
    uploads = visit.opened.uploads
    try:
        try:
            async with request.app.state.uploading, asyncio.timeout(UPLOAD_SECONDS_MAX):
                await _take_in(visit, request, incoming, row)
        except TimeoutError:
            raise BrokenOff("the upload took too long; send the rest on a faster line") from None
        row = await asyncio.to_thread(uploads.finish, incoming, announced, row, visit.context_now())
    except BrokenOff:
        await asyncio.to_thread(uploads.suspend, incoming, row)
        raise
    except BaseException:
        await asyncio.to_thread(incoming.abandon)
        raise
    return _kept(visit, announced, row, replayed=False)


async def _take_in(
    visit: Visit, request: Request[Any, Any, Any], incoming: Incoming, row: Attachment
) -> None:
    """Write the body as it comes, some of it at a time."""
    gathered = bytearray()
    try:
        async for part in request.stream():
            gathered += part
            if len(gathered) >= WRITTEN_AT_ONCE_BYTES:
                await _take(visit, incoming, gathered, row)
    except InternalServerException:
        # So the framework says that the caller went away, which is no failing of ours.
        await _take(visit, incoming, gathered, row)
        raise BrokenOff("the connection ended before the file did; send the rest") from None
    await _take(visit, incoming, gathered, row)


async def _take(visit: Visit, incoming: Incoming, gathered: bytearray, row: Attachment) -> None:
    if gathered:
        await asyncio.to_thread(visit.opened.uploads.take, incoming, bytes(gathered), row)
        gathered.clear()


def _announced(request: Request[Any, Any, Any], sha256: str) -> Announced:
    """What the request's head says of the file."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType("send the file without Content-Encoding")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    length = request.headers.get("content-length", "")
    size = int(length) if length.isascii() and length.isdigit() else None
    return Announced(sha256, media_type, size)


def _kept(
    visit: Visit, announced: Announced, row: Attachment, *, replayed: bool
) -> Response[AttachmentAnswer]:
    first = row.tries[0]
    assert row.size_bytes is not None, "what is kept has a size"
    content = AttachmentAnswer(
        attachment=row.attachment,
        sha256=announced.sha256,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        received_at=f"{first.received_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        event_id=first.event,
        position=first.position,
    )
    headers = {
        "location": f"/api/v1/{visit.opened.info.name}/attachments/{row.attachment}",
        "ledger-position": str(first.position),
        "cache-control": "no-store",
    }
    if replayed:
        headers["idempotency-replayed"] = "true"
    return Response(content, status_code=201, headers=headers)


@get(
    "/attachments/{attachment:str}",
    permission=Permission.SEE_ATTACHMENTS,
    summary="Fetch a file that a visible fact names",
    json=False,
    judged=False,
    placed=False,
    sync_to_thread=True,
    operation_class=_Fetching,
)
def fetch(visit: NamedDependency[Visit], attachment: FromPath[str]) -> Stream:
    """The content, as a download; `attachment` is what entries call it."""
    known = visit.opened.uploads.known(attachment)
    visible = _visible(visit, known)
    visit.opened.uploads.require_here(known.row)
    store, name = visit.opened.attachments, AttachmentId(attachment)
    size = store.size_of(name)
    chunks = store.read(name, known.row.owner)
    # The first chunk is opened before the answer begins: what cannot be read is still refused.
    first = next(chunks)
    headers = {
        **SERVED_WITH,
        "content-disposition": _disposition(visit, attachment, visible),
        "content-length": str(size),
    }
    return Stream(_again(first, chunks), media_type=known.row.media_type, headers=headers)


class CommitmentAnswer(msgspec.Struct, frozen=True):
    """What opens the commitment: `attachment` is HMAC-SHA256(nonce, SHA-256 of the content)."""

    attachment: str
    sha256: str
    nonce: str


@get(
    "/attachments/{attachment:str}/commitment",
    permission=Permission.SEE_ATTACHMENTS,
    summary="What opens an entry's commitment to a file",
    judged=False,
    sync_to_thread=True,
)
def open_commitment(
    visit: NamedDependency[Visit], attachment: FromPath[str]
) -> Response[CommitmentAnswer]:
    """For whoever may fetch the file: its hash and the nonce, to compute the entry's name."""
    known = visit.opened.uploads.known(attachment)
    _visible(visit, known)
    visit.opened.uploads.require_here(known.row)
    found = visit.opened.attachments.opening(AttachmentId(attachment), known.row.owner)
    answer = CommitmentAnswer(attachment, found.sha256, found.nonce)
    return Response(answer, headers={"cache-control": "no-store"})


def _again(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from chunks


def _visible(visit: Visit, known: Known) -> tuple[Naming, ...]:
    """The facts that name the file and that the caller sees; refused if there is no reason to see.

    What lies outside of the caller's reach is answered as if it did not exist.
    """
    with visit.scope() as scope:
        visible = tuple(one for one in known.namings if scope.sees_attachment([one.tags]))
    if not visible and known.row.uploader != uploader_of(visit.caller.actor()):
        raise NotFound(f"there is no attachment {known.row.attachment!r} in this ledger")
    return visible


def _disposition(visit: Visit, attachment: str, visible: tuple[Naming, ...]) -> str:
    """A download under the name that its reporter gave it, for those who may see names."""
    name = f"attachment-{attachment[:8]}"
    sealed = next((one.name for one in visible if one.name is not None), None)
    if sealed is not None and visit.sees_names:
        (words,) = visit.opened.sealed.reveal([(sealed.person, sealed.commitment)])
        name = _UNSAFE.sub("_", words) if isinstance(words, str) else name
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"


router: Final = Router(
    "/",
    route_handlers=[send, show_arrived, send_rest, fetch, open_commitment],
    tags=["attachments"],
)
