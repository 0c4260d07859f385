"""What other commands need to know of the `./dev up` that runs, and the lock that lets only one run."""

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

import psutil

from localstack.deployment.aws_target import Target
from localstack.errors import UserError
from localstack.local_stack.files import write_secret
from localstack.local_stack.processes import wait_until
from localstack.paths import RUNNING, UP_LOCK

# A stop takes less than ten at most: the limits in supervisor.py, postgres.py, reaper.py and terminal_output.py.
_STOP_SECONDS = 20.0
_GONE_SECONDS = 15.0
_ASKING_SECONDS = 0.5


@dataclass(frozen=True)
class Running:
    """A running stack: its addresses, the emulator's keys and the process to signal."""

    pid: int
    url: str
    emulator_url: str
    database_url: str = field(repr=False)
    stack_name: str
    access_key: str = field(repr=False)
    door_secret: str = field(repr=False)
    auth: str = "open"  # AuthMode

    def target(self, name: str = "the emulator") -> Target:
        """The emulator, as its root."""
        return Target(name, endpoint_url=self.emulator_url, access_key=self.access_key)


def _try_lock(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def hold_up_lock(lock_path: Path = UP_LOCK) -> Iterator[None]:
    """Holds the lock of this clone; raises UserError where another `./dev up` holds it.

    The kernel gives it back when the process ends, however it ends.
    """
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with lock_path.open("a+") as lock:
        # Tried for a moment: a command that only asks who holds the lock holds it itself for an instant.
        if not wait_until(lambda: _try_lock(lock), _ASKING_SECONDS):
            lock.seek(0)
            raise UserError(
                f"./dev up already runs in this clone (process {lock.read().strip() or 'unknown'}): "
                "use it, or end it with ./dev down."
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def lock_holder(lock_path: Path = UP_LOCK) -> int | None:
    """The process that runs `./dev up` in this clone, None where none does; 0 where it can't be told which."""
    try:
        with lock_path.open("r+") as lock:
            if _try_lock(lock):
                return None
            written = lock.read().strip()
    except FileNotFoundError:
        return None
    return int(written) if written.isdecimal() else 0


def write(running: Running, path: Path = RUNNING) -> None:
    """Writes it down, readable by this user only: the database's password and the emulator's keys are in it."""
    write_secret(path, json.dumps(asdict(running)))


def remove(path: Path = RUNNING) -> None:
    """Removes what `write` wrote."""
    path.unlink(missing_ok=True)


def find(lock_path: Path = UP_LOCK, path: Path = RUNNING) -> Running:
    """The running stack of this clone; raises UserError where none is up."""
    pid = lock_holder(lock_path)
    if pid is None:
        raise UserError("Nothing runs in this clone: start it with ./dev up (in another terminal).")
    starting = UserError("./dev up is still starting: try again in a few seconds.")
    try:
        running = Running(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError) as error:  # also half of one, after a power cut
        raise starting from error
    if running.pid != pid:
        raise starting  # an earlier one was killed and left its addresses
    return running


def _own_process(pid: int) -> psutil.Process:
    """The process, unless it is another one: the number may be of a container that shares this folder."""
    process = psutil.Process(pid)
    if not any("localstack" in part for part in process.cmdline()):
        raise psutil.NoSuchProcess(pid)
    return process


def stop(lock_path: Path = UP_LOCK) -> bool:
    """Ends the running `./dev up` with all that it started and waits for it; False where none runs.

    One that does not end by itself is killed: its reaper ends the rest, and Postgres keeps what was committed.
    """
    pid = lock_holder(lock_path)
    if pid is None:
        return False
    try:
        process = _own_process(pid)
        started = [process, *process.children(recursive=True)]
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)  # Ctrl-Z may have stopped it
        if not wait_until(lambda: lock_holder(lock_path) is None, _STOP_SECONDS, 0.1):
            process.kill()
    except psutil.NoSuchProcess as error:
        if wait_until(lambda: lock_holder(lock_path) is None, _ASKING_SECONDS):
            return False
        raise UserError(
            "./dev up runs in this clone, but not as a process that can be seen from here (in a container?): "
            "end it there."
        ) from error
    except psutil.AccessDenied as error:
        raise UserError(f"./dev up runs as another user (process {pid}): end it as that user.") from error
    # It gives its lock back a moment before it is gone.
    if not wait_until(lambda: not any(map(_is_alive, started)), _GONE_SECONDS, 0.05):
        left = ", ".join(str(each.pid) for each in started if _is_alive(each))
        raise UserError(f"Something of ./dev up still runs: kill -9 {left.replace(',', '')} ends it.")
    return True


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
