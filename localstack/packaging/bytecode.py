"""Compiled modules for a Lambda runtime, whose folder is read-only: without them every start compiles every module."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

_SECONDS = 300
# Where Lambda unpacks a function: what tracebacks name.
_TASK_ROOT = "/var/task"


def compile_all(files: Mapping[str, bytes], interpreter: Path) -> dict[str, bytes]:
    """The bytecode of every module, by the name that Python looks it up with.

    Python believes it without looking at the source. The same interpreter always makes the same bytes.
    """
    with tempfile.TemporaryDirectory(prefix="order-engine-bytecode-") as name:
        root = Path(name)
        for relative, content in files.items():
            if relative.endswith(".py"):
                path = root / relative
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        # In one process and with one seed: the order of what an interpreter compiled before shows in its output.
        subprocess.run(  # noqa: S603  # the interpreter found above
            [
                *(str(interpreter), "-S", "-P", "-m", "compileall", "-qq", "-j1", "--invalidation-mode=unchecked-hash"),
                *(f"-s{root}", f"-p{_TASK_ROOT}", str(root)),
            ],
            env={"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0", "HOME": name},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,  # libraries ship examples of broken code: those stay sources
        )
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.pyc"))}
