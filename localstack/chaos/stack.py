"""A stack that can be broken: the usual one with a fault proxy between the functions and the emulator."""

import contextlib
import http.client
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import psutil
import psycopg

from localstack.errors import UserError
from localstack.local_stack import stack_for_tests
from localstack.local_stack.ports import LOOPBACK, free_port
from localstack.local_stack.postgres_files import Account
from localstack.local_stack.postgres_files import environment as environment_of_postgres
from localstack.local_stack.processes import Child, Reaper, StopSequence, start, tail, wait_until
from localstack.local_stack.stack_for_tests import Stack
from localstack.logs.log_lines import Line
from localstack.logs.log_reader import LogReader

_START_SECONDS = 30.0
_ANSWER_SECONDS = 5.0
_SHUTDOWN_SECONDS = 20.0
_AT_ONCE = StopSequence(((signal.SIGKILL, 10.0),))
# Immediate shutdown: no client is told, and the next start recovers from the log as after a crash.
_IMMEDIATE = StopSequence(((signal.SIGQUIT, _SHUTDOWN_SECONDS), (signal.SIGKILL, 5.0)))

Rule = Mapping[str, object]


class FaultProxy:
    """microburst before the emulator: SQS and DynamoDB answer with throttling and errors while rules say so."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._log = log
        self._reaper = Reaper()
        self._child: Child | None = None

    def start(self, emulator_url: str) -> None:
        """Starts it, unless it runs; the emulator's address never changes."""
        if self._child is not None:
            return
        command = [sys.executable, "-P", "-m", "microburst", "--upstream", emulator_url, "--port", str(self.port)]
        self._child = start(
            "fault proxy",
            [*command, "--host", LOOPBACK, "--no-resign"],
            reaper=self._reaper,
            stop_sequence=_AT_ONCE,
            log=self._log,
            environment={"PATH": os.environ.get("PATH", os.defpath), "PYTHONUNBUFFERED": "1"},
            directory=self._log.parent,
        )
        if not wait_until(self._answers, _START_SECONDS):
            raise UserError(f"The fault proxy did not start ({self._log}):\n{tail(self._log)}")

    def fail(self, rules: Sequence[Rule]) -> None:
        """Replaces the rules; none lets everything through."""
        self._call("POST", "rules", json.dumps(rules).encode())

    def failed_calls(self) -> int:
        """How many calls were made to fail since the start."""
        stats = json.loads(self._call("GET", "stats"))
        return int(stats["requests"]["faulted"])

    def stop(self) -> None:
        """Ends it."""
        if self._child is not None:
            self._child.stop()
        self._reaper.close()

    def _answers(self) -> bool:
        try:
            self._call("GET", "health")
        except (OSError, http.client.HTTPException, UserError):
            return False
        return True

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        link = http.client.HTTPConnection(LOOPBACK, self.port, timeout=_ANSWER_SECONDS)
        with contextlib.closing(link):
            link.request(method, f"/_microburst/{path}", body, {"Content-Type": "application/json"})
            answer = link.getresponse()
            content = answer.read()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise UserError(f"The fault proxy answered {answer.status} to {path}: {content[:300]!r}")
        return content


class PostgresServer:
    """The running server, to be stopped as by `pg_ctl -m immediate` and started again at the same address."""

    def __init__(self, data: Path, url: str, log: Path) -> None:
        self._data = data / "data"
        self._url = url
        self._log = log
        self._reaper = Reaper()
        self._child: Child | None = None
        self._command = self._postmaster().cmdline()

    def crash(self) -> None:
        """Stops it at once; every client loses its connection."""
        if self._child is not None:
            self._child.stop()
            return
        postmaster = self._postmaster()
        postmaster.send_signal(signal.SIGQUIT)
        postmaster.wait(_SHUTDOWN_SECONDS)

    def start(self) -> None:
        """Starts it again and waits until it has recovered."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        owner = self._data.stat()
        self._child = start(
            "Postgres",
            Account(owner.st_uid, owner.st_gid).command(self._command),
            reaper=self._reaper,
            stop_sequence=_IMMEDIATE,
            log=self._log,
            environment=environment_of_postgres(),
            directory=self._data,
        )
        if not wait_until(self._answers, _START_SECONDS):
            raise UserError(f"Postgres did not start again ({self._log}):\n{tail(self._log)}")

    def stop(self) -> None:
        """Ends the server that was started here."""
        if self._child is not None:
            self._child.stop()
        self._reaper.close()

    def _postmaster(self) -> psutil.Process:
        return psutil.Process(int((self._data / "postmaster.pid").read_text().split("\n", 1)[0]))

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@dataclass(frozen=True)
class FunctionProcess:
    """A running process of a function."""

    function: str
    process: psutil.Process


@dataclass(frozen=True)
class BreakableStack:
    """The stack and the handles to break it with."""

    stack: Stack
    proxy: FaultProxy
    postgres: PostgresServer
    crash_directory: Path

    def function_processes(self) -> list[FunctionProcess]:
        """The processes of this stack's functions, and of no other stack's."""
        runtime = self.stack.runtime
        folders = str(runtime.scratch / f"ministack-lambda-{runtime.settings.stack_name}-")
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                _, _, script = " ".join(process.cmdline()).strip().partition(" ")
                if script.startswith(folders) and script.endswith("_worker.py"):
                    found.append(FunctionProcess(script.removeprefix(folders), process))
        return found

    def logged(self) -> list[Line]:
        """What the functions logged, up to 40 MiB of it."""
        with LogReader(self.stack.runtime.settings.function_log) as kept:
            return kept.existing()


@contextmanager
def boot(
    folder: Path, *, parameters: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> Iterator[BreakableStack]:
    """A running stack with its files below `folder`, its database durable: whatever is lost is the engine's doing."""
    crash_directory = folder / "crash"
    crash_directory.mkdir(parents=True, exist_ok=True)
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    with ExitStack() as parts:
        proxy = FaultProxy(logs / "proxy.log")
        parts.callback(proxy.stop)
        variables = {
            "CRASH_DIRECTORY": str(crash_directory),
            # A signature names the host that it was made for, and the proxy's is another. The usual stack of the tests
            # enforces IAM.
            "AUTH": "false",
            "AWS_ENDPOINT_URL": proxy.url,
            **(environment or {}),
        }
        stack = parts.enter_context(
            stack_for_tests.boot(
                folder, parameters=parameters, environment=variables, durable=True, on_emulator=proxy.start
            )
        )
        postgres = PostgresServer(stack.runtime.settings.data, stack.database_url, logs / "postgres.log")
        parts.callback(postgres.stop)
        yield BreakableStack(stack, proxy, postgres, crash_directory)
