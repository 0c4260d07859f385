"""`./dev up`, `down`, `order` and `logs` as a person calls them, in a clone of their own, with real signals."""

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from localstack.local_stack import state_file
from localstack.local_stack.ports import free_port
from localstack.local_stack.processes import wait_until
from tests.commands.conftest import copy_to

LIMIT_SECONDS = 120.0
pytestmark = [pytest.mark.xdist_group("commands"), pytest.mark.timeout(400)]
HANDSHAKE = (
    "GET /api/orders/execute?orderId={} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
PING = b"\x89\xfd\0\0\0\0" + b"x" * 125


@dataclass(frozen=True)
class Clone:
    """A clone whose environment is that of this one."""

    folder: Path
    port: int

    def start(
        self, *arguments: str, output: int | None = subprocess.PIPE, **environment: str
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["./dev", *arguments],
            cwd=self.folder,
            env={**os.environ, "PORT": str(self.port), "ORDER_ENGINE_HOST": "127.0.0.1", **environment},
            umask=0o022,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output is not None else None,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        process = self.start(*arguments, output=subprocess.PIPE, **environment)
        out, _ = process.communicate(timeout=LIMIT_SECONDS)
        return process.returncode, out

    def processes(self) -> list[psutil.Process]:
        """What runs of this clone's stack."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(str(self.folder) in part for part in process.info["cmdline"] or ())
        ]


@dataclass
class Up:
    """A ./dev up that is ready, its output in a file."""

    clone: Clone
    process: "subprocess.Popen[str]"
    log: Path
    url: str

    def call(self, method: str, path: str) -> dict[str, object]:
        request = urllib.request.Request(f"{self.url}{path}", method=method, data=b"" if method == "POST" else None)
        with urllib.request.urlopen(request, timeout=30) as answer:
            parsed: dict[str, object] = json.load(answer)
            return parsed

    def placed(self) -> int:
        page = self.call("GET", "/api/orders?userId=dev&limit=200")
        assert isinstance(page["orders"], list)
        return len(page["orders"])


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    clone = Clone(copy_to(tmp_path_factory.mktemp("clone")), free_port())
    log = clone.folder / "up.log"
    with log.open("w") as output:
        process = clone.start("up", "--delay-scale", "1", output=output.fileno())
    try:
        ready = wait_until(lambda: "Ready" in log.read_text() or process.poll() is not None, LIMIT_SECONDS)
        assert ready, log.read_text()
        assert process.poll() is None, log.read_text()
        yield Up(clone, process, log, f"http://127.0.0.1:{clone.port}")
    finally:
        process.kill()
        process.wait(LIMIT_SECONDS)
        wait_until(lambda: not clone.processes(), LIMIT_SECONDS)


def first_match(process: "subprocess.Popen[str]", pattern: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(pattern, line):
            return found[0]
    pytest.fail(f"no line has {pattern}")


def test_another_user_of_the_machine_can_read_nothing_of_it(up: Up) -> None:
    """Started with umask 022, as almost everybody's is."""
    state = up.clone.folder / ".state"
    for needed in ("up.json", "cursor-secret", "logs/emulator.log", "logs/postgres.log", "postgres"):
        assert (state / needed).exists()

    def is_open(path: Path) -> bool:
        above = [each for each in path.parents if each.is_relative_to(state)]
        return bool(path.stat().st_mode & 0o044) and all(each.stat().st_mode & 0o011 for each in above)

    files = [path for path in state.rglob("*") if path.is_file() and is_open(path)]
    # Locks that ./dev makes before it starts anything: a number and a word.
    assert {path.name for path in files} <= {"install.lock"}


def test_up_is_refused_where_the_network_would_reach_it(fresh: Clone) -> None:
    status, said = fresh.run("up", ORDER_ENGINE_HOST="0.0.0.0")
    assert (status, said.count("\n")) == (1, 1)
    assert "ORDER_ENGINE_HOST=0.0.0.0 would let everybody in the network place" in said


def test_order_follows_to_the_end_and_logs_find_it_again(up: Up) -> None:
    status, out = up.clone.run("order", "-v")
    assert status == 0, out
    order_id, *_ = re.findall(r"ord_\w+", out)
    statuses = re.findall(r"^[\d:.]{12} (\w+)", out, re.MULTILINE)
    assert statuses == ["pending", "routing", "building", "submitted", "confirmed"]

    kept = up.clone.folder / ".state" / "logs" / "functions.jsonl"
    assert wait_until(lambda: kept.exists() and kept.read_text().count(order_id) >= 3, LIMIT_SECONDS)
    status, out = up.clone.run("logs", "--order", order_id)
    assert status == 0
    # Its end with every step before it, and the push of it.
    assert out.count(order_id) >= 2
    status, out = up.clone.run("logs", "-n", "1", "--raw")
    assert (status, out.count("\n")) == (0, 1)


def test_no_order_goes_to_the_stack_of_another_clone(up: Up, tmp_path: Path) -> None:
    other = Clone(copy_to(tmp_path / "other"), up.clone.port)
    before = up.placed()
    for command, expected in ((["order"], 4), (["bench", "--orders", "1"], 4), (["dlq", "list"], 1)):
        status, out = other.run(*command)
        assert status == expected, out
        assert out.startswith("dev: "), out
        assert out.count("\n") == 1, out
        assert "./dev up" in out
    assert up.placed() == before
    status, out = other.run("down")
    assert (status, out) == (0, "Nothing runs in this clone.\n")
    assert other.run("order", "--url", up.url)[0] == 0
    assert up.placed() == before + 1


def end_by(*numbers: signal.Signals) -> Callable[["subprocess.Popen[str]"], None]:
    """Sends them until it ends: only the first one counts, and none comes at a bad moment."""

    def send(process: "subprocess.Popen[str]") -> None:
        def has_ended() -> bool:
            process.send_signal(next(sent))
            return process.poll() is not None

        sent = itertools.cycle(numbers)
        assert wait_until(has_ended, LIMIT_SECONDS, 0.01)

    return send


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_following_the_logs(up: Up, number: signal.Signals, status: int) -> None:
    process = up.clone.start("logs", "-f", "--raw")
    first_match(process, "timestamp")
    end_by(number)(process)
    out, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == status
    assert "Traceback" not in out


def test_logs_end_quietly_when_their_reader_does(up: Up) -> None:
    ended = subprocess.run(
        ["bash", "-c", "./dev logs -f --raw | head -n 1 >&2; echo ${PIPESTATUS[0]}"],
        cwd=up.clone.folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=True,
    )
    assert ended.stdout == "141\n"
    assert "Traceback" not in ended.stderr


def test_a_second_up_leaves_the_first_alone(up: Up) -> None:
    status, out = up.clone.run("up")
    assert status == 1
    assert out == (
        f"dev: ./dev up already runs in this clone (process {up.process.pid}): use it, or end it with ./dev down.\n"
    )
    assert up.call("GET", "/health")["ok"] is True


@contextlib.contextmanager
def held_on(port: int, order_id: str) -> Iterator[None]:
    """While clients are there that would not let the stack end."""
    with contextlib.ExitStack() as stack:
        deaf, slow, half, mute, *idle = [stack.enter_context(socket.socket()) for _ in range(200)]
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for each in (deaf, slow, half, mute, *idle):
            each.settimeout(30)
            each.connect(("127.0.0.1", port))
        deaf.sendall(HANDSHAKE.format(order_id).encode())
        assert b" 101 " in deaf.recv(64)
        deaf.settimeout(1)
        with pytest.raises(TimeoutError):
            deaf.sendall(PING * 1_000_000)  # the answers fill what is between here and there
        slow.sendall(b"POST /api/orders/execute HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx")
        half.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        half.shutdown(socket.SHUT_WR)
        asking = idle[::10]
        for each in asking:
            each.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for each in asking:
            assert b" 200 " in each.recv(64)
        mute.sendall(HANDSHAKE.format(order_id).encode())
        assert b" 101 " in mute.recv(64)
        yield


def test_down_ends_everything_whatever_clients_do(up: Up) -> None:
    """The last of those that share the stack."""
    order = up.clone.start("order")
    with held_on(up.clone.port, first_match(order, r"ord_\w+")):
        order.communicate(timeout=LIMIT_SECONDS)
        status, out = up.clone.run("down")
    assert (status, out) == (0, "Stopped.\n")
    assert up.process.wait(LIMIT_SECONDS) == 0
    assert "Everything has stopped; the history is kept." in up.log.read_text()
    assert "Traceback" not in up.log.read_text()
    # What the emulator had unpacked may still be removed.
    assert wait_until(lambda: not up.clone.processes(), LIMIT_SECONDS), up.clone.processes()
    assert up.clone.run("down") == (0, "Nothing runs in this clone.\n")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which nothing runs for long."""
    return Clone(copy_to(tmp_path_factory.mktemp("fresh")), free_port())


def close_the_output(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize(
    ("seen", "end", "status"),
    [
        ("emulator runs|Postgres runs", None, 143),
        ("database is migrated", close_the_output, 141),
        ("stack is deployed", end_by(signal.SIGINT, signal.SIGTERM), 130),
    ],
    ids=["by ./dev down", "its output is closed", "by two signals"],
)
def test_up_is_ended_while_it_starts(
    fresh: Clone, seen: str, end: Callable[["subprocess.Popen[str]"], None] | None, status: int
) -> None:
    process = fresh.start("up")
    first_match(process, seen)
    if end is not None:
        end(process)
    else:
        assert fresh.run("down") == (0, "Stopped.\n")
    assert process.wait(LIMIT_SECONDS) == status
    if process.stdout is not None and not process.stdout.closed:
        assert "Traceback" not in process.stdout.read()
        process.stdout.close()
    assert wait_until(lambda: not fresh.processes(), LIMIT_SECONDS), fresh.processes()
    assert state_file.lock_holder(fresh.folder / ".state" / "up.lock") is None
    assert not (fresh.folder / ".state" / "up.json").exists()


def test_up_ends_with_its_terminal(fresh: Clone) -> None:
    ours, theirs = os.openpty()
    process = fresh.start("up", output=theirs)
    os.close(theirs)
    seen = b""
    while b"Ready" not in seen:
        seen += os.read(ours, 65536)
    os.close(ours)
    assert process.wait(LIMIT_SECONDS) == 0
    assert wait_until(lambda: not fresh.processes(), LIMIT_SECONDS), fresh.processes()
