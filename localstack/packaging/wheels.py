"""The libraries of an artifact: wheels of exactly the content that the lock names, for a Lambda runtime's platform."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from localstack.environment import pip_environment
from localstack.errors import UserError
from localstack.paths import ROOT

FUNCTIONS_LOCK = ROOT / "infra" / "artifact" / "functions.lock"
MIGRATIONS_LOCK = ROOT / "infra" / "artifact" / "migrations.lock"
AUTHORITIES_LOCK = ROOT / "infra" / "artifact" / "authorities.lock"
_CACHE = ROOT / ".build" / "wheels"
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
# What each runtime's Linux has: Amazon Linux 2 up to Python 3.11, Amazon Linux 2023 since.
_GLIBC_MINOR = {"python3.11": 26, "python3.12": 34, "python3.13": 34, "python3.14": 34}
_OLDEST_GLIBC_MINOR = 17
_DOWNLOAD_SECONDS = 900
RUNTIMES = tuple(_GLIBC_MINOR)
ARCHITECTURES = tuple(_MACHINES)
Report = Callable[[str], None]


def ignore_progress(_: str) -> None:
    """Reports to nobody."""


@dataclass(frozen=True)
class Platform:
    """A Lambda runtime on a processor. `glibc_minor` is the newest glibc 2.x that its libraries may need."""

    runtime: str
    architecture: str
    glibc_minor: int

    @property
    def name(self) -> str:
        """For people and file names."""
        return f"{self.runtime}-{self.architecture}"

    @property
    def python_version(self) -> str:
        """Such as 3.13."""
        return self.runtime.removeprefix("python")

    def pip_options(self) -> list[str]:
        """What makes pip choose wheels for this platform, whatever it runs on itself."""
        machine = _MACHINES[self.architecture]
        tags = [f"manylinux_2_{minor}_{machine}" for minor in range(self.glibc_minor, _OLDEST_GLIBC_MINOR - 1, -1)]
        abi = f"cp{self.python_version.replace('.', '')}"
        return [
            *("--only-binary=:all:", "--implementation=cp", f"--python-version={self.python_version}"),
            *(f"--abi={tag}" for tag in (abi, "abi3", "none")),
            *(f"--platform={tag}" for tag in (*tags, f"manylinux2014_{machine}")),
        ]


def lambda_platform(runtime: str, architecture: str) -> Platform:
    """The platform of functions with these template parameters.

    Raises UserError where Lambda, or this project, has no such runtime or processor.
    """
    if runtime not in _GLIBC_MINOR:
        raise UserError(f"There is no runtime {runtime}: PythonRuntime takes {', '.join(RUNTIMES)}.")
    if architecture not in _MACHINES:
        raise UserError(f"There is no processor {architecture}: Architecture takes {' or '.join(ARCHITECTURES)}.")
    if (runtime, architecture) == ("python3.11", "arm64"):
        raise UserError(
            "psycopg has no library for python3.11 on arm64, whose Linux is too old (glibc 2.26): choose python3.12 or "
            "newer with --parameter PythonRuntime=…, or --parameter Architecture=x86_64."
        )
    return Platform(runtime, architecture, _GLIBC_MINOR[runtime])


def this_platform() -> Platform:
    """The platform of this interpreter, for running an artifact here.

    Raises UserError where it is none that Lambda has: another system, libc, processor or Python.
    """
    libc, version = platform.libc_ver()
    machines = {machine: name for name, machine in _MACHINES.items()}
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    machine = platform.machine()
    if sys.platform != "linux" or libc != "glibc" or machine not in machines or runtime not in RUNTIMES:
        raise UserError(
            f"The artifact holds libraries for Linux and {', '.join(RUNTIMES)}, and this is {runtime} on "
            f"{platform.system()} {machine} {libc}: deploy it to LocalStack or AWS; ./dev up runs the same sources "
            "here."
        )
    return Platform(runtime, machines[machine], int(version.split(".")[1]))


def _download(arguments: list[str], report: Report) -> None:
    """Runs `pip download`, telling each file; raises UserError with the end of what it said."""
    pip = (sys.executable, "-I", "-m", "pip", "download")
    said: list[str] = []
    with subprocess.Popen(  # noqa: S603  # our own command line
        [*pip, *arguments],
        env=pip_environment(os.environ, sys.executable),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        limit = threading.Timer(_DOWNLOAD_SECONDS, process.kill)
        limit.start()
        try:
            for line in process.stdout or ():
                said.append(line.rstrip())
                if line.startswith("Collecting "):
                    report(f"fetching {line.split()[1]}")
            status = process.wait(timeout=_DOWNLOAD_SECONDS)
        finally:
            limit.cancel()
            process.kill()
    if status:
        errors = [line for line in said if line.startswith("ERROR")] or said
        raise UserError(
            "pip could not fetch the libraries of the artifact: mend what it says and try again.\n  "
            + "\n  ".join(errors[-5:])
        )


def fetch(lock: Path, target: Platform, report: Report = ignore_progress, *, cache: Path = _CACHE) -> list[Path]:
    """The wheels that the lock names for this platform, sorted by name; fetched once, then kept in `cache`.

    Each has one of the hashes that stand in the lock: what a package index offers later changes nothing.
    Raises UserError where one can't be had.
    """
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = cache / f"{lock.stem}-{target.name}-{target.glibc_minor}-{digest}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as made:
            wanted = ["--no-deps", "--require-hashes", f"--requirement={lock}", f"--dest={made}/wheels"]
            _download([*wanted, *target.pip_options()], report)
            try:
                Path(made, "wheels").rename(folder)
            except OSError:
                # Another process was quicker, with the same files.
                shutil.rmtree(Path(made, "wheels"))
    return sorted(folder.glob("*.whl"))


def resolve(requirements: Path, constraints: Path, target: Platform, extra: tuple[str, ...]) -> Iterator[Path]:
    """Every wheel that the requirements need on this platform, downloaded without a lock: for making one."""
    with tempfile.TemporaryDirectory(prefix="order-engine-lock-") as made:
        wanted = [f"--requirement={requirements}", f"--constraint={constraints}", f"--dest={made}", *extra]
        _download([*wanted, *target.pip_options()], ignore_progress)
        yield from sorted(Path(made).glob("*.whl"))
