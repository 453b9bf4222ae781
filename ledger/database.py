"""Where the ledger lives: connections to PostgreSQL, each in the role that its work needs.

The program logs in once, as a user who may take the five roles of migrations/0001_roles.sql, and
every connection takes one at its start: whoever writes the log cannot alter views, whoever
projects cannot write the log. Sessions matter (roles, LISTEN, leader locks, prepared statements),
so a proxy that shares them between clients is detected and refused.

Read next: `ledger/migrate.py`; for the log itself `ledger/recorder.py`.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from ledger.embedded import EmbeddedServer
from ledger.errors import DatabaseUnreachable, LedgerError, WrongPostgres
from ledger.patience import (
    SILENCE_SECONDS,
    THEIR_KEEPALIVES,
    Impatient,
    conninfo_with_keepalives,
)
from ledger.settings import Settings

EMBEDDED_DATABASE = "ledger"
VERSION_MIN, VERSION_MAX = 16, 18
# A pool a role: more connections than this gain nothing and crowd out other processes.
POOL_SIZE_MAX = 16
POOL_TIMEOUT_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 10
# Enough statements for a proxy that rotates its sessions to show itself.
PROXY_PROBES = 4


class Role(StrEnum):
    """What a connection may do; the rights are in migrations/."""

    OWNER = "ledger_owner"
    WRITER = "ledger_writer"
    PROJECTOR = "ledger_projector"
    SEALER = "ledger_sealer"
    READER = "ledger_reader"


class Database:
    """Where the ledger lives: connections by role.

    `silence_seconds` without an answer are the loss of a connection that may not wait for ever.
    """

    def __init__(
        self,
        url: str,
        closing: Callable[[], None] | None = None,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self.url = url
        self.silence_seconds = silence_seconds
        self._closing = closing
        self._pools: dict[Role, ConnectionPool[Impatient]] = {}
        self._pools_lock = threading.Lock()

    def connect(self, role: Role, *, impatient: bool = False) -> Impatient:
        """A session of one's own, autocommit, UTC; the caller closes it.

        An impatient one is lost when a statement is silent for too long; others work for hours.
        """
        connection = connect_as_login(self.url, options=_options(role))
        connection.silence_seconds = self.silence_seconds
        try:
            _refuse_shared_session(connection, self.url)
            _require_role(connection, role)
            connection.silence_seconds = self.silence_seconds if impatient else None
        except psycopg.OperationalError as error:
            connection.close()
            raise DatabaseUnreachable(
                f"PostgreSQL hung up: {' '.join(str(error).split())}; try again"
            ) from error
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def pooled(self, role: Role) -> Iterator[psycopg.Connection]:
        """A session from the role's pool, autocommit, UTC, for one short piece of work.

        It is an impatient one.
        """
        pool = self._pool(role)
        try:
            connection = pool.getconn()
        except PoolTimeout as error:
            raise DatabaseUnreachable(
                f"no connection became free within {POOL_TIMEOUT_SECONDS:.0f} seconds; "
                "start PostgreSQL, or ask less of it at a time"
            ) from error
        try:
            yield connection
        finally:
            pool.putconn(connection)

    def close(self) -> None:
        """Close the pools, and stop using the embedded server if this is one."""
        with self._pools_lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close()
        if self._closing:
            self._closing()

    def _pool(self, role: Role) -> ConnectionPool[Impatient]:
        with self._pools_lock:
            if role not in self._pools:
                self._pools[role] = ConnectionPool(
                    _conninfo(self.url, _options(role)),
                    connection_class=Impatient,
                    kwargs={"autocommit": True},
                    min_size=0,
                    max_size=POOL_SIZE_MAX,
                    timeout=POOL_TIMEOUT_SECONDS,
                    configure=lambda connection: self._configure(connection, role),
                    # A restarted server leaves dead connections behind; find out before use.
                    check=ConnectionPool.check_connection,
                    name=role.value,
                    open=True,
                )
            return self._pools[role]

    def _configure(self, connection: Impatient, role: Role) -> None:
        connection.silence_seconds = self.silence_seconds
        _require_role(connection, role)


def open_database(settings: Settings) -> Database:
    """The database of LEDGER_DATABASE_URL, or the embedded one, started or joined."""
    if settings.database_url:
        database = Database(
            settings.database_url, silence_seconds=settings.database_timeout_seconds
        )
    else:
        server = EmbeddedServer(Path(settings.home))
        server.start()
        create_database(server.url(), EMBEDDED_DATABASE)
        database = Database(
            server.url(EMBEDDED_DATABASE), server.close, settings.database_timeout_seconds
        )
    try:
        with connect_as_login(database.url) as connection:
            _require_version(connection)
    except BaseException:
        database.close()
        raise
    return database


def connect_as_login(url: str, *, options: str = "-c TimeZone=UTC") -> Impatient:
    """A session as the login user itself, autocommit; for migrations, tests and restores."""
    try:
        return Impatient.connect(_conninfo(url, options), autocommit=True)
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(
            f"PostgreSQL does not answer: {' '.join(str(error).split())}; start it, or correct "
            "LEDGER_DATABASE_URL"
        ) from error


CREATE_DATABASE = sql.SQL("CREATE DATABASE {}")


def create_database(url: str, name: str) -> None:
    """Make a database beside the one that `url` names, unless it is there."""
    with (
        connect_as_login(url) as connection,
        suppress(errors.DuplicateDatabase, errors.UniqueViolation),
    ):
        connection.execute(CREATE_DATABASE.format(sql.Identifier(name)))


def _conninfo(url: str, options: str) -> str:
    """The address, with options of the server beside those that it has."""
    given = conninfo_to_dict(url)
    return conninfo_with_keepalives(
        url,
        options=" ".join(filter(None, (str(given.get("options") or ""), options))),
        connect_timeout=str(given.get("connect_timeout") or CONNECT_TIMEOUT_SECONDS),
        application_name=str(given.get("application_name") or "ledger"),
    )


def _options(role: Role) -> str:
    return f"-c role={role} -c TimeZone=UTC {THEIR_KEEPALIVES}"


def _require_version(connection: psycopg.Connection) -> None:
    major = connection.info.server_version // 10_000
    if not VERSION_MIN <= major <= VERSION_MAX:
        raise WrongPostgres(
            f"the server is PostgreSQL {major}; versions {VERSION_MIN} to {VERSION_MAX} are "
            "supported: name another one in LEDGER_DATABASE_URL"
        )


def _require_role(connection: psycopg.Connection, role: Role) -> None:
    """A proxy may drop the options that set the role: then nothing of ours may run."""
    row = connection.execute("SELECT current_user").fetchone()
    if row is None or row[0] != role:
        raise WrongPostgres(
            f"the connection did not become {role}; let the proxy pass the startup parameter "
            "`options`, or connect to the server itself"
        )


BACKEND = "SELECT pg_backend_pid()"


def _refuse_shared_session(connection: psycopg.Connection, url: str) -> None:
    """Refuse a transaction-pooling proxy, by the one thing that it cannot hide.

    A server's greeting names its process; a proxy's does not. Behind a proxy, two sessions must
    have two server processes and keep them; where one process serves both, sessions are shared.
    """
    if _backend(connection) == connection.info.backend_pid:
        return
    with connect_as_login(url) as other:
        for _ in range(PROXY_PROBES):
            mine, theirs = _backend(connection), _backend(other)
            if mine == theirs or mine != _backend(connection):
                raise WrongPostgres(
                    "a proxy shares this connection between clients (transaction pooling); "
                    "let LEDGER_DATABASE_URL name the server itself, or pool by session"
                )


def _backend(connection: psycopg.Connection) -> int:
    row = connection.execute(BACKEND).fetchone()
    if row is None:
        raise LedgerError("PostgreSQL did not name its process; report this as a bug")
    return int(row[0])
