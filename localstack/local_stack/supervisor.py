"""One `./dev up`: starts the runtime, prints where it is, shows the logs, restarts what dies, ends everything."""

import asyncio
import contextlib
import functools
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape

from localstack.client import issuer
from localstack.errors import UserError
from localstack.gateway.callers import Callers
from localstack.gateway.front_door import AT_ONCE, FrontDoor
from localstack.local_stack import files, ports, state_file
from localstack.local_stack.exposure import refuse_open_to_network
from localstack.local_stack.ministack_process import FIFO_BATCHES
from localstack.local_stack.runtime import Runtime, Settings
from localstack.local_stack.terminal_output import TerminalOutput
from localstack.local_stack.threads import in_thread
from localstack.local_stack.warmup import warm
from localstack.logs.log_lines import readable
from localstack.logs.log_reader import LogReader
from localstack.paths import LOGS, ROOT, STATE
from order_engine.cli.console import Console

LOOK_SECONDS = 0.5
_RESTARTS_AT_MOST = 3
_RESTARTS_WITHIN_SECONDS = 300.0
# 30 s after its last write an order counts as one that nobody works on: chalicelib/adapters/postgres/statements.py.
# Its worker was killed with everything else some seconds before the stack was up again.
_INTERRUPTED_SECONDS = 27.0
# Two and a half for clients that do not listen: websocket_relay.py, front_door.py.
_GOODBYE_SECONDS = 3.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A worker is busy with ten orders for some four seconds: thirty take seventy orders a second, which is more than two
# cores do.
WORKERS = 30
_ALLOWED_HOSTS = "ORDER_ENGINE_ALLOWED_HOSTS"
_ROTATED_LOGS = ("postgres.log", "emulator.log")


def _hosts() -> tuple[str, ...]:
    """Where the front door listens: ORDER_ENGINE_HOST, else both loopback addresses, as `localhost` may mean either."""
    if host := os.environ.get("ORDER_ENGINE_HOST", "").strip():
        return (host,)
    return (ports.LOOPBACK, "::1") if ports.has_ipv6_loopback() else (ports.LOOPBACK,)


def _door_url(port: int) -> str:
    """The front door as this machine reaches it; `localhost` may not be where it listens."""
    host = ports.reachable(_hosts()[0])
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _relative(path: Path) -> str:
    """A path as a person in the clone would type it."""
    return path.relative_to(ROOT).as_posix()


def _cursor_secret() -> str:
    """A secret that stays between runs, so that a page's cursor does too."""
    return files.load_or_make_secret(STATE / "cursor-secret", 32)


def _rotate_logs() -> None:
    """Keeps the last run's logs of the processes as `.1`."""
    LOGS.mkdir(parents=True, exist_ok=True)
    LOGS.chmod(0o700)  # they name users; the folder above stays passable, for Postgres may run as another user in it
    for name in _ROTATED_LOGS:
        if (LOGS / name).exists():
            (LOGS / name).replace(LOGS / f"{name}.1")


class Supervisor:
    """Runs the stack until a signal. `started` is the monotonic time at which the command began."""

    def __init__(self, console: Console, port: int, parameters: Mapping[str, str], started: float) -> None:
        self._output = TerminalOutput(console, self._on_signal)
        self._port = port
        self._parameters = parameters
        self._not_revoked = ""
        self._started = started
        self._door_url = _door_url(port)
        # On both loopback addresses it is `localhost`; on the one that was asked for, another stack may have the other.
        self._url = self._door_url if os.environ.get("ORDER_ENGINE_HOST", "").strip() else f"http://localhost:{port}"
        self._ended_by: int | None = None
        self._ready = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    def _report(self, text: str) -> None:
        self._output.print(f"[dim]{time.monotonic() - self._started:5.1f} s[/dim]  {text}")

    def run(self) -> int:
        """Starts, serves and ends; returns the exit status.

        0 where a signal ended what had been ready, 128 and its number where it came before, or where the terminal or
        the reader of a pipe went away. Raises UserError where something can't be started.
        """
        os.umask(0o077)
        hosts = _hosts()
        refuse_open_to_network(hosts, self._parameters.get("AuthMode", "open"))
        with state_file.hold_up_lock():
            ports.require_free(hosts, self._port)
            state_file.remove()  # what one that was killed has left
            _rotate_logs()
            settings = Settings(
                public_url=os.environ.get("ORDER_ENGINE_PUBLIC_URL", "").rstrip("/") or self._url,
                data=STATE / "postgres",
                logs=LOGS,
                parameters={
                    "CursorSecret": _cursor_secret(),
                    "WorkerConcurrency": str(WORKERS),
                    **self._parameters,
                },
            )
            try:
                with LogReader(settings.function_log) as logged:
                    logged.skip()
                    asyncio.run(self._run(settings, hosts, logged))
            finally:
                state_file.remove()
                if not self._output.close():
                    os._exit(self._exit_status)  # the last flush would wait for the terminal as well
        if threading.active_count() > 1:
            sys.stderr.flush()
            os._exit(self._exit_status)  # they wait, within limits of their own, for what has gone
        return self._exit_status

    @property
    def _exit_status(self) -> int:
        if self._ended_by is None or (self._ready and self._ended_by in _SIGNALS):
            return 0
        return 128 + self._ended_by

    def _on_signal(self, number: int, _frame: FrameType | None = None) -> None:
        """A signal: ends everything, at whatever moment it comes. A second one changes nothing: each wait has a limit.

        Set with `signal`, not in the loop, which would give the signals back before the last process has ended.
        """
        self._ended_by = self._ended_by or number
        with contextlib.suppress(RuntimeError):  # the loop has ended, and everything else before it
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)

    async def _run(self, settings: Settings, hosts: tuple[str, ...], logged: LogReader) -> None:
        self._loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        if self._ended_by is not None:
            self._stop.set()  # the terminal has gone already
        runtime = Runtime(settings, self._report)
        serving = asyncio.create_task(self._serve(runtime, hosts, logged))
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._output.print("Stopping …")
            stopping.cancel()
            serving.cancel()
            await asyncio.wait((serving,), timeout=_GOODBYE_SECONDS)  # the front door tells its clients
            await in_thread(runtime.stop)
        if self._ended_by is None:
            try:
                await serving
            except (BotoCoreError, ClientError) as error:
                raise UserError(f"The AWS emulator broke off ({error}): look into {_relative(LOGS)}.") from error
        self._output.print("Everything has stopped; the history is kept.")

    async def _serve(self, runtime: Runtime, hosts: tuple[str, ...], logged: LogReader) -> None:
        await in_thread(runtime.start)
        callers = Callers(
            names=(os.environ.get("ORDER_ENGINE_HOST", ""), *os.environ.get(_ALLOWED_HOSTS, "").split(",")),
            public_url=runtime.settings.public_url,
            allowed_origins=self._parameters.get("AllowedOrigins", ""),
        )
        async with FrontDoor(runtime.upstream, callers) as door:
            try:
                await door.start(hosts, self._port)
            except OSError as error:
                raise UserError(f"Port {self._port} can't be listened on: {error.strerror}.") from error
            await in_thread(warm, runtime, self._door_url, requests=AT_ONCE, workers=WORKERS, pushers=FIFO_BATCHES)
            self._publish(runtime)
            self._ready = True
            self._print_addresses()
            await self._supervise(runtime, door, logged)

    def _publish(self, runtime: Runtime) -> None:
        state_file.write(runtime.running(self._url))

    def _print_addresses(self) -> None:
        ready = time.monotonic() - self._started
        websocket = self._url.replace("http", "ws", 1)
        order = (
            '{"userId":"arman1","walletAddress":"wallet_12345","inputToken":"SOL","outputToken":"USDC",'
            '"amount":1.5,"side":"sell"}'
        )
        asks = self._parameters.get("AuthMode") == "jwt"
        header = ' -H "authorization: Bearer $TOKEN"' if asks else ""
        token = "  Token       TOKEN=$(./dev token --user arman1)\n" if asks else ""
        self._output.print(
            f"\n[green]Ready[/green] after {ready:.1f} s\n\n"
            f"  Dashboard   {self._url}/\n"
            f"  Orders      {self._url}/api/orders/execute\n"
            f"  WebSocket   {websocket}/api/orders/execute?orderId=ID\n"
            f"  Interface   {self._url}/docs\n"
            f"  Raw logs    {_relative(LOGS)}/\n"
            f"{token}\n"
            f"Place an order and follow it with ./dev order, or paste this:\n\n"
            f"  curl -s {self._url}/api/orders/execute -H 'content-type: application/json'{header} -d '{order}'\n\n"
            f"Ctrl-C stops everything. What the functions log:\n"
        )

    def _reconcile(self, runtime: Runtime) -> None:
        """Has orders that were interrupted go on now; where that fails, the schedule does it within a minute."""
        try:
            runtime.reconcile()
        except (BotoCoreError, ClientError, UserError) as error:
            self._output.print(f"[yellow]Interrupted orders wait for the next minute: {escape(str(error))}[/yellow]")

    async def _supervise(self, runtime: Runtime, door: FrontDoor, logged: LogReader) -> None:
        """Shows new log lines and starts what died again, until it is cancelled."""
        restarts: list[float] = []
        repair_at = time.monotonic() + _INTERRUPTED_SECONDS
        while True:
            if name := runtime.crashed_process or ("The deployment" if door.upstream is None else None):
                restarts = [at for at in restarts if time.monotonic() - at < _RESTARTS_WITHIN_SECONDS]
                if len(restarts) == _RESTARTS_AT_MOST:
                    raise UserError(f"{name} ends again and again: look into {_relative(LOGS)}.")
                restarts.append(time.monotonic())
                self._output.print(f"[yellow]{name} has ended unexpectedly: it is started again.[/yellow]")
                await self._restart_crashed(runtime, door)
                repair_at = time.monotonic() + _INTERRUPTED_SECONDS
                continue
            await self._revoke(runtime, door)
            if time.monotonic() > repair_at:
                repair_at = math.inf
                await in_thread(self._reconcile, runtime)
            for line in await in_thread(logged.added):
                if (shown := readable(line)) is not None:
                    self._output.print(shown)
            await asyncio.sleep(LOOK_SECONDS)

    async def _restart_crashed(self, runtime: Runtime, door: FrontDoor) -> None:
        """Starts again what ended; leaves the front door without an upstream where something ended meanwhile."""
        door.upstream = None
        try:
            await in_thread(runtime.restart_crashed)
        except (BotoCoreError, ClientError, UserError) as error:
            self._output.print(f"[yellow]That did not succeed: {escape(str(error))}[/yellow]")
            return
        door.upstream = runtime.upstream
        self._publish(runtime)
        await in_thread(self._reconcile, runtime)

    async def _revoke(self, runtime: Runtime, door: FrontDoor) -> None:
        """Deploys anew where `./dev token revoke` has named another token."""
        if runtime.parameters.get("AuthIssuer") != issuer.ISSUER:
            return
        try:
            revoked = ",".join(issuer.revoked())
            if revoked == runtime.parameters.get("AuthRevoked", ""):
                return
            await in_thread(functools.partial(runtime.deploy, AuthRevoked=revoked))
        except (BotoCoreError, ClientError, UserError) as error:
            # Tried again with each look, which need not be said each time.
            if str(error) != self._not_revoked:
                self._output.print(f"[yellow]No token could be revoked: {escape(str(error))}[/yellow]")
            self._not_revoked = str(error)
            return
        self._not_revoked = ""
        door.upstream = runtime.upstream
