"""Around every request: its id, its instant of receipt, security headers, HEAD, and a last catch.

This stands outside the framework, so that a 404, a refused method and a failure inside the
framework itself are framed as well. The instant of receipt is taken here, before anything is read
or awaited, because lateness is judged by it.
Read next: `observability.py` (what is counted and logged), `problems.py`.
"""

import hashlib
import time
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import msgspec
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from api.observability import Observer
from api.problems import PROBLEM_MEDIA_TYPE, problem_of

SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
    "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}
"""On every answer; a page replaces the policy with one that allows its own nonce."""

HTTPS_ONLY: Final = "max-age=63072000; includeSubDomains"
ETAG_BYTES_MAX: Final = 4 * 1024 * 1024


class Frame:
    """The outermost application."""

    def __init__(self, app: ASGIApp, observer: Observer) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        # A copy: the server goes on seeing HEAD, and so counts no bytes of a body.
        scope = {**scope}
        scope["request_id"] = str(uuid4())  # type: ignore[typeddict-unknown-key]
        scope["received_at"] = datetime.now(UTC)  # type: ignore[typeddict-unknown-key]
        answer = _Answer(scope, send)
        method = scope["method"]
        if answer.is_head:
            scope["method"] = "GET"
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001  (the last catch: nothing may escape unframed)
            await answer.fail(error)
        finally:
            duration = time.perf_counter() - began
            self._observer.observe(scope, method, answer.status, duration)


class _Answer:
    """One answer on its way out."""

    def __init__(self, scope: HTTPScope, send: Send) -> None:
        self.status = 500
        self.is_head = scope["method"] == "HEAD"
        self._scope = scope
        self._send = send
        self._start: dict[str, Any] | None = None
        self._sent = False
        self._ended = False

    async def send(self, message: Message) -> None:
        """Pass on; the start waits for the first part of the body, so that an ETag can cover it."""
        if message["type"] == "http.response.start":
            self._start = dict(message)
            return
        if message["type"] == "http.response.body" and self._start is not None:
            start, self._start = self._start, None
            message = self._headed(start, dict(message))
            self.status = start["status"]
            self._sent = True
            await self._send(start)  # type: ignore[arg-type]
        if self.is_head and message["type"] == "http.response.body":
            if self._ended:
                # An answer that comes in parts has no further part for HEAD.
                return
            self._ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        """Answer what escaped; when an answer has begun, only breaking it off is honest."""
        if self._sent:
            raise error
        problem = msgspec.structs.replace(
            problem_of(error),
            instance=f"urn:uuid:{self._scope['request_id']}",  # type: ignore[typeddict-item]
        )
        body = msgspec.json.encode(problem)
        headers = [
            (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        self._start = None
        await self.send(
            {"type": "http.response.start", "status": problem.status, "headers": headers}
        )
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    def _headed(self, start: dict[str, Any], message: dict[str, Any]) -> Any:  # noqa: ANN401
        start["headers"] = list(start.get("headers", []))
        headers = MutableScopeHeaders(start)  # type: ignore[arg-type]
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        if "GET" in (allowed := headers.get("allow", "").split(", ")):
            headers["allow"] = ", ".join(sorted({*allowed, "HEAD"}))
        headers["x-request-id"] = str(self._scope["request_id"])  # type: ignore[typeddict-item]
        if self._scope["scheme"] == "https":
            headers["strict-transport-security"] = HTTPS_ONLY
        if self._scope["method"] == "GET" and start["status"] == 200:  # noqa: PLR2004
            return self._conditional(start, headers, message)
        return message

    def _conditional(
        self, start: dict[str, Any], headers: MutableScopeHeaders, message: dict[str, Any]
    ) -> dict[str, Any]:
        """An ETag over a whole body; 304 when the caller has the same one.

        An answer's own hash says more than its bytes: what differs in the instant that it was
        asked at, and in nothing else, has not changed. The headers of a 304 say the new instant.
        """
        body = message.get("body", b"")
        if message.get("more_body") or len(body) > ETAG_BYTES_MAX:
            return message
        if "no-store" in headers.get("cache-control", ""):
            return message
        content = headers.get("ledger-hash") or hashlib.sha256(body).hexdigest()
        tag = f'W/"{content[:32]}"'
        headers["etag"] = tag
        asked = dict(self._scope["headers"]).get(b"if-none-match", b"").decode("latin-1")
        if tag not in [one.strip() for one in asked.split(",")]:
            return message
        start["status"] = 304
        for name in ("content-length", "content-type"):
            if name in headers:
                del headers[name]
        return {"type": "http.response.body", "body": b"", "more_body": False}
