"""The rows of the bench: what is posted, what is read from it, and what it is to reach."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from localstack.bench.load import Samples, Workload
from localstack.bench.percentiles import percentile


class Better(Enum):
    """Which way a figure gets better."""

    LOWER = "≤"
    HIGHER = "≥"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run of a row gave; `processor_ms` an order by process, empty where they can't be seen."""

    orders: int
    samples: Samples
    processor_ms: Mapping[str, float] = field(default_factory=dict)
    log_bytes: float | None = None  # an order


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a row shows; `read` gives None where a run has none."""

    name: str
    unit: str
    better: Better
    target: float | None
    read: Callable[[Measurement], float | None]


@dataclass(frozen=True, slots=True)
class Row:
    """`delays`: with the venues' shipped delays, or with none."""

    name: str
    title: str
    workload: Workload
    delays: bool
    figures: tuple[Figure, ...]


def _over(run: Measurement) -> float:
    return run.samples.over


def _throughput(run: Measurement) -> float:
    return run.orders / run.samples.over


def _milliseconds(samples: list[float], rank: float) -> float | None:
    return percentile(samples, rank) * 1000 if samples else None


def _post(rank: float) -> Callable[[Measurement], float | None]:
    return lambda run: _milliseconds(run.samples.posts, rank)


def _frame(rank: float) -> Callable[[Measurement], float | None]:
    return lambda run: _milliseconds(run.samples.frames, rank)


def _order(rank: float) -> Callable[[Measurement], float | None]:
    return lambda run: _milliseconds(run.samples.orders, rank)


def _processor(name: str | None = None) -> Callable[[Measurement], float | None]:
    def read(run: Measurement) -> float | None:
        if not run.processor_ms:
            return None
        return sum(run.processor_ms.values()) if name is None else run.processor_ms.get(name, 0.0)

    return read


def _log(run: Measurement) -> float | None:
    return None if run.log_bytes is None else run.log_bytes / 1024


LOW, HIGH = Better.LOWER, Better.HIGHER
_POSTS = (Figure("POST p50", "ms", LOW, None, _post(50)), Figure("POST p99", "ms", LOW, None, _post(99)))
_ENDS = (
    Figure("order to end p50", "ms", LOW, None, _order(50)),
    Figure("order to end p99", "ms", LOW, None, _order(99)),
)

ROWS: tuple[Row, ...] = (
    Row(
        "burst",
        "200 orders, shipped delays, 16 connections",
        Workload(200),
        delays=True,
        figures=(Figure("all ended", "s", LOW, 6.5, _over), *_POSTS, *_ENDS),
    ),
    Row(
        "frame-1",
        "one order after the other, each followed",
        Workload(5, connections=1, followed=5, one_by_one=True),
        delays=True,
        figures=(Figure("commit → frame p50", "ms", LOW, 15, _frame(50)), Figure("p99", "ms", LOW, None, _frame(99))),
    ),
    Row(
        "frame-10",
        "ten orders at once, each followed",
        Workload(10, connections=10, followed=10),
        delays=True,
        figures=(Figure("commit → frame p50", "ms", LOW, 25, _frame(50)), Figure("p99", "ms", LOW, None, _frame(99))),
    ),
    Row(
        "frame-200",
        "200 orders, ten of them followed",
        Workload(200, followed=10),
        delays=True,
        figures=(Figure("commit → frame p50", "ms", LOW, 300, _frame(50)), Figure("p99", "ms", LOW, None, _frame(99))),
    ),
    Row(
        "sustained",
        "2,000 orders, shipped delays, 16 connections",
        Workload(2000),
        delays=True,
        figures=(
            Figure("throughput", "orders/s", HIGH, 60, _throughput),
            _POSTS[0],
            Figure("POST p99", "ms", LOW, 500, _post(99)),
            *_ENDS,
        ),
    ),
    Row(
        "arrivals",
        "20 orders/s for 30 s whatever the answers do, shipped delays",
        Workload(600, rate=20),
        delays=True,
        figures=(*_POSTS, *_ENDS),
    ),
    Row(
        "unwatched",
        "2,000 orders, no delays, nobody follows",
        Workload(2000),
        delays=False,
        figures=(
            Figure("throughput", "orders/s", HIGH, 150, _throughput),
            *_POSTS,
            Figure("processor time an order", "ms", LOW, 13, _processor()),
            Figure("of it execute_orders", "ms", LOW, 3, _processor("execute_orders")),
            Figure("of it push_status", "ms", LOW, 0.05, _processor("push_status")),
            Figure("of it api", "ms", LOW, 1.5, _processor("api")),
            Figure("log an order", "KiB", LOW, 4, _log),
        ),
    ),
    Row(
        "watched",
        "2,000 orders, no delays, each followed from the start",
        Workload(2000, followed=2000),
        delays=False,
        figures=(
            Figure("throughput", "orders/s", HIGH, 70, _throughput),
            Figure("processor time an order", "ms", LOW, None, _processor()),
            Figure("log an order", "KiB", LOW, None, _log),
        ),
    ),
)
COST = "cost"
EVERY_ROW = (*(row.name for row in ROWS), COST)
