"""Ends the processes of a runtime whose own process died without doing so (SIGKILL, a crash).

Run as a script with nothing but the standard library. It reads one command a line from standard input:
`watch PID SIGNAL GRACE_SECONDS` (a process group), `forget PID` and `remove PATH` (its bytes, in hexadecimal
digits, so that no line break in it makes another path of it). When the input ends, it
signals each group still watched, kills what outlives its grace period and removes the paths. A pipe works on
every Unix and covers the whole group; PR_SET_PDEATHSIG would cover neither the emulator's own children
nor macOS.
"""

import contextlib
import os
import shutil
import signal
import sys
import time

_POLL_SECONDS = 0.05
_REMOVING_SECONDS = 1.0


def _is_zombie(pid: int) -> bool:
    """Whether it has ended and was not collected, as some containers' first process never does."""
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123  # no pathlib: this process is to stay tiny
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _alive(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def end(watched: dict[int, tuple[int, float]]) -> None:
    """Signals every group, then kills those that outlive their grace period."""
    started = time.monotonic()
    for pid, (number, _) in watched.items():
        _signal(pid, number)
    left = dict(watched)
    while left:
        for pid, (_, grace) in list(left.items()):
            if not _alive(pid):
                del left[pid]
            elif time.monotonic() - started > grace:
                _signal(pid, signal.SIGKILL)
                del left[pid]
        time.sleep(_POLL_SECONDS)


def remove(paths: list[bytes]) -> None:
    """Removes them, and leaves what takes longer to a process that nobody waits for: on a busy disk thousands of files
    take more time than all else that ends.
    """
    remover = os.fork()
    if remover == 0:
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)
        os._exit(0)
    deadline = time.monotonic() + _REMOVING_SECONDS
    while os.waitpid(remover, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def main() -> None:
    """Reads commands until the runtime's end of the pipe is closed, by it or by its death."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: dict[int, tuple[int, float]] = {}
    paths: list[bytes] = []
    for line in sys.stdin:
        command, _, rest = line.rstrip("\n").partition(" ")
        if command == "watch":
            pid, wanted, grace = rest.split()
            watched[int(pid)] = (int(wanted), float(grace))
        elif command == "forget":
            watched.pop(int(rest), None)
        elif command == "remove":
            paths.append(bytes.fromhex(rest))
    end(watched)
    remove(paths)


if __name__ == "__main__":
    main()
