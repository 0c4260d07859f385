"""Lines of functions as the local stack keeps them (localstack/local_stack/function_log.py), with any time."""

import json
from dataclasses import asdict
from pathlib import Path

from localstack.logs.log_lines import Line


def as_json(line: Line) -> str:
    return json.dumps(asdict(line)) + "\n"


def append(path: Path, lines: list[Line]) -> None:
    with path.open("a") as file:
        file.writelines(as_json(line) for line in lines)
