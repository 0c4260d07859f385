"""Clones to call commands in: copies of the sources that share this clone's installed libraries."""

import os
import shutil
import sys
from pathlib import Path

from localstack.paths import ROOT

SOURCES = (
    "dev", "functions", "infra", "localstack", "order_engine", "template.yaml", "requirements.txt", "constraints.txt",
)  # fmt: skip


def copy_to(folder: Path, umask: int = 0o022) -> Path:
    """Makes a clone of the folder, as somebody with that umask gets it."""
    folder.mkdir(parents=True, exist_ok=True)
    before = os.umask(umask)
    try:
        for name in SOURCES:
            if (ROOT / name).is_dir():
                unneeded = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, folder / name, ignore=unneeded, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(ROOT / name, folder / name)
    finally:
        os.umask(before)
    (folder / "dev").chmod(0o700)
    # Installing takes a minute: the clone's own interpreter and libraries, at another path.
    (folder / ".venv").symlink_to(Path(sys.prefix))
    return folder
