"""Pythons of this machine beside the one that runs this: what is on the path, and where pyenv and uv keep theirs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_SECONDS = 30


def _candidates(name: str) -> Iterator[Path]:
    found = shutil.which(name)
    if found is not None:
        yield Path(found)
    version = name.removeprefix("python")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local" / "share" / "uv" / "python")
    for folder, pattern in ((pyenv, f"{version}.*"), (uv, f"cpython-{version}.*")):
        yield from (made / "bin" / name for made in sorted(folder.glob(pattern), reverse=True))


def _runs(path: Path, name: str) -> bool:
    """Whether it is that Python: pyenv puts every name on the path, also of versions that it does not have."""
    asked = [str(path), "-I", "-c", "import sys, venv; print('python%d.%d' % sys.version_info[:2])"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_SECONDS, check=False).stdout  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.strip() == name


def find(name: str) -> Path | None:
    """The interpreter of a name such as python3.13, None where this machine has none that runs."""
    if name == f"python{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    return next((path for path in _candidates(name) if path.is_file() and _runs(path, name)), None)
