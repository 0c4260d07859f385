"""The numbers of docs/cost.md: `python -m localstack.bench.cost [--measure]` writes them into the page.

What an order uses is measured once (cost_counts.py, by --measure) and kept in cost_measured.json.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cost.md"
RECORD = Path(__file__).with_name("cost_measured.json")
_BEGIN, _END = "<!-- {}: made by localstack/bench/cost.py -->", "<!-- end of {} -->"
_MILLION = 1_000_000
_HOURS = 730
_MEMORY_GB = 0.5
_WORKER_GB = 0.25
_GIB = 1024**3
# Lambda holds five long polls of 20 s open for each queue, also while nothing comes.
_IDLE_RECEIVES = 5 * 3 * 60 * _HOURS
_CONNECTION_MINUTES = 1
# X-Ray's default rule records the first request of a second and 5 % of the others.
_TRACED = 0.05
_ALARMS_FREE = 10
_METRICS_FREE = 10
# Reconcile once, the heartbeat three times, the watcher once; assumed: a look into the database or the table, with
# nothing to do. The watcher is not traced.
_SCHEDULED_A_MINUTE = 5
_TRACED_A_MINUTE = 4
_SCHEDULED_MS = 100
# While orders rest. Assumed: the time of a beat that fires nothing, on a core of its own (tests/benchmarks/resting.py
# has what it takes here). A beat is received and deleted; beats are queued in calls of ten, up to 62 s ahead.
_BEAT_MS = 30
_BEATS_AHEAD = 62
_BEATS_A_CALL = 10
WATCH_INTERVALS = (1, 2, 5, 10, 30)
# OrdersResting, WatcherBeats, TriggersFired of two kinds, TriggerLatencyMs, TriggersMissed, FireBacklog.
_WATCHER_METRICS = 7


@dataclass(frozen=True)
class Measured:
    """What an order used on average; milliseconds are those of an invocation."""

    orders: int
    calls: Mapping[str, float]
    invocations: Mapping[str, float]
    milliseconds: Mapping[str, float]
    frames: float
    log_bytes: int
    metrics: int


def load() -> dict[str, Measured]:
    """The kept measurement of each case of cost_counts.py."""
    return {name: Measured(**found) for name, found in json.loads(RECORD.read_text()).items()}


@dataclass(frozen=True)
class Prices:
    """USD in us-east-1, list, without any free tier but CloudWatch's; by million, GB second, hour or month.

    Checked in November 2026: the page's first table says against what.
    """

    rest_request: float = 3.50
    websocket_message: float = 1.00
    websocket_minute: float = 0.25
    lambda_request: float = 0.20
    lambda_gb_second: float = 0.0000133334
    sqs: float = 0.40
    sqs_fifo: float = 0.50
    dynamodb_write: float = 0.625
    dynamodb_read: float = 0.125
    logs_gb: float = 0.50
    trace: float = 5.00
    instance_hour: float = 0.032
    storage_gb: float = 0.115
    endpoint_hour: float = 0.01
    secret: float = 0.40
    alarm_metric: float = 0.10
    metric: float = 0.30
    dashboard: float = 3.00


PRICES = Prices()


@dataclass(frozen=True)
class Item:
    """One line of a bill: how much of what, and what that is in USD."""

    name: str
    quantity: str
    usd: float


def _units(calls: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return sum(calls.get(name, 0.0) * weight for name, weight in weights.items())


# Each item is smaller than a unit, and the table has no index; a query that reads consistently costs one unit.
_WRITES = {f"dynamodb {action}": 1.0 for action in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")}
_READS = {"dynamodb Query": 1.0, "dynamodb GetItem": 1.0}


def per_million(measured: Measured, prices: Prices = PRICES) -> list[Item]:
    """A million orders like the measured ones. Largest first; what is not used is left out."""
    seconds = {name: count * measured.milliseconds[name] / 1000 for name, count in measured.invocations.items()}
    worker = seconds.pop("execute-orders", 0.0) * _WORKER_GB
    others = sum(seconds.values()) * _MEMORY_GB
    # Beside what the functions send, Lambda receives and deletes once for each invocation by a queue.
    orders = _calls(measured, "sqs orders ") + 2 * measured.invocations.get("execute-orders", 0.0)
    events = _calls(measured, "sqs status-events ") + 2 * measured.invocations.get("push-status", 0.0)
    writes, reads = _units(measured.calls, _WRITES), _units(measured.calls, _READS)
    requests = sum(measured.invocations.values())
    gigabytes = measured.log_bytes * _MILLION / _GIB
    minutes = _CONNECTION_MINUTES if measured.frames else 0
    items = [
        Item("REST API", "1 request", prices.rest_request),
        Item("Lambda time, worker", f"{worker:.2f} GB s", worker * _MILLION * prices.lambda_gb_second),
        Item("Lambda time, the others", f"{others:.2f} GB s", others * _MILLION * prices.lambda_gb_second),
        Item("Lambda requests", f"{requests:.1f}", requests * prices.lambda_request),
        Item("WebSocket messages", f"{measured.frames:.1f}", measured.frames * prices.websocket_message),
        Item("WebSocket connection", f"{minutes} minute", minutes * prices.websocket_minute),
        Item("SQS orders", f"{orders:.1f} calls", orders * prices.sqs),
        Item("SQS status-events.fifo", f"{events:.1f} calls", events * prices.sqs_fifo),
        Item("DynamoDB writes", f"{writes:.1f} units", writes * prices.dynamodb_write),
        Item("DynamoDB reads", f"{reads:.1f} units", reads * prices.dynamodb_read),
        Item("CloudWatch Logs", f"{measured.log_bytes / 1024:.1f} KiB", gigabytes * prices.logs_gb),
        Item("X-Ray", f"{_TRACED:.2f} traces", _TRACED * prices.trace),
    ]
    return sorted((item for item in items if item.usd), key=lambda item: -item.usd)


def total(items: Sequence[Item]) -> float:
    """What they cost together, in USD."""
    return sum(item.usd for item in items)


def _calls(measured: Measured, prefix: str) -> float:
    return sum(count for name, count in measured.calls.items() if name.startswith(prefix))


def alarm_metrics(template: str) -> tuple[int, int]:
    """What a template's alarms are charged for: the metrics they name, and the queries, which are never free."""
    return template.count(" MetricName: "), template.count(" Expression: !Sub SELECT ")


def idle_month(measured: Measured, prices: Prices = PRICES) -> list[Item]:
    """A month without an order, with the template's defaults on AWS. Largest first."""
    watched, queries = alarm_metrics((ROOT / "infra" / "monitoring.yaml").read_text())
    minutes = _HOURS * 60
    call = prices.lambda_request / _MILLION + _SCHEDULED_MS / 1000 * _MEMORY_GB * prices.lambda_gb_second
    queues = (ROOT / "template.yaml").read_text().count("          Type: SQS\n")
    polls = _IDLE_RECEIVES / _MILLION * ((queues - 1) * prices.sqs + prices.sqs_fifo)
    charged = max(measured.metrics - _METRICS_FREE, 0)
    items = [
        Item("SQS endpoint in the VPC", f"2 zones × {_HOURS} h", 2 * _HOURS * prices.endpoint_hour),
        Item("RDS db.t4g.small", f"{_HOURS} h", _HOURS * prices.instance_hour),
        Item("RDS storage", "20 GiB gp3", 20 * prices.storage_gb),
        Item("Empty receives", f"{queues} queues × {_IDLE_RECEIVES:,}", polls),
        Item("Secrets", "2", 2 * prices.secret),
        Item(
            "Reconcile, heartbeat, watcher",
            f"{_SCHEDULED_A_MINUTE} × {minutes:,} × {_SCHEDULED_MS} ms",
            _SCHEDULED_A_MINUTE * minutes * call,
        ),
        # Each of these calls is the first of its second, which X-Ray's default rule always records.
        Item(
            "X-Ray",
            f"{_TRACED_A_MINUTE} × {minutes:,} traces",
            _TRACED_A_MINUTE * minutes / _MILLION * prices.trace,
        ),
        Item(
            "Alarms",
            f"{watched} metrics, {_ALARMS_FREE} free, {queries} queries",
            (max(watched - _ALARMS_FREE, 0) + queries) * prices.alarm_metric,
        ),
        Item("Dashboard", "1, 3 free", 0.0),
        Item("Custom metrics", f"{measured.metrics}, {_METRICS_FREE} free, at most", charged * prices.metric),
    ]
    return sorted(items, key=lambda item: -item.usd)


def resting_month(interval: int, prices: Prices = PRICES) -> list[Item]:
    """What orders that rest all month add to an idle one, with a beat each so many seconds."""
    minutes = _HOURS * 60
    beats = minutes * 60 // interval
    calls = 2 * beats + minutes * -(-_BEATS_AHEAD // interval // _BEATS_A_CALL)
    seconds = beats * _BEAT_MS / 1000
    return [
        Item("SQS ticks", f"{calls:,} calls", calls / _MILLION * prices.sqs),
        Item("Lambda time", f"{beats:,} × {_BEAT_MS} ms", seconds * _MEMORY_GB * prices.lambda_gb_second),
        Item("Lambda requests", f"{beats:,}", beats / _MILLION * prices.lambda_request),
    ]


def _resting() -> str:
    months = {interval: resting_month(interval) for interval in WATCH_INTERVALS}
    names = [item.name for item in months[1]]
    head = f"| `WatchIntervalSeconds` | {' | '.join(names)} | USD a month |"
    rows = [
        f"| {interval} | " + " | ".join(f"{item.usd:.2f}" for item in items) + f" | **{total(items):.2f}** |"
        for interval, items in months.items()
    ]
    metrics = (
        f"{_WATCHER_METRICS} metrics of the watcher, beyond the free ones: {_WATCHER_METRICS * PRICES.metric:.2f}."
    )
    return "\n".join([head, "| ---: |" + " ---: |" * (len(names) + 1), *rows, "", metrics])


def _table(head: str, items: Sequence[Item]) -> list[str]:
    total = sum(item.usd for item in items)
    rows = [f"| {item.name} | {item.quantity} | {item.usd:.2f} | {item.usd / total:.0%} |" for item in items]
    return [head, "| --- | --- | ---: | ---: |", *rows, f"| **together** | | **{total:.2f}** | |"]


def sections(measured: Mapping[str, Measured]) -> dict[str, str]:
    """The page's computed parts by name."""
    bills = {name: per_million(found) for name, found in measured.items()}
    idle = idle_month(next(iter(measured.values())))
    resting = resting_month(1)
    summary = [
        f"| a million orders, {name} | {total(items):.2f} | {_largest(items)} |" for name, items in bills.items()
    ]
    return {
        "summary": "\n".join(
            [
                "| | USD | largest items |",
                "| --- | ---: | --- |",
                *summary,
                f"| a month without an order | {total(idle):.2f} | {_largest(idle)} |",
                f"| a month in which orders rest, more | {total(resting):.2f} | {_largest(resting)} |",
            ]
        ),
        "counts": _counts(measured),
        "bills": "\n\n".join(
            "\n".join(_table(f"| {name} | per order | USD per million | |", items)) for name, items in bills.items()
        ),
        "resting": _resting(),
        "idle": "\n".join(_table("| idle | what | USD a month | |", idle)),
    }


def _largest(items: Sequence[Item]) -> str:
    return " and ".join(item.name for item in items[:2])


def _counts(measured: Mapping[str, Measured]) -> str:
    """What an order uses, a column a case."""
    cases = list(measured.values())
    calls = sorted({name for case in cases for name in case.calls})
    functions = sorted({name for case in cases for name in case.invocations})
    head = f"| {' | '.join(measured)} |"
    line = "| --- |" + " ---: |" * len(cases)
    rows = [f"| AWS call by a function, per order {head}", line]
    rows += [f"| {name} | " + " | ".join(f"{case.calls.get(name, 0):.1f}" for case in cases) + " |" for name in calls]
    rows += ["", f"| invocations per order × ms {head}", line]
    for name in functions:
        cells = (
            f"{case.invocations[name]:.1f} × {case.milliseconds[name]:.0f}" if name in case.invocations else "–"
            for case in cases
        )
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    rows += ["", f"| beside {head}", line]
    rows.append("| frames to the follower | " + " | ".join(f"{case.frames:.1f}" for case in cases) + " |")
    rows.append("| log lines, KiB | " + " | ".join(f"{case.log_bytes / 1024:.1f}" for case in cases) + " |")
    rows.append("| different metrics | " + " | ".join(str(case.metrics) for case in cases) + " |")
    rows.append("| orders counted | " + " | ".join(str(case.orders) for case in cases) + " |")
    return "\n".join(rows)


def rendered(page: str, measured: Mapping[str, Measured]) -> str:
    """The page with its computed parts made anew. Raises ValueError where one has no place."""
    for name, text in sections(measured).items():
        begin, end = _BEGIN.format(name), _END.format(name)
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            raise ValueError(f"{PAGE.name} has no place for {name}: it needs the lines {begin} and {end}.")
        page = f"{before}{begin}\n{text}\n{end}{after}"
    return page


def measure(orders: int, report: Callable[[str], object]) -> dict[str, Measured]:
    """Counts anew, by case. Raises UserError where the stack to count on does not start."""
    from localstack.bench.cost_counts import measure

    with tempfile.TemporaryDirectory(prefix="order-engine-cost-") as folder:
        Path(folder).chmod(0o755)  # Postgres runs as a user of its own where root calls
        return measure(Path(folder), orders, report=report)


def main() -> None:
    parser = argparse.ArgumentParser(description="Computes the numbers of docs/cost.md and writes them into it.")
    parser.add_argument("--measure", action="store_true", help="measures anew first (about two minutes)")
    parser.add_argument("--orders", type=int, default=10, help="how many orders to measure in each case")
    arguments = parser.parse_args()
    if arguments.measure:
        found = measure(arguments.orders, lambda text: sys.stderr.write(f"{text}\n"))
        RECORD.write_text(json.dumps({name: asdict(case) for name, case in found.items()}, indent=2) + "\n")
    PAGE.write_text(rendered(PAGE.read_text(), load()))
    sys.stdout.write(sections(load())["summary"] + "\n")


if __name__ == "__main__":
    main()
