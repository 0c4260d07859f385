"""Nothing outlives the runtime."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from localstack.local_stack.processes import Child, Reaper, StopSequence, start, wait_until
from localstack.paths import ROOT

LIMIT_SECONDS = 20
ENDING = StopSequence(((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)))
# A process that starts another one in its group and ignores what it is asked.
STUBBORN = textwrap.dedent(
    """
    import signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(child.pid, flush=True)
    time.sleep(600)
    """
)
RUNTIME = textwrap.dedent(
    """
    import os, signal, sys, time
    from pathlib import Path
    from localstack.local_stack.processes import Reaper, StopSequence, start
    folder, command = Path(sys.argv[1]), [sys.executable, "-c", sys.argv[2]]
    reaper = Reaper()
    (folder / "scratch\\nof two lines").mkdir()
    (folder / "scratch").mkdir()
    reaper.remove_at_end(folder / "scratch\\nof two lines")
    ending = StopSequence(((signal.SIGTERM, 0.5),))
    log = folder / "log"
    child = start("x", command, reaper=reaper, stop_sequence=ending, log=log, environment=os.environ, directory=folder)
    print(child.process.pid, flush=True)
    time.sleep(600)
    """
)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def grandchild(log: Path) -> int:
    assert wait_until(lambda: log.exists() and log.read_text().endswith("\n"), LIMIT_SECONDS)
    return int(log.read_text())


def started(name: str, program: str, reaper: Reaper, folder: Path, ending: StopSequence = ENDING) -> Child:
    command, log = [sys.executable, "-c", program], folder / "log"
    return start(name, command, reaper=reaper, stop_sequence=ending, log=log, environment=os.environ, directory=folder)


def test_stopping_ends_the_whole_group(tmp_path: Path) -> None:
    with Reaper() as reaper:
        quick = StopSequence(((signal.SIGTERM, 0.2), (signal.SIGKILL, 5.0)))
        child = started("stubborn", STUBBORN, reaper, tmp_path, quick)
        below = grandchild(tmp_path / "log")
        child.stop()
        assert child.exited == -signal.SIGKILL
        assert wait_until(lambda: not lives(below), LIMIT_SECONDS)
        child.stop()


def test_leaving_the_reaper_ends_what_was_forgotten(tmp_path: Path) -> None:
    with Reaper() as reaper:
        child = started("sleeper", "import time; time.sleep(600)", reaper, tmp_path)
    assert child.process.wait(LIMIT_SECONDS) == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_the_death_of_the_runtime_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    runtime = subprocess.Popen(
        [sys.executable, "-c", RUNTIME, str(tmp_path), STUBBORN], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert runtime.stdout is not None
    with runtime.stdout:
        child = int(runtime.stdout.readline())
    below = grandchild(tmp_path / "log")
    assert lives(child)
    runtime.send_signal(number)
    runtime.wait(LIMIT_SECONDS)
    assert wait_until(lambda: not lives(child) and not lives(below), LIMIT_SECONDS)
    assert wait_until(lambda: not (tmp_path / "scratch\nof two lines").exists(), LIMIT_SECONDS)
    assert (tmp_path / "scratch").exists()


def test_nothing_starts_once_the_reaper_is_closed(tmp_path: Path) -> None:
    reaper = Reaper()
    reaper.close()
    with pytest.raises(ValueError, match="closed"):
        started("late", "import time; time.sleep(600)", reaper, tmp_path)
