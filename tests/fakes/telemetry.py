"""What was logged and counted."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

# Every metric and its dimensions, as the dashboard shows them (tests/unit/infra/test_nested.py holds it to these).
METRICS: Final[Mapping[str, frozenset[str]]] = {
    metric: frozenset(dimensions.split())
    for metric, dimensions in {
        "AuthFailures": "reason",
        "EndsNotTold": "",
        "EnqueueFailures": "",
        "FireBacklog": "",
        "FollowersDropped": "reason",
        "IssuerKeysNotFetched": "",
        "MessagesFailed": "",
        "OrderAttempts": "",
        "OrdersAccepted": "",
        "OrdersCancelled": "",
        "OrdersConfirmed": "",
        "OrdersExpired": "",
        "OrdersFailed": "code",
        "OrdersResting": "",
        "PublishFailures": "",
        "PushedMessages": "",
        "QueueAgeMs": "queue",
        "QuoteSpreadBps": "",
        "ReconcileRepairs": "repair",
        "SlippageBps": "",
        "StaleIssuerKeys": "",
        "StateMs": "status",
        "TriggerLatencyMs": "",
        "TriggersFired": "kind",
        "TriggersMissed": "",
        "VenueChosen": "venue",
        "WatcherBeats": "",
    }.items()
}


@dataclass(frozen=True)
class Line:
    """A log line."""

    event: str
    fields: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """A metric's value."""

    metric: str
    value: float
    dimensions: dict[str, str]


class RecordingTelemetry:
    """`Telemetry` that keeps everything."""

    def __init__(self) -> None:
        self.steps: list[Line] = []
        self.lines: list[Line] = []
        self.warnings: list[Line] = []
        self.exceptions: list[tuple[str, Exception]] = []
        self.samples: list[Sample] = []
        self._lock = threading.Lock()

    def debug(self, event: str, **fields: object) -> None:
        with self._lock:
            self.steps.append(Line(event, fields))

    def log(self, event: str, **fields: object) -> None:
        with self._lock:
            self.lines.append(Line(event, fields))

    def warn(self, event: str, **fields: object) -> None:
        with self._lock:
            self.warnings.append(Line(event, fields))

    def exception(self, event: str, error: Exception, **fields: object) -> None:
        with self._lock:
            self.exceptions.append((event, error))

    def add_metric(self, metric: str, value: float = 1, **dimensions: str) -> None:
        assert METRICS[metric] == dimensions.keys(), f"{metric} is shown with other dimensions"
        with self._lock:
            self.samples.append(Sample(metric, value, dimensions))

    def end_invocation(self, **fields: object) -> None:
        self.log("invocation", **fields)

    def total(self, metric: str, **dimensions: str) -> float:
        """The sum of a metric's values that have at least these dimensions."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.metric == metric and dimensions.items() <= sample.dimensions.items()
        )

    def logged(self, event: str) -> list[Line]:
        """Every line of this event, steps and warnings too."""
        return [line for line in (*self.steps, *self.lines, *self.warnings) if line.event == event]
