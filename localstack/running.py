"""What other commands need to know of the `./dev up` that runs, and the lock that lets only one run."""

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import psutil

from localstack.errors import LocalStackError
from localstack.paths import RUNNING, UP_LOCK
from localstack.processes import wait_until

_STOP_SECONDS = 60.0
_GONE_SECONDS = 5.0
_ASKING_SECONDS = 0.5


@dataclass(frozen=True)
class Running:
    """A running stack: its addresses and the process to signal."""

    pid: int
    url: str
    emulator_url: str
    database_url: str
    stack_name: str


def _take(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def only_one(lock_path: Path = UP_LOCK) -> Iterator[None]:
    """Holds the lock of this clone; raises LocalStackError where another `./dev up` holds it.

    The kernel gives it back when the process ends, however it ends.
    """
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with lock_path.open("a+") as lock:
        # Tried for a moment: a command that only asks who holds the lock holds it itself for an instant.
        if not wait_until(lambda: _take(lock), _ASKING_SECONDS):
            lock.seek(0)
            raise LocalStackError(
                f"./dev up already runs in this clone (process {lock.read().strip() or 'unknown'}): "
                "use it, or end it with ./dev down."
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def holder(lock_path: Path = UP_LOCK) -> int | None:
    """The process that runs `./dev up` in this clone, None where none does."""
    try:
        with lock_path.open("r+") as lock:
            return None if _take(lock) else int(lock.read().strip() or 0) or None
    except FileNotFoundError:
        return None


def publish(running: Running, path: Path = RUNNING) -> None:
    """Writes down the addresses, readable by this user only: the database's password is among them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(running), file)


def withdraw(path: Path = RUNNING) -> None:
    """Removes what `publish` wrote."""
    path.unlink(missing_ok=True)


def find(lock_path: Path = UP_LOCK, path: Path = RUNNING) -> Running:
    """The running stack of this clone; raises LocalStackError where none is up."""
    if holder(lock_path) is None:
        raise LocalStackError("Nothing runs in this clone: start it with ./dev up (in another terminal).")
    try:
        return Running(**json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise LocalStackError("./dev up is still starting: try again in a few seconds.") from error


def stop(lock_path: Path = UP_LOCK) -> bool:
    """Ends the running `./dev up` and waits for it; False where none runs."""
    pid = holder(lock_path)
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise LocalStackError(f"./dev up runs as another user (process {pid}): end it as that user.") from error
    if not wait_until(lambda: holder(lock_path) is None, _STOP_SECONDS, 0.1):
        raise LocalStackError(
            f"./dev up (process {pid}) did not end within {_STOP_SECONDS:.0f} s: kill -9 {pid} ends it, "
            "and what it started ends with it."
        )
    # It gives its lock back a moment before it is gone.
    wait_until(lambda: not _lives(pid), _GONE_SECONDS, 0.05)
    return True


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
