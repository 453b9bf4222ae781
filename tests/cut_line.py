"""A line to PostgreSQL that can be cut between a commit and its answer."""

import socket
import threading
from contextlib import suppress

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class CutLine:
    """A proxy to PostgreSQL that can swallow the answer to an append, or refuse to connect."""

    def __init__(self, url: str) -> None:
        self._target = conninfo_to_dict(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.swallow_next = False
        self.refuse = False
        self.cut_at_once = False
        host, port = self._listener.getsockname()
        self.url = make_conninfo(url, host=host, port=port, sslmode="disable")
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.refuse:
                    client.close()
                    continue
                server = self._connect()
                line = {"swallow": False}
                for source, sink, upwards in ((client, server, True), (server, client, False)):
                    threading.Thread(
                        target=self._pump, args=(source, sink, line, upwards), daemon=True
                    ).start()

    def _connect(self) -> socket.socket:
        host, port = str(self._target["host"]), self._target.get("port") or 5432
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{host}/.s.PGSQL.{port}")
            return server
        return socket.create_connection((host, int(port)))

    def _pump(
        self, source: socket.socket, sink: socket.socket, line: dict[str, bool], upwards: bool
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if upwards and self.swallow_next and b"\0append\0" in data:
                    self.swallow_next = False
                    line["swallow"] = True
                    sink.sendall(data)
                    if self.cut_at_once:
                        break
                    continue
                if not upwards and line["swallow"]:
                    break
                sink.sendall(data)
        for end in (source, sink):
            # To a client both directions end; the server process sees it only when it reads.
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
