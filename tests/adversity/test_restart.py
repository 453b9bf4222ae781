"""Started again after kill -9: nothing disturbs the recovery, and nothing is asked too early."""

from ledger.database import connect_as_login
from ledger.embedded import EmbeddedServer
from tests.torturing import end_server, own_home, own_server

FILL = "CREATE TABLE filled AS SELECT n, repeat('x', 500) FROM generate_series(1, 60000) AS n"


def test_a_server_that_recovers_is_left_in_peace() -> None:
    """Nobody connects before it says that it is ready: every attempt would cost it a process."""
    with own_home() as home:
        with own_server(home) as database, connect_as_login(database.url) as connection:
            connection.execute(FILL)
            end_server(home)
            connection.close()
        logs = home / "postgres" / "log"
        for log in logs.iterdir():
            log.unlink()

        server = EmbeddedServer(home)
        server.start()
        with connect_as_login(server.url("ledger")) as connection:
            row = connection.execute("SELECT count(*) FROM filled").fetchone()
        server.close()

        said = "".join(log.read_text("utf-8") for log in logs.iterdir())
    assert row == (60_000,)
    assert "redo done" in said
    assert "FATAL" not in said
