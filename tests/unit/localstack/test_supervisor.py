"""What `./dev up` does when parts of the stack end while it runs."""

import signal
import subprocess
import sys
import time
from typing import cast

import pytest

from localstack.errors import UserError
from localstack.gateway.forwarding import Upstream
from localstack.gateway.front_door import FrontDoor
from localstack.local_stack.runtime import Runtime
from localstack.local_stack.supervisor import Supervisor
from localstack.paths import ROOT
from order_engine.cli.console import Console

BEFORE, AFTER = Upstream("http://before", "http://before"), Upstream("http://after", "http://after")


class BrokenRuntime:
    """A runtime whose emulator has ended; it can be started again, or can not."""

    upstream = AFTER

    def __init__(self, *, recovers: bool) -> None:
        self._recovers = recovers

    def restart_crashed(self) -> None:
        if not self._recovers:
            raise UserError("The AWS emulator did not start.")

    def reconcile(self) -> None:
        raise UserError("The reconcile function failed: no connection")


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    supervisor = Supervisor(Console(), 3999, {}, time.monotonic())
    monkeypatch.setattr(Supervisor, "_publish", lambda self, runtime: None)
    return supervisor


async def test_what_was_restarted_serves_though_orders_could_not_be_taken_up(
    supervisor: Supervisor,
) -> None:
    door = FrontDoor(BEFORE)
    await supervisor._restart_crashed(cast("Runtime", BrokenRuntime(recovers=True)), door)
    assert door.upstream == AFTER


async def test_what_could_not_be_restarted_is_tried_again_by_the_next_look(supervisor: Supervisor) -> None:
    door = FrontDoor(BEFORE)
    await supervisor._restart_crashed(cast("Runtime", BrokenRuntime(recovers=False)), door)
    assert door.upstream is None


# The session with a runtime that starts as long as it is let, or fails.
PROGRAM = """
import contextlib, sys, threading
from botocore.exceptions import EndpointConnectionError
from localstack.local_stack import supervisor
from order_engine.cli.console import Console
from localstack.errors import UserError

class Slow:
    def __init__(self, settings, report):
        self.stopped, self.report = threading.Event(), report
    def start(self):
        self.report("starting")
        if sys.argv[1] == "wait":
            self.stopped.wait()
        if sys.argv[1] == "fail":
            raise UserError("It does not start.")
        raise EndpointConnectionError(endpoint_url="http://gone")
    def stop(self):
        self.stopped.set()
        self.report("stopped")

supervisor.Runtime = Slow
supervisor.state_file.hold_up_lock = contextlib.nullcontext
supervisor.state_file.remove = supervisor._rotate_logs = lambda: None
supervisor._cursor_secret = lambda: "secret"
supervisor.ports.require_free = lambda hosts, port: None
try:
    sys.exit(supervisor.Supervisor(Console(), 3999, {}, 0).run())
except UserError as error:
    sys.exit(f"failed: {error}")
"""


def start(how: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ((signal.SIGINT, signal.SIGINT, signal.SIGTERM), 130),
        ((signal.SIGTERM, signal.SIGTERM), 143),
        ((signal.SIGHUP,), 129),
    ],
)
def test_a_start_is_ended_by_the_first_signal(numbers: tuple[signal.Signals, ...], status: int) -> None:
    process = start("wait")
    assert process.stdout is not None
    assert "starting" in process.stdout.readline()
    for number in numbers:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (status, "")
    assert "stopped" in out
    assert out.endswith("Everything has stopped; the history is kept.\n")


@pytest.mark.parametrize(
    ("how", "said"), [("fail", "failed: It does not start.\n"), ("break", "failed: The AWS emulator broke off (")]
)
def test_a_start_that_fails_ends_what_had_started_and_says_why(how: str, said: str) -> None:
    process = start(how)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith(said)
    assert "stopped" in out
    assert "Everything has stopped" not in out
