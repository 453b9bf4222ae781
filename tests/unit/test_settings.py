"""Settings are read once, checked, and wrong ones are named."""

from pathlib import Path

import msgspec
import pytest

from ledger.errors import BadSetting
from ledger.settings import Settings, load, table, variable


def test_defaults_need_nothing() -> None:
    """An empty environment gives the defaults: embedded database, local address."""
    assert load({}) == Settings(database_url="", host="127.0.0.1", port=8000, name="main")


def test_reads_its_variables_and_no_others() -> None:
    """LEDGER_* variables are converted to their types; the rest of the environment is ignored."""
    settings = load({"LEDGER_PORT": "9000", "LEDGER_NAME": "demo", "PORT": "1", "PATH": "/bin"})

    assert settings == Settings(port=9000, name="demo")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("1", True), ("true", True), ("Yes", True), ("ON", True), ("0", False), ("off", False)],
)
def test_yes_and_no(word: str, *, meant: bool) -> None:
    """A switch takes the words that people write for yes and no."""
    assert load({"LEDGER_LOG_PUBLIC": word}).log_public is meant


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"LEDGER_PORT": "eighty"}, "LEDGER_PORT: .*int"),
        ({"LEDGER_PORT": "0"}, "LEDGER_PORT: .*>= 1"),
        ({"LEDGER_PORT": "65536"}, "LEDGER_PORT: .*<= 65535"),
        ({"LEDGER_NAME": "Main Ledger"}, "LEDGER_NAME: "),
        ({"LEDGER_LOG_PUBLIC": "perhaps"}, "LEDGER_LOG_PUBLIC: .*bool"),
        ({"LEDGER_LOG_LEVEL": "loud"}, "LEDGER_LOG_LEVEL: "),
        ({"LEDGER_PROT": "8000"}, r"LEDGER_PROT is not a setting; did you mean LEDGER_PORT\?"),
        (
            {"LEDGER_COLOUR_SCHEME": "8000"},
            "LEDGER_COLOUR_SCHEME is not a setting; known are .*LEDGER_PORT",
        ),
        ({"LEDGER_PORT_FILE": "/nowhere/port"}, "LEDGER_PORT_FILE: /nowhere/port cannot be read"),
        ({"LEDGER_PORT_FILE": "/x", "LEDGER_PORT": "1"}, "both set; remove one"),
    ],
)
def test_a_bad_value_is_named(environ: dict[str, str], says: str) -> None:
    """The message names the variable and what it takes."""
    with pytest.raises(BadSetting, match=says):
        load(environ)


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """NAME_FILE names a file whose content, without its last line end, is the value of NAME."""
    secret = tmp_path / "url"
    secret.write_text("postgresql://ledger:secret@db/ledger\n")

    settings = load({"LEDGER_DATABASE_URL_FILE": str(secret)})

    assert settings.database_url == "postgresql://ledger:secret@db/ledger"


def test_the_environment_of_the_tests_is_no_mistake() -> None:
    """Variables that only tests read may stand beside the settings."""
    assert load({"LEDGER_TEST_DATABASE_URL": "postgresql:///x"}) == Settings()


def test_every_setting_is_in_the_table() -> None:
    """The table for the manual has one row a field, with its meaning."""
    rows = table().splitlines()[2:]

    assert [row.split("`")[1] for row in rows] == [
        variable(field.name) for field in msgspec.structs.fields(Settings)
    ]
    assert all(len(row.split("|")[3].strip()) > 10 for row in rows)
