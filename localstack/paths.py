"""Where things are in a clone."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".state"
LOGS = STATE / "logs"
FUNCTION_LOG = LOGS / "functions.jsonl"
RUNNING = STATE / "up.json"
UP_LOCK = STATE / "up.lock"


def adopt_functions() -> None:
    """From now on the engine's own modules can be imported, as its functions import them."""
    sys.path.insert(0, str(ROOT / "functions"))
