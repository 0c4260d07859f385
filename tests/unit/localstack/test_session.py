"""What `./dev up` does when parts of the stack end while it runs."""

import time
from pathlib import Path
from typing import cast

import pytest

from localstack import log_reader
from localstack.console import Console
from localstack.errors import LocalStackError
from localstack.forwarding import Upstream
from localstack.front_door import FrontDoor
from localstack.local_runtime import Runtime
from localstack.log_lines import Line
from localstack.log_reader import LogReader
from localstack.session import Session

BEFORE, AFTER = Upstream("http://before", "http://before"), Upstream("http://after", "http://after")


class BrokenRuntime:
    """A runtime whose emulator has ended; it can be started again, or can not."""

    upstream = AFTER

    def __init__(self, *, mends: bool) -> None:
        self._mends = mends

    def mend(self) -> None:
        if not self._mends:
            raise LocalStackError("The AWS emulator did not start.")

    def reconcile(self) -> None:
        raise LocalStackError("The reconcile function failed: no connection")


@pytest.fixture
def mending(monkeypatch: pytest.MonkeyPatch) -> Session:
    mending = Session(Console(), 3999, {}, time.monotonic())
    monkeypatch.setattr(Session, "_publish", lambda self, runtime: None)
    return mending


async def test_what_was_mended_serves_though_interrupted_orders_could_not_be_taken_up(mending: Session) -> None:
    door = FrontDoor(BEFORE)
    await mending._mend(cast("Runtime", BrokenRuntime(mends=True)), door)
    assert door.upstream == AFTER


async def test_what_could_not_be_mended_is_tried_again_by_the_next_look(mending: Session) -> None:
    door = FrontDoor(BEFORE)
    await mending._mend(cast("Runtime", BrokenRuntime(mends=False)), door)
    assert door.upstream is None


async def test_a_disk_without_room_for_logs_does_not_end_the_stack(
    mending: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reader:
        def read(self) -> list[Line]:
            return [Line("api", 1.0, "text")]

    def full(path: Path, lines: list[Line]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log_reader, "append", full)
    assert await mending._show_new_lines(cast("LogReader", Reader()), idle=False)
