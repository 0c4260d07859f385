"""Only one `./dev up`, and what others learn of it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localstack import running
from localstack.errors import LocalStackError
from localstack.paths import ROOT
from localstack.running import Running

RUNNING = Running(1, "http://localhost:3000", "http://127.0.0.1:1", "postgresql://u:p@127.0.0.1:2/x", "order-engine")
HOLDER = """
import sys, time
from pathlib import Path
from localstack.running import only_one
with only_one(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def hold(lock: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.stdout.close()
    return process


def test_a_second_one_is_told_who_runs(tmp_path: Path) -> None:
    process = hold(tmp_path / "lock")
    try:
        assert running.holder(tmp_path / "lock") == process.pid
        told = pytest.raises(LocalStackError, match=rf"already runs in this clone \(process {process.pid}\)")
        with told, running.only_one(tmp_path / "lock"):
            pytest.fail("a second one got the lock")
        assert running.stop(tmp_path / "lock")
        assert process.wait(20) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait(20)


def test_the_lock_of_a_killed_one_is_free(tmp_path: Path) -> None:
    process = hold(tmp_path / "lock")
    process.kill()
    process.wait(20)
    assert running.holder(tmp_path / "lock") is None
    with running.only_one(tmp_path / "lock"):
        pass


def test_nothing_to_stop(tmp_path: Path) -> None:
    assert not running.stop(tmp_path / "lock")


def test_the_addresses_are_found_while_it_runs_only(tmp_path: Path) -> None:
    lock, published = tmp_path / "lock", tmp_path / "up.json"
    with pytest.raises(LocalStackError, match="Nothing runs in this clone"):
        running.find(lock, published)
    process = hold(lock)
    try:
        with pytest.raises(LocalStackError, match="still starting"):
            running.find(lock, published)
        running.publish(RUNNING, published)
        assert running.find(lock, published) == RUNNING
        assert published.stat().st_mode & 0o077 == 0
    finally:
        process.kill()
        process.wait(20)
    running.withdraw(published)
    assert not published.exists()
