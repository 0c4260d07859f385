"""Processor time of a stack's processes, by what they are."""

import contextlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

_FUNCTION = re.compile(r"ministack-lambda-.*-([A-Z][A-Za-z]+)Function-")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
FRONT_DOOR, EMULATOR, POSTGRES, OTHER = "front door", "emulator", "Postgres", "other"


def kind_of(command: Sequence[str]) -> str:
    """What a process of the stack is, by its command: a function's name, or one of the parts above."""
    text = " ".join(command)
    if found := _FUNCTION.search(text):
        return _HUMP.sub("_", found[1]).lower()
    if "ministack_process.py" in text:
        return EMULATOR
    if "bin/postgres" in text or text.startswith("postgres:"):
        return POSTGRES
    # `./dev up` itself, or the bench's own stack.
    return FRONT_DOOR if re.search(r"localstack(\.bench\.own_stack)?( |$)", text) else OTHER


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds of processor time so far, by process; a number may be given to another one later, so with its start."""

    seconds: Mapping[tuple[int, float], float]
    kinds: Mapping[tuple[int, float], str]


def read(pid: int) -> Reading:
    """Of this process and all below it. A process that has just ended is left out."""
    seconds: dict[tuple[int, float], float] = {}
    kinds: dict[tuple[int, float], str] = {}
    above = psutil.Process(pid)
    for process in (above, *above.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied), process.oneshot():
            key = process.pid, process.create_time()
            times = process.cpu_times()
            seconds[key] = times.user + times.system
            kinds[key] = kind_of(process.cmdline())
    return Reading(seconds, kinds)


def spent(before: Reading, after: Reading) -> dict[str, float]:
    """Seconds between the two readings by kind, the largest first. What ended meanwhile is not in it."""
    found: dict[str, float] = defaultdict(float)
    for key, seconds in after.seconds.items():
        found[after.kinds[key]] += seconds - before.seconds.get(key, 0.0)
    return dict(sorted(found.items(), key=lambda item: -item[1]))
