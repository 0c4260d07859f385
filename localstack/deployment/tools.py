"""Tools that can't live in .venv beside the emulator: each in an environment of its own, made when first needed."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localstack.environment import pip_environment, without_python_settings
from localstack.errors import UserError
from localstack.paths import ROOT, STATE

_INSTALL_SECONDS = 1200


@dataclass(frozen=True)
class Tool:
    """A command, what it is installed from and where to; `package` is a folder of ours that comes on top."""

    command: str
    requirements: Path
    environment: Path
    python: Path = Path(sys.executable)
    package: Path | None = None

    @property
    def path(self) -> Path:
        """The command's file."""
        return self.environment / "bin" / self.command


TOOLS: Mapping[str, Tool] = {
    "sam": Tool("sam", ROOT / "infra" / "requirements-deploy.txt", ROOT / ".venv-deploy"),
    "aws": Tool("aws", ROOT / "infra" / "requirements-aws.txt", ROOT / ".venv-aws"),
    "mutmut": Tool("mutmut", ROOT / "tests" / "requirements-mutation.txt", ROOT / ".venv-mutation"),
    "py-spy": Tool("py-spy", ROOT / "localstack" / "bench" / "requirements.txt", ROOT / ".venv-bench"),
    "openapi-python-client": Tool(
        "openapi-python-client", ROOT / "tests" / "requirements-generators.txt", ROOT / ".venv-generators"
    ),
    "playwright": Tool("playwright", ROOT / "tests" / "requirements-browser.txt", ROOT / ".venv-browser"),
    "checkov": Tool("checkov", ROOT / "infra" / "requirements-checkov.txt", ROOT / ".venv-checkov"),
}


def _stamp_of(tool: Tool) -> str:
    # With its place, which stands in its commands' first lines: a clone may be moved or copied.
    made_from = (sys.version, str(tool.environment), sys.base_prefix, str(tool.python.resolve()))
    parts = [tool.requirements.read_bytes(), "\n".join(made_from).encode()]
    if tool.package is not None:
        parts += [path.read_bytes() for path in sorted(tool.package.rglob("*")) if path.suffix in (".py", ".toml")]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@contextmanager
def _install_lock(tool: Tool) -> Iterator[None]:
    """One installation of a tool at a time, also between processes."""
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / f"install-{tool.environment.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(tool: Tool, report: Callable[[str], None]) -> None:
    shutil.rmtree(tool.environment, ignore_errors=True)
    made = subprocess.run(  # noqa: S603  # our own interpreter
        # Without a pip of its own, which takes several seconds to get: ours installs into it.
        [str(tool.python), "-I", "-m", "venv", "--without-pip", str(tool.environment)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if made.returncode:
        raise UserError(f"{tool.environment.name} could not be made: {(made.stderr or made.stdout).strip()}")
    pip = (sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--python", str(tool.environment))
    wanted = ["-r", str(tool.requirements), *([] if tool.package is None else [str(tool.package)])]
    said: list[str] = []
    # --no-compile: most of it is never imported, and what is compiles itself.
    with subprocess.Popen(  # noqa: S603  # our own command line
        [*pip, "install", "--no-input", "--no-compile", "--progress-bar=off", *wanted],
        env=pip_environment(os.environ, sys.executable),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        limit = threading.Timer(_INSTALL_SECONDS, process.kill)
        limit.start()
        try:
            for line in process.stdout or ():
                said.append(line.rstrip())
                if line.startswith(("Collecting ", "Installing collected ")):
                    report(" ".join(line.split()[:2]).rstrip(":"))
            status = process.wait(timeout=_INSTALL_SECONDS)
        finally:
            limit.cancel()
            process.kill()
    if status:
        raise UserError(f"pip could not install {tool.command}:\n  " + "\n  ".join(said[-5:]))


def ensure(name: str, report: Callable[[str], None]) -> Path:
    """The tool's file, installed first where that is needed. Raises UserError where it can't be."""
    tool = TOOLS.get(name)
    if tool is None:
        raise UserError(f"There is no tool {name!r}: choose {' or '.join(TOOLS)}.")
    return install(tool, report)


def install(tool: Tool, report: Callable[[str], None]) -> Path:
    """The file of a tool that is described, installed first where that is needed. Raises UserError likewise."""
    stamp = tool.environment / ".installed"
    with _install_lock(tool):
        if not (stamp.exists() and stamp.read_text() == _stamp_of(tool)):
            report(f"installing {tool.command} into {tool.environment.name} (once)")
            _install(tool, report)
            stamp.write_text(_stamp_of(tool))
    return tool.path


def command(path: Path) -> list[str]:
    """How an installed tool is called: its own first line fails where the folder has a blank or a quote in its name."""
    return [str(path.with_name("python")), "-P", str(path)]


def environment() -> dict[str, str]:
    """What a tool runs with: it must not find this project's own packages, and it tells nobody that it ran."""
    return {**without_python_settings(os.environ), "SAM_CLI_TELEMETRY": "0"}
