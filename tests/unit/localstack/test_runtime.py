"""The local runtime's end."""

import subprocess
import sys
from pathlib import Path

from localstack.local_stack.runtime import Runtime, Settings


def test_a_runtime_ends_only_what_it_started(tmp_path: Path) -> None:
    """Two may run in one process, as they do in the tests: the first to stop once killed the other's Postgres."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as somebody_elses:
        with Runtime(Settings("http://127.0.0.1", tmp_path, tmp_path)):
            pass
        assert somebody_elses.poll() is None
        somebody_elses.communicate(b"\n", timeout=30)
    assert somebody_elses.returncode == 0
