"""The commands as a person calls them: `./dev`'s and `order-engine`, in processes of their own, or in this one."""

import asyncio
import contextlib
import os
import pty
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from typer.testing import CliRunner

from localstack.paths import ROOT
from order_engine.cli import application

LIMIT_SECONDS = 60
DEV = ("-P", "-m", "localstack")
INSTALLED = ("-P", "-c", "from order_engine.cli import main; main()")


Seen = Callable[[asyncio.subprocess.Process, bytes], Awaitable[None]]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """Its one line on standard error."""
        assert self.err.startswith(("dev: ", "order-engine: ")), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.strip()


async def start(
    *arguments: str,
    program: tuple[str, ...] = DEV,
    stdout: int = asyncio.subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        *arguments,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )


async def end(process: asyncio.subprocess.Process) -> Ended:
    async with asyncio.timeout(LIMIT_SECONDS):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, (out or b"").decode(), err.decode())


async def run(*arguments: str, program: tuple[str, ...] = DEV, **environment: str) -> Ended:
    return await end(await start(*arguments, program=program, environment=environment))


async def invoke(*arguments: str, **environment: str) -> Ended:
    """`order-engine` in this process, in a thread: the service answers meanwhile."""
    done = await asyncio.to_thread(CliRunner().invoke, application(), arguments, env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ended(done.exit_code, done.stdout, done.stderr)


async def on_a_terminal(*arguments: str, columns: int, each: Seen | None = None) -> str:
    """What a terminal of that width gets of `order-engine`."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *INSTALLED, *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": str(columns), "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    out = b""
    with contextlib.suppress(OSError):  # Linux's end of a terminal
        while chunk := await asyncio.to_thread(os.read, ours, 65536):
            out += chunk
            if each is not None:
                await each(process, out)
    os.close(ours)
    await process.wait()
    return out.decode()
