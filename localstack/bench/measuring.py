"""Measures rows at servers: the load, the processor time and the log around it, after a warm-up."""

import asyncio
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from localstack.bench import processor_time
from localstack.bench.load import Progress, Samples, Workload, measure
from localstack.bench.own_stack import OwnStack
from localstack.bench.results import Run, Value
from localstack.bench.rows import Figure, Measurement, Row
from localstack.errors import NotOver
from localstack.logs.log_reader import LogReader

# The last lines are kept when their invocations end, some time after the orders that they work for.
_LOG_SECONDS = 1.0
# Connections opened, code paths run, both venues asked: no figure shall depend on being the first.
_WARM_UP = Workload(40, followed=10)


@dataclass(frozen=True, slots=True)
class Server:
    """What is measured; `own` where its processes can be seen, `name` where tables have to tell it from others."""

    name: str
    url: str
    history: int = 0
    own: OwnStack | None = None


def _load(server: Server, workload: Workload, seconds: float, progress: Progress) -> Samples:
    try:
        return asyncio.run(measure(server.url, workload, seconds, progress))
    except TimeoutError as error:
        raise NotOver(f"Not all orders were over within {seconds:.0f} s.") from error


def warm_up(server: Server, seconds: float, scale: float = 1) -> None:
    """Orders that no figure counts. Raises as the bench does."""
    _load(server, _WARM_UP.scaled(scale), seconds, lambda _done, _of: None)


def measure_load(server: Server, workload: Workload, seconds: float, progress: Progress) -> Measurement:
    """One load and what it took.

    Raises NotOver where not all orders end within the time, and what `Client.place` raises.
    """
    own = server.own
    if own is None:
        return Measurement(workload.orders, _load(server, workload, seconds, progress))
    with LogReader(Path(own.log)) as logged:
        logged.skip()
        before = processor_time.read(own.pid)
        samples = _load(server, workload, seconds, progress)
        spent = processor_time.spent(before, processor_time.read(own.pid))
        time.sleep(_LOG_SECONDS)
        log_bytes = sum(len(line.text.encode()) + 1 for line in logged.added())
    return Measurement(
        workload.orders,
        samples,
        {name: value * 1000 / workload.orders for name, value in spent.items()},
        log_bytes / workload.orders,
    )


def to_run(row: Row, server: Server, found: Measurement) -> Run:
    """The measurement as it is kept."""
    samples = found.samples
    return Run(
        row=row.name,
        title=row.title,
        server=server.name,
        history=server.history,
        values=tuple(_value(figure, found) for figure in row.figures),
        samples={
            "POST": _milliseconds(samples.posts),
            "commit → frame": _milliseconds(samples.frames),
            "order to end": _milliseconds(samples.orders),
        },
        moments={
            "posted": [round(value, 3) for value in sorted(samples.posted_at)],
            "ended": [round(value, 3) for value in samples.ended_at],
        },
        stages={name: round(statistics.mean(values) * 1000, 1) for name, values in samples.stages.items()},
        processor={name: round(value, 2) for name, value in found.processor_ms.items()},
        ends=dict(samples.ends),
        refused=samples.refused,
    )


def _value(figure: Figure, found: Measurement) -> Value:
    value = figure.read(found)
    kept = None if value is None else round(value, 3)
    return Value(figure.name, figure.unit, figure.better.value, figure.target, kept)


def _milliseconds(values: list[float]) -> list[float]:
    return [round(value * 1000, 1) for value in values]
