"""A stack of the bench's own, as `./dev up` runs it, in a process of its own: no client's processor time is in its.

`python -m localstack.bench.own_stack FOLDER NAME=VALUE…` starts it with these template parameters and its files below
the folder, writes one line of JSON once it is ready, and ends everything when its standard input is closed. A line of
JSON there, an object of template parameters, deploys the stack with them; an empty line answers that.
"""

import asyncio
import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from localstack.environment import clean_environment
from localstack.errors import UserError
from localstack.gateway.front_door import AT_ONCE, FrontDoor
from localstack.local_stack.ministack_process import FIFO_BATCHES
from localstack.local_stack.ports import LOOPBACK, free_port
from localstack.local_stack.processes import tail
from localstack.local_stack.runtime import Runtime, Settings
from localstack.local_stack.supervisor import LOOK_SECONDS, WORKERS
from localstack.local_stack.threads import in_thread
from localstack.local_stack.warmup import warm
from localstack.logs.log_lines import readable
from localstack.logs.log_reader import LogReader
from localstack.paths import ROOT

_READY_SECONDS = 120.0
_END_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class OwnStack:
    """A running stack; `pid` is the process that has the front door and is above all others."""

    url: str
    pid: int
    database_url: str
    emulator_url: str
    log: str  # the file that has what the functions have logged so far


async def _serve(folder: Path, parameters: Mapping[str, str]) -> None:
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    settings = Settings(
        public_url=url,
        data=folder / "postgres",
        logs=folder / "logs",
        parameters={"CursorSecret": "a secret of the bench", "WorkerConcurrency": str(WORKERS), **parameters},
    )
    runtime = Runtime(settings)
    try:
        await in_thread(runtime.start)
        async with FrontDoor(runtime.upstream) as door:
            await door.start((LOOPBACK,), port)
            await in_thread(warm, runtime, url, requests=AT_ONCE, workers=WORKERS, pushers=FIFO_BATCHES)
            ready = OwnStack(
                url, os.getpid(), runtime.database_url, runtime.emulator_url, str(runtime.settings.function_log)
            )
            _write_line(json.dumps(asdict(ready)))
            reading = asyncio.create_task(_read_log(settings.function_log))
            while changed := await in_thread(sys.stdin.readline):
                await in_thread(functools.partial(runtime.deploy, **json.loads(changed)))
                door.upstream = runtime.upstream
                await in_thread(warm, runtime, url, requests=AT_ONCE, workers=WORKERS, pushers=FIFO_BATCHES)
                _write_line("")
            reading.cancel()
            await asyncio.wait((reading,))
    finally:
        await in_thread(runtime.stop)


def _write_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _read_log(log: Path) -> None:
    """Reads what the functions log as `./dev up` does, which shows it."""
    with LogReader(log) as logged:
        logged.skip()
        while True:
            for line in await in_thread(logged.added):
                readable(line)
            await asyncio.sleep(LOOK_SECONDS)


class StackProcess:
    """A stack's process, as the bench sees it; raises UserError where the stack does not start or does not deploy."""

    def __init__(self, folder: Path, parameters: Mapping[str, str]) -> None:
        self._errors = folder / "errors.log"
        with self._errors.open("wb") as standard_error:
            self._process = subprocess.Popen(  # noqa: S603  # our own command line
                [sys.executable, "-P", "-m", __name__, str(folder), *map("=".join, parameters.items())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=standard_error,
                cwd=ROOT,
                env={
                    **clean_environment(os.environ),
                    "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "functions"))),
                },
                start_new_session=True,  # Ctrl-C is ours; the child ends when its input does
                text=True,
            )

    def answer(self) -> str:
        """Its next line."""
        late = threading.Timer(_READY_SECONDS, self._process.kill)
        late.start()
        try:
            line = self._process.stdout.readline()  # type: ignore[union-attr]
        finally:
            late.cancel()
        if not line:
            raise UserError(f"The stack to measure did not start:\n{tail(self._errors)}")
        return line

    def redeploy(self, **parameters: str) -> None:
        """Changes these template parameters."""
        self._process.stdin.write(json.dumps(parameters) + "\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        self.answer()

    def close(self) -> None:
        """Ends the stack."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its reaper ends the rest
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]


@contextlib.contextmanager
def own_stack(**parameters: str) -> Iterator[tuple[OwnStack, StackProcess]]:
    """A stack with these template parameters while the context is open. Raises UserError where it does not start."""
    # Postgres runs as a user of its own where root calls.
    folder = Path(tempfile.mkdtemp(prefix="order-engine-bench-"))
    folder.chmod(0o755)
    try:
        child = StackProcess(folder, parameters)
        try:
            yield OwnStack(**json.loads(child.answer())), child
        finally:
            child.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Serves until its standard input ends."""
    folder, *pairs = sys.argv[1:]
    asyncio.run(_serve(Path(folder), dict(pair.split("=", 1) for pair in pairs)))


if __name__ == "__main__":
    main()
