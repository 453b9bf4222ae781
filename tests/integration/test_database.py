"""Connections come by role, proxies that share sessions are refused, and the log defends itself.

What each role may do is asked of PostgreSQL itself, by trying; refusals are told by SQLSTATE.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

from ledger import database as database_module
from ledger.database import Database, Role, connect_as_login, create_database, open_database
from ledger.errors import DatabaseUnreachable, WrongPostgres
from ledger.settings import Settings

LOG_TABLES = ("ledger", "head", "event", "event_tag", "event_key")
CHANGES = {
    "UPDATE": sql.SQL("UPDATE ledger.{} SET ledger_id = ledger_id"),
    "DELETE": sql.SQL("DELETE FROM ledger.{}"),
    "TRUNCATE": sql.SQL("TRUNCATE ledger.{}"),
}


def change(connection: psycopg.Connection, kind: str, table: str) -> None:
    """Try to change what is recorded."""
    connection.execute(CHANGES[kind].format(sql.Identifier(table)))


# Connections


@pytest.mark.parametrize("role", Role)
def test_a_connection_has_its_role(database: Database, role: Role) -> None:
    """Dedicated and pooled sessions act as the role, commit by themselves and speak UTC."""
    question = "SELECT current_user, current_setting('TimeZone')"
    with database.connect(role) as dedicated, database.pooled(role) as pooled:
        for connection in (dedicated, pooled):
            assert connection.execute(question).fetchone() == (role, "UTC")
            assert connection.autocommit


def test_the_role_survives_a_reset(database: Database) -> None:
    """RESET ALL brings a session back to its role, not to the powerful login."""
    with database.connect(Role.READER) as connection:
        connection.execute("RESET ALL")

        assert connection.execute("SELECT current_user").fetchone() == (Role.READER,)


def test_a_pooled_connection_is_given_back(database: Database) -> None:
    """One pool serves more callers, one after the other, than it has connections."""
    backends = set()
    for _ in range(database_module.POOL_SIZE_MAX + 4):
        with database.pooled(Role.READER) as connection:
            backends.add(connection.info.backend_pid)

    assert len(backends) <= database_module.POOL_SIZE_MAX


def test_the_pool_outlives_a_restart(database: Database) -> None:
    """Connections that died while they lay in the pool are replaced, not handed out."""
    with database.pooled(Role.READER) as connection:
        backend = connection.info.backend_pid
    with connect_as_login(database.url) as login:
        login.execute("SELECT pg_terminate_backend(%s)", (backend,))

    with database.pooled(Role.READER) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_exhausted_pool_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits too long for a connection gets one clear error."""
    monkeypatch.setattr(database_module, "POOL_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(database_module, "POOL_SIZE_MAX", 1)
    with (
        database.pooled(Role.READER),
        pytest.raises(DatabaseUnreachable, match="no connection became free"),
        database.pooled(Role.READER),
    ):
        pass


def test_says_when_nobody_answers() -> None:
    """A server that is not there gives one line that names the setting."""
    with pytest.raises(DatabaseUnreachable, match=r"does not answer: .*LEDGER_DATABASE_URL"):
        Database("postgresql://127.0.0.1:1/ledger").connect(Role.READER)


def test_refuses_an_old_server(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PostgreSQL outside the supported versions is refused at the door, by number."""
    monkeypatch.setattr(database_module, "VERSION_MIN", 99)
    monkeypatch.setattr(database_module, "VERSION_MAX", 99)

    with pytest.raises(WrongPostgres, match="versions 99 to 99 are supported"):
        open_database(Settings(database_url=server_url))


def test_without_a_url_the_embedded_one_is_opened(tmp_path: Path) -> None:
    """With default settings a database is there, in LEDGER_HOME, and is there again later."""
    settings = Settings(home=str(tmp_path / "home"))
    for _ in range(2):
        database = open_database(settings)
        with connect_as_login(database.url) as connection:
            assert connection.info.dbname == "ledger"
        database.close()


def test_creating_a_database_twice_is_harmless(server_url: str, empty_url: str) -> None:
    """A database that is there is left as it is."""
    with connect_as_login(empty_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    create_database(server_url, str(conninfo_to_dict(empty_url)["dbname"]))

    with connect_as_login(empty_url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


# Proxies


@contextmanager
def pgbouncer(url: str, mode: str) -> Iterator[str]:
    """The address of a pooling proxy before the server."""
    target = conninfo_to_dict(url)
    host = str(target.get("host") or "127.0.0.1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # It refuses to run as root, and only its owner may enter the folder of the server's socket.
    owner = Path(host).stat().st_uid if host.startswith("/") else pwd.getpwnam("nobody").pw_uid
    group = pwd.getpwuid(owner).pw_gid
    steps_down = os.geteuid() == 0
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as configuration:
        configuration.write(
            f"[databases]\nproxied = host={host} port={target.get('port') or 5432} "
            f"dbname={target['dbname']} user={target['user']}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = {mode}\nignore_startup_parameters = options\n"
        )
        configuration.flush()
        Path(configuration.name).chmod(0o644)
        with subprocess.Popen(
            [str(shutil.which("pgbouncer")), configuration.name],
            stderr=subprocess.DEVNULL,
            user=owner if steps_down else None,
            group=group if steps_down else None,
            extra_groups=[] if steps_down else None,
        ) as process:
            try:
                yield _when_it_answers(f"postgresql://{target['user']}@127.0.0.1:{port}/proxied")
            finally:
                process.kill()


def _when_it_answers(address: str) -> str:
    for _ in range(200):
        try:
            psycopg.connect(address, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            break
    return address


@pytest.mark.skipif(not shutil.which("pgbouncer"), reason="pgbouncer is not installed")
def test_refuses_a_transaction_pooling_proxy(database: Database) -> None:
    """A proxy that shares sessions between clients is recognised."""
    with (
        pgbouncer(database.url, "transaction") as address,
        pytest.raises(WrongPostgres, match="transaction pooling"),
    ):
        Database(address).connect(Role.WRITER)


@pytest.mark.skipif(not shutil.which("pgbouncer"), reason="pgbouncer is not installed")
def test_refuses_a_proxy_that_drops_the_role(database: Database) -> None:
    """A proxy that pools by session but drops the startup options is told apart, and refused."""
    with (
        pgbouncer(database.url, "session") as address,
        pytest.raises(WrongPostgres, match="did not become ledger_writer"),
    ):
        Database(address).connect(Role.WRITER)


# The log defends itself


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("table", LOG_TABLES)
def test_no_role_may_change_the_log(database: Database, table: str, kind: str) -> None:
    """UPDATE, DELETE and TRUNCATE are refused to writer, projector and reader by privilege."""
    for role in (Role.WRITER, Role.PROJECTOR, Role.READER):
        with (
            database.connect(role) as connection,
            pytest.raises(errors.InsufficientPrivilege) as refusal,
        ):
            change(connection, kind, table)

        assert refusal.value.sqlstate == "42501"


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("table", LOG_TABLES)
@pytest.mark.parametrize("replication", ["origin", "replica"])
def test_not_even_its_owner_may_change_the_log(
    database: Database, table: str, kind: str, replication: str
) -> None:
    """Triggers refuse the owner and the superuser, who pass every privilege, replicas included."""
    if (table, kind) == ("head", "UPDATE"):
        pytest.skip("the head moves with every append; only append_v1 may move it")
    with connect_as_login(database.url) as connection:
        connection.execute(
            "SELECT set_config('session_replication_role', %s, false)", (replication,)
        )
        if replication == "origin":
            connection.execute("SET ROLE ledger_owner")
        with pytest.raises(errors.ObjectNotInPrerequisiteState) as refusal:
            change(connection, kind, table)

    assert refusal.value.sqlstate == "55000"


@pytest.mark.parametrize("table", LOG_TABLES)
@pytest.mark.parametrize("role", [Role.WRITER, Role.PROJECTOR, Role.READER])
def test_nobody_inserts_into_the_log(database: Database, table: str, role: Role) -> None:
    """Only the append function adds to the log: inserting is refused by privilege."""
    insert = sql.SQL("INSERT INTO ledger.{} DEFAULT VALUES").format(sql.Identifier(table))
    with database.connect(role) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(insert)


@pytest.mark.parametrize("role", [Role.WRITER, Role.PROJECTOR, Role.READER])
def test_nobody_moves_a_trigger_out_of_the_way(database: Database, role: Role) -> None:
    """Disabling a trigger, and replaying as a replica to pass by it, are refused by privilege."""
    with database.connect(role) as connection:
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("ALTER TABLE ledger.event DISABLE TRIGGER ALL")
        # A login that is no superuser cannot do this at all; here the role hides a superuser.
        connection.execute("SET SESSION AUTHORIZATION ledger_reader")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("SET session_replication_role = replica")


EXECUTABLE = """
SELECT proname FROM pg_proc
WHERE pronamespace = 'ledger'::regnamespace AND has_function_privilege(%s, oid, 'EXECUTE')
"""


def functions_for(database: Database, role: str) -> set[str]:
    """The functions of the log that a role may execute."""
    with connect_as_login(database.url) as connection:
        return {name for (name,) in connection.execute(EXECUTABLE, (role,))}


def test_only_the_writer_may_append(database: Database) -> None:
    """The append function is the writer's alone."""
    assert "append_v1" in functions_for(database, Role.WRITER)
    assert "append_v1" not in functions_for(database, Role.PROJECTOR)
    assert "append_v1" not in functions_for(database, Role.READER)


def test_a_function_is_for_nobody_unless_granted(database: Database) -> None:
    """What the owner or the projector makes later cannot be called by everybody."""
    for maker, schema in ((Role.OWNER, "ledger"), (Role.PROJECTOR, "views")):
        with database.connect(maker) as connection:
            connection.execute(
                sql.SQL(
                    "CREATE FUNCTION {}.later_v1() RETURNS int LANGUAGE sql AS 'SELECT 1'"
                ).format(sql.Identifier(schema))
            )
        with (
            database.connect(Role.READER) as connection,
            pytest.raises(errors.InsufficientPrivilege),
        ):
            connection.execute(sql.SQL("SELECT {}.later_v1()").format(sql.Identifier(schema)))


def test_functions_with_the_owners_rights_have_a_fixed_search_path(database: Database) -> None:
    """A SECURITY DEFINER function cannot be led to somebody else's tables."""
    with connect_as_login(database.url) as connection:
        loose = connection.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace AND prosecdef"
            " AND NOT coalesce(proconfig::text ~ 'search_path=', false)"
        ).fetchall()

    assert loose == []


@pytest.mark.parametrize("schema", ["ledger", "views", "bi_v1", "public"])
def test_who_may_make_tables(database: Database, schema: str) -> None:
    """Only the owner makes tables in the log, only the projector in the views, nobody elsewhere."""
    allowed = {"ledger": {Role.OWNER}, "views": {Role.PROJECTOR}, "bi_v1": {Role.PROJECTOR}}
    makers = set()
    for role in Role:
        with database.connect(role) as connection, suppress(errors.InsufficientPrivilege):
            connection.execute(
                sql.SQL("CREATE TABLE {}.made (id int)").format(sql.Identifier(schema))
            )
            makers.add(role)

    assert makers == allowed.get(schema, set())


def test_the_reader_reads_views_and_changes_none(database: Database) -> None:
    """A view that the projector makes can be read at once, and written by the projector alone."""
    with database.connect(Role.PROJECTOR) as connection:
        connection.execute("CREATE TABLE views.shown AS SELECT 1 AS ledger_id")
    with database.connect(Role.READER) as connection:
        assert connection.execute("SELECT ledger_id FROM views.shown").fetchone() == (1,)
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("DELETE FROM views.shown")


def test_nobody_logs_in_as_a_role(database: Database) -> None:
    """The roles are taken, never logged in as, and none of them passes on another's rights."""
    with connect_as_login(database.url) as connection:
        found = connection.execute(
            "SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls"
            " FROM pg_roles WHERE rolname = ANY(%s)",
            (list(Role),),
        ).fetchall()

    assert {row[0] for row in found} == set(Role)
    assert not any(any(row[1:]) for row in found)
