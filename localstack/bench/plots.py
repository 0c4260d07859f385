"""The page of plots, drawn by matplotlib in an environment of its own."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from localstack.bench.results import Results
from localstack.deployment import tools
from localstack.errors import UserError

_SCRIPT = Path(__file__).with_name("page.py")
_DRAW_SECONDS = 300


def write(results: Results, page: Path, report: Callable[[str], None]) -> None:
    """Writes one page that holds everything it shows. Raises UserError where it can't be drawn."""
    python = tools.ensure("py-spy", report).with_name("python")
    with tempfile.TemporaryDirectory(prefix="order-engine-plots-") as folder:
        written = Path(folder) / "results.json"
        results.write(written)
        done = subprocess.run(  # noqa: S603  # our own command line
            [str(python), "-P", str(_SCRIPT), str(written), str(page.resolve())],
            env={**tools.environment(), "MPLCONFIGDIR": folder},
            capture_output=True,
            text=True,
            timeout=_DRAW_SECONDS,
            check=False,
        )
    if done.returncode:
        raise UserError(f"The page of plots could not be drawn:\n{done.stderr.strip()[-1000:]}")
