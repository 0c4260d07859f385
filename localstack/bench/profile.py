"""What an order's processor time goes to: by process from the kernel's counts, by function from samples (py-spy)."""

import re
import signal
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from localstack.bench import measuring
from localstack.bench.load import Progress, Workload
from localstack.bench.measuring import Server
from localstack.bench.own_stack import own_stack
from localstack.bench.processor_time import kind_of
from localstack.deployment import tools
from localstack.errors import UserError

# A sample stops each of some fifty processes for a moment: more of them would mostly measure themselves.
_RATE = 20
_ATTACH_SECONDS = 3.0
_WRITE_SECONDS = 60.0
_PROCESS = re.compile(r'process \d+:"(.*?)"(?:;|$)')
_LINE = re.compile(r":\d+\)$")


@dataclass(frozen=True, slots=True)
class Profile:
    """Milliseconds an order by process, and the share of each process's samples that a function was on the stack in.

    `inside` counts a function with all that it calls, `itself` only where it was the innermost.
    """

    processor: Mapping[str, float]
    samples: Mapping[str, int]
    inside: Mapping[str, Mapping[str, float]]
    itself: Mapping[str, Mapping[str, float]]


def functions_of(stacks: Iterable[str]) -> tuple[dict[str, int], dict[str, Counter[str]], dict[str, Counter[str]]]:
    """Samples by process, and by process and function: on the stack, and innermost.

    `stacks` are py-spy's raw lines: `process N:"command";…;function (file:line);… COUNT`.
    """
    samples: Counter[str] = Counter()
    inside: dict[str, Counter[str]] = defaultdict(Counter)
    itself: dict[str, Counter[str]] = defaultdict(Counter)
    for line in stacks:
        stack, _, number = line.rstrip().rpartition(" ")
        commands = _PROCESS.findall(stack)
        frames = [_LINE.sub(")", frame) for frame in _PROCESS.sub("", stack).split(";") if frame]
        if not commands or not frames or not number.isdecimal():
            continue
        kind, count = kind_of([commands[-1]]), int(number)
        samples[kind] += count
        itself[kind][frames[-1]] += count
        for frame in set(frames):
            inside[kind][frame] += count
    return dict(samples), inside, itself


def profile(workload: Workload, seconds: float, step: Callable[[str], Progress]) -> Profile:
    """Runs the load twice on a stack without delays: once for the kernel's counts, once with samples.

    Raises UserError where py-spy can't be installed or may not look at processes.
    """

    def report(text: str) -> None:
        step(text)

    spy = tools.ensure("py-spy", report)
    step("starting a stack")
    with (
        tempfile.TemporaryDirectory(prefix="order-engine-profile-") as folder,
        own_stack(SimulatedDelayScale="0") as (
            own,
            _,
        ),
    ):
        server = Server("own", own.url, own=own)
        measuring.warm_up(server, seconds)
        counted = measuring.measure_load(server, workload, seconds, step("counting processor time"))
        stacks = Path(folder) / "stacks"
        sampler = subprocess.Popen(  # noqa: S603  # our own command line
            [
                str(spy),
                *("record", "--pid", str(own.pid), "--subprocesses", "--gil", "--rate", str(_RATE)),
                *("--format", "raw", "--output", str(stacks)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            time.sleep(_ATTACH_SECONDS)
            if sampler.poll() is not None:
                raise UserError(f"py-spy may not look at the processes: {(sampler.communicate()[0] or '').strip()}")
            measuring.measure_load(server, workload, seconds, step("sampling"))
            sampler.send_signal(signal.SIGINT)
            said, _ = sampler.communicate(timeout=_WRITE_SECONDS)
        finally:
            sampler.kill()
        if not stacks.exists():
            raise UserError(f"py-spy found nothing: {said.strip()[-500:]}")
        samples, inside, itself = functions_of(stacks.read_text().splitlines())
    return Profile(counted.processor_ms, samples, _shares(inside, samples), _shares(itself, samples))


def _shares(found: Mapping[str, Counter[str]], samples: Mapping[str, int]) -> dict[str, dict[str, float]]:
    return {
        kind: {name: count / samples[kind] for name, count in counts.most_common()} for kind, counts in found.items()
    }
