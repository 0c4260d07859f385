"""What orders cost on AWS, computed of what an order uses (cost_counts.py measures it) and of AWS's prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from localstack.paths import ROOT

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
WATCHER_METRICS = 7


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
