"""Child processes that never outlive the runtime which started them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

_REAPER_SCRIPT = Path(__file__).with_name("reaper.py")
_REAPER_EXIT_SECONDS = 15.0


class Reaper:
    """Keeps a tiny helper process that ends the watched process groups when this process dies.

    A context manager; leaving it ends what is still watched.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own command line
            [sys.executable, "-I", "-S", _REAPER_SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101  # narrows the type: the pipe was asked for above
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def watch(self, pid: int, number: signal.Signals, grace_seconds: float) -> None:
        """From now on the group `pid` gets `number`, then SIGKILL, should this process die."""
        self._tell(f"watch {pid} {int(number)} {grace_seconds}")

    def forget(self, pid: int) -> None:
        """The group has ended: its number may belong to somebody else soon."""
        # A closed reaper has ended it already.
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._tell(f"forget {pid}")

    def remove_at_end(self, path: Path) -> None:
        """Removes a folder once everything has ended."""
        self._tell(f"remove {os.fsencode(path).hex()}")

    def close(self) -> None:
        """Ends what is still watched and the helper itself."""
        assert self._process.stdin is not None  # noqa: S101  # narrows the type
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_REAPER_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_REAPER_EXIT_SECONDS)


@dataclass(frozen=True)
class StopSequence:
    """How a process is asked to end: each signal in turn, with the seconds it has to follow it."""

    steps: tuple[tuple[signal.Signals, float], ...]


@dataclass(frozen=True)
class Child:
    """A running process, the leader of its own process group."""

    name: str
    process: subprocess.Popen[bytes]
    reaper: Reaper
    stop_sequence: StopSequence

    @property
    def exited(self) -> int | None:
        """Its exit status, None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """Ends the whole group within the limits of its stop sequence; does nothing where it has ended."""
        for number, seconds in self.stop_sequence.steps:
            if self.process.poll() is not None:
                break
            self._signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        # The leader is gone; what it started and left in the group must go too.
        self._signal(signal.SIGKILL)
        self.process.wait(_REAPER_EXIT_SECONDS)
        self.reaper.forget(self.process.pid)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    reaper: Reaper,
    stop_sequence: StopSequence,
    log: Path,
    environment: Mapping[str, str],
    directory: Path,
    standard_input: IO[bytes] | None = None,
) -> Child:
    """Starts a process in its own group, its output appended to `log`, under the reaper's watch."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # our own command line
            [str(part) for part in command],
            stdin=standard_input or subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=dict(environment),
            start_new_session=True,
        )
    number, seconds = stop_sequence.steps[0]
    try:
        reaper.watch(process.pid, number, seconds)
    except (OSError, ValueError):
        # The runtime is being ended: what can't be watched must not start.
        process.kill()
        process.wait()
        raise
    return Child(name, process, reaper, stop_sequence)


def wait_until(holds: Callable[[], bool], seconds: float, interval: float = 0.05) -> bool:
    """Whether the condition came true within the limit."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error's sentence."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(it logged nothing)"
