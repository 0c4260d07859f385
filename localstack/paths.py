"""Where things are in a clone."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".state"
LOGS = STATE / "logs"
FUNCTION_LOG = LOGS / "functions.jsonl"
RUNNING = STATE / "up.json"
UP_LOCK = STATE / "up.lock"
