"""A log behind an address, as any C2SP tlog-tiles client would fetch it.

The server is what is being checked, so it is given nothing to play with: one GET a file, limits on
size and time, no redirect followed, and the auditor's key sent for entry bundles alone.
"""

import http.client
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import ClassVar, Final
from urllib.parse import urlsplit

from ledger.errors import Invalid, LedgerError, TileError
from ledger.sealing.note import NOTE_BYTES_MAX, VerifierKey
from ledger.sealing.proof import PROOF_BYTES_MAX
from ledger.sealing.succession import successor_path
from ledger.sealing.tiles import TILE_WIDTH, TileId
from ledger.verifying.sources import FileMissing, bytes_max

TIMEOUT_SECONDS: Final = 20.0
TRIES: Final = 2
"""A connection that the server has closed meanwhile is opened anew."""

GZIP: Final = 16 + zlib.MAX_WBITS


class EntriesRefused(LedgerError):
    """The server gives no entry bundles to everybody; give an auditor's key with --key-file."""

    code = "entries-refused"


class LogUnreachable(LedgerError):
    """The log's server does not answer as it should; try again, or correct the address."""

    code = "log-unreachable"


class ServedLog:
    """A log at `http(s)://host/prefix`; any thread may read. Close it afterwards."""

    in_threads: ClassVar[bool] = True

    def __init__(self, url: str, key: str | None = None) -> None:
        self.name = url.rstrip("/")
        parts = urlsplit(self.name)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise Invalid.field("source", "an address is http://host/log/<ledger>")
        self._secure = parts.scheme == "https"
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path
        self._key = key
        self._lock = threading.Lock()
        self._free: list[http.client.HTTPConnection] = []

    def checkpoint(self) -> bytes:
        """The newest checkpoint."""
        return self._get("checkpoint", NOTE_BYTES_MAX)

    def read(self, tile: TileId) -> tuple[bytes, bool]:
        """A partial tile may have been deleted once the full one is there."""
        if tile.width < TILE_WIDTH:
            with suppress(FileMissing):
                return self._get(tile.path(), bytes_max(tile)), False
            return self._get(TileId(tile.level, tile.index).path(), bytes_max(tile)), True
        return self._get(tile.path(), bytes_max(tile)), False

    def successor(self, older: VerifierKey) -> bytes | None:
        """Open to everybody, as the checkpoint is."""
        with suppress(FileMissing):
            return self._get(successor_path(older), PROOF_BYTES_MAX)
        return None

    def paths(self) -> Iterator[str]:
        """A server does not list its files."""
        return iter(())

    def close(self) -> None:
        """Let go of every connection."""
        with self._lock:
            for connection in self._free:
                connection.close()
            self._free.clear()

    def _get(self, path: str, limit: int) -> bytes:
        headers = {"accept-encoding": "identity", "user-agent": "ledger-verify"}
        if self._key and path.startswith("tile/entries/"):
            headers["authorization"] = f"Bearer {self._key}"
        for left in reversed(range(TRIES)):
            connection = self._connection()
            try:
                connection.request("GET", f"{self._prefix}/{path}", headers=headers)
                answer = connection.getresponse()
                content = _content(answer, path, limit)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if isinstance(error, (ConnectionError, http.client.RemoteDisconnected)) and left:
                    continue
                why = str(error) or type(error).__name__
                raise LogUnreachable(f"{self.name}/{path}: {why}; try again later") from error
            except BaseException:
                connection.close()
                raise
            with self._lock:
                self._free.append(connection)
            return content
        raise AssertionError("the last try answers or raises")

    def _connection(self) -> http.client.HTTPConnection:
        with self._lock:
            if self._free:
                return self._free.pop()
        make = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return make(self._host, self._port, timeout=TIMEOUT_SECONDS)


def _content(answer: http.client.HTTPResponse, path: str, limit: int) -> bytes:
    """The body, when the server gives one; never more than the limit, packed or unpacked."""
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise EntriesRefused(
            f"the server refuses {path} ({answer.status}): give an auditor's key with --key-file, "
            "or check the hashes alone with --tiles-only"
        )
    if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise FileMissing(f"{path} is missing; the server answers {answer.status}")
    if answer.status != HTTPStatus.OK:
        raise LogUnreachable(
            f"the server answers {answer.status} for {path}; correct the address, or try later"
        )
    content = answer.read(limit + 1)
    if answer.headers.get("content-encoding", "identity") == "gzip":
        unpacking = zlib.decompressobj(GZIP)
        try:
            content = unpacking.decompress(content, limit + 1)
        except zlib.error as error:
            raise TileError(f"{path} is not what its encoding says") from error
    if len(content) > limit:
        raise TileError(f"{path} has more than the {limit:,} bytes that it may have")
    return content
