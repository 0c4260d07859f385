"""Only one `./dev up`, and what others learn of it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from localstack.errors import UserError
from localstack.local_stack import state_file
from localstack.local_stack.state_file import Running
from localstack.paths import ROOT

RUNNING = Running(
    1, "http://localhost:3000", "http://127.0.0.1:1", "postgresql://u:p@127.0.0.1:2/x", "order-engine", "OEK1", "d"
)
HOLDER = """
import sys, time
from pathlib import Path
from localstack.local_stack.state_file import hold_up_lock
with hold_up_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
DEAF = (
    """
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
"""
    + HOLDER
)


@contextmanager
def held(lock: Path, program: str = HOLDER) -> Iterator["subprocess.Popen[str]"]:
    """While a process has the lock; it ends with the block, if it has not before."""
    command = [sys.executable, "-c", program, str(lock)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.stdout.close()
        yield process
    finally:
        process.kill()
        process.wait(20)


def test_a_second_one_is_told_who_runs(tmp_path: Path) -> None:
    with held(tmp_path / "lock") as process:
        assert state_file.lock_holder(tmp_path / "lock") == process.pid
        told = pytest.raises(UserError, match=rf"already runs in this clone \(process {process.pid}\)")
        with told, state_file.hold_up_lock(tmp_path / "lock"):
            pytest.fail("a second one got the lock")
        assert state_file.stop(tmp_path / "lock")
        assert process.wait(20) == -signal.SIGTERM


def test_the_lock_of_a_killed_one_is_free(tmp_path: Path) -> None:
    with held(tmp_path / "lock"):
        pass
    assert state_file.lock_holder(tmp_path / "lock") is None
    with state_file.hold_up_lock(tmp_path / "lock"):
        pass


def test_nothing_to_stop(tmp_path: Path) -> None:
    assert not state_file.stop(tmp_path / "lock")


def test_a_stopped_one_is_ended_too(tmp_path: Path) -> None:
    with held(tmp_path / "lock") as process:
        process.send_signal(signal.SIGSTOP)  # as Ctrl-Z does
        assert state_file.stop(tmp_path / "lock")
        assert process.wait(20) == -signal.SIGTERM


def test_one_that_does_not_end_is_killed_with_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_file, "_STOP_SECONDS", 0.5)
    monkeypatch.setattr(state_file, "_GONE_SECONDS", 0.5)
    with held(tmp_path / "lock", DEAF) as process:
        (child,) = psutil.Process(process.pid).children()
        with pytest.raises(UserError, match=f"Something of ./dev up still runs: kill -9 {child.pid} ends it"):
            state_file.stop(tmp_path / "lock")
        assert process.wait(20) == -signal.SIGKILL
        child.kill()


@pytest.mark.parametrize("written", ["", "1", "no number", "99999999"])
def test_a_lock_that_names_another_process_ends_nobody(tmp_path: Path, written: str) -> None:
    """A number that was given to another process meanwhile, or that belongs to a container."""
    with held(tmp_path / "lock") as process:
        (tmp_path / "lock").write_text(written)
        with pytest.raises(UserError, match="not as a process that can be seen from here"):
            state_file.stop(tmp_path / "lock")
        assert process.poll() is None


def test_the_addresses_are_found_while_it_runs_only(tmp_path: Path) -> None:
    lock, published = tmp_path / "lock", tmp_path / "up.json"
    with pytest.raises(UserError, match="Nothing runs in this clone"):
        state_file.find(lock, published)
    with held(lock) as process:
        with pytest.raises(UserError, match="still starting"):
            state_file.find(lock, published)
        state_file.write(RUNNING, published)  # left by an earlier one that was killed
        with pytest.raises(UserError, match="still starting"):
            state_file.find(lock, published)
        ours = replace(RUNNING, pid=process.pid)
        state_file.write(ours, published)
        assert state_file.find(lock, published) == ours
        assert published.stat().st_mode & 0o077 == 0
    state_file.remove(published)
    assert not published.exists()
