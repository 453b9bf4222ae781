"""Settings: every LEDGER_* variable, read once at the edge, checked, and passed inwards.

One frozen struct, so that nothing deeper reads the environment, and so that the table in the
operating manual and the program cannot disagree (a test renders one from the other). A variable
that is misspelt is refused: a setting that silently does nothing is found too late.

Read next: `ledger/database.py`, which the first two settings lead to.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ledger.errors import BadSetting
from ledger.media_types import MEDIA_TYPES

PREFIX = "LEDGER_"
# Docker and systemd hand secrets over as files: LEDGER_DATABASE_URL_FILE names one.
FILE_SUFFIX = "_FILE"
# Read by the tests alone, so that they may stand in an environment that also runs the service.
TEST_VARIABLES = frozenset(
    {
        *("LEDGER_TEST_DATABASE_URL", "LEDGER_TEST_HOME"),
        *("LEDGER_TEST_CYCLES", "LEDGER_TEST_FULL", "LEDGER_CITUS_URL"),
    }
)

LogLevel = Literal["debug", "info", "warning", "error"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may choose; a field `port` is the variable LEDGER_PORT."""

    database_url: Annotated[
        str,
        Meta(description="PostgreSQL 16 to 18 to use; empty runs the embedded one in LEDGER_HOME"),
    ] = ""
    database_timeout_seconds: Annotated[
        int,
        Meta(
            ge=3,
            le=3_600,
            description="How long PostgreSQL may be silent before a connection counts as lost",
        ),
    ] = 30
    home: Annotated[
        str,
        Meta(min_length=1, description="Folder of the embedded PostgreSQL and of local keys"),
    ] = ".ledger"
    name: Annotated[
        str,
        Meta(pattern=r"^[a-z][a-z0-9-]{0,62}$", description="The ledger that `/` leads to"),
    ] = "main"
    host: Annotated[str, Meta(min_length=1, description="Address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535, description="Port to listen on")] = 8000
    log_level: Annotated[LogLevel, Meta(description="Least severe message that is logged")] = "info"
    secret: Annotated[
        str,
        Meta(description="Signs sessions and cursors; empty: made once in LEDGER_HOME"),
    ] = ""
    console_open: Annotated[
        bool,
        Meta(description="Whether pages and answers may be read without an API key"),
    ] = False
    log_public: Annotated[
        bool,
        Meta(description="Whether anyone may read entry bundles of the verifiable log"),
    ] = False
    log_origin: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9._:/-]{1,120}$",
            description="First part of the log's name, fixed with its first key; `/LEDGER_NAME` "
            "follows. A host and path of yours: `example.org/ledger`",
        ),
    ] = "localhost/ledger"
    log_dir: Annotated[
        str,
        Meta(
            description="Folder outside the database for signed checkpoints; empty: in LEDGER_HOME"
        ),
    ] = ""
    attachments_dir: Annotated[
        str, Meta(description="Folder of attachments, encrypted; empty: in LEDGER_HOME")
    ] = ""
    attachment_bytes_max: Annotated[
        int, Meta(ge=1, le=2**40, description="Largest attachment, in bytes")
    ] = 26_214_400
    attachment_types: Annotated[
        str,
        Meta(
            pattern=r"^[a-z]+/[a-z0-9.+-]+(,[a-z]+/[a-z0-9.+-]+)*$",
            description="Media types of attachments that are taken, with commas between them",
        ),
    ] = ",".join(MEDIA_TYPES)


def load(environ: Mapping[str, str]) -> Settings:
    """Settings from the LEDGER_* variables; BadSetting names what is wrong and what is expected."""
    fields = {variable(field): field for field in Settings.__struct_fields__}
    given: dict[str, object] = {}
    for name, value in _with_files_read(environ).items():
        if name not in fields:
            raise BadSetting(f"{name} is not a setting; {_suggestion(name, list(fields))}")
        given[fields[name]] = _as_boolean(value) if _is_boolean(fields[name]) else value
    try:
        return msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        raise BadSetting(f"{variable(place.rstrip('`'))}: {problem}; correct it") from error


def variable(field: str) -> str:
    """The environment variable that sets this field."""
    return PREFIX + field.upper()


def table() -> str:
    """The settings as the Markdown table that the operating manual shows."""
    rows = ["| Variable | Default | Meaning |", "| --- | --- | --- |"]
    for field in msgspec.structs.fields(Settings):
        kind = msgspec.inspect.type_info(field.type)
        schema = kind.extra_json_schema if isinstance(kind, msgspec.inspect.Metadata) else {}
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        meaning = (schema or {})["description"]
        shown = f"`{default}`" if default != "" else "(empty)"
        rows.append(f"| `{variable(field.name)}` | {shown} | {meaning} |")
    return "\n".join(rows) + "\n"


def _with_files_read(environ: Mapping[str, str]) -> dict[str, str]:
    """Our variables, each NAME_FILE replaced by NAME with the content of that file."""
    ours: dict[str, str] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name in TEST_VARIABLES:
            continue
        if not name.endswith(FILE_SUFFIX):
            ours[name] = value
            continue
        target = name.removesuffix(FILE_SUFFIX)
        if target in environ:
            raise BadSetting(f"{target} and {name} are both set; remove one")
        try:
            ours[target] = Path(value).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting(f"{name}: {value} cannot be read ({error}); correct it") from error
    return ours


def _is_boolean(field: str) -> bool:
    return isinstance(getattr(Settings(), field), bool)


def _as_boolean(value: str) -> object:
    """The words people write for yes and no; anything else is left for the struct to refuse."""
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    return words.get(value.strip().lower(), value)


def _suggestion(name: str, known: list[str]) -> str:
    """The setting that was probably meant, or all there are; the prefix counts for nothing."""
    fields = {variable_name.removeprefix(PREFIX): variable_name for variable_name in known}
    near = difflib.get_close_matches(name.removeprefix(PREFIX), fields, n=1)
    return f"did you mean {fields[near[0]]}?" if near else f"known are {', '.join(sorted(known))}"
