"""On what and of what a figure was measured."""

import os
import platform
import subprocess
from pathlib import Path

import psutil

from localstack.paths import ROOT

_GIT_SECONDS = 10


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (
        line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Hardware", "CPU part"))
    )
    return next(names, platform.machine())


def describe() -> dict[str, str]:
    """Processor, cores that this process may use, load before, memory, system and interpreter."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": f"{cores} × {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 1024**3:.1f} GiB",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def commit() -> str:
    """The commit of this clone, with a + where files were changed since; says so where git can't tell."""
    try:
        return _git("rev-parse", "--short=12", "HEAD") + ("+" if _git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown (no git here)"


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603  # our own command line
        ["git", *arguments],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=_GIT_SECONDS,
    )
    return done.stdout.strip()
