"""Structured JSON log lines and EMF metrics, both on standard output."""

from __future__ import annotations

import threading
from collections import defaultdict

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from chalicelib.correlation import bound

Dimensions = tuple[tuple[str, str], ...]
UNITS = {
    "QuoteSpreadBps": MetricUnit.NoUnit,
    "SlippageBps": MetricUnit.NoUnit,
    "QueueAgeMs": MetricUnit.Milliseconds,
    "StateMs": MetricUnit.Milliseconds,
}
# One fewer than EMF takes: at 100 Powertools writes by itself, and would then warn that nothing is left to write.
MAX_VALUES = 99


class PowertoolsTelemetry:
    """`Telemetry` on AWS Lambda Powertools. Metrics are kept for an invocation and written at its end."""

    def __init__(self) -> None:
        self.logger = Logger(log_uncaught_exceptions=False)
        self._samples: dict[tuple[str, Dimensions], list[float]] = defaultdict(list)
        self._lock = threading.Lock()

    def log(self, event: str, **fields: object) -> None:
        self.logger.info(event, extra={**bound(), **fields})

    def warn(self, event: str, **fields: object) -> None:
        self.logger.warning(event, extra={**bound(), **fields})

    def exception(self, event: str, error: Exception, **fields: object) -> None:
        self.logger.error(event, exc_info=error, extra={**bound(), **fields})

    def add_metric(self, metric: str, value: float = 1, **dimensions: str) -> None:
        with self._lock:
            self._samples[metric, tuple(sorted(dimensions.items()))].append(value)

    def flush(self) -> None:
        """Writes what was counted since the last time."""
        with self._lock:
            samples, self._samples = self._samples, defaultdict(list)
        for (name, dimensions), values in samples.items():
            unit = UNITS.get(name, MetricUnit.Count)
            written = [sum(values)] if unit is MetricUnit.Count else values
            for start in range(0, len(written), MAX_VALUES):
                metrics = EphemeralMetrics()
                for key, label in dimensions:
                    metrics.add_dimension(key, label)
                for value in written[start : start + MAX_VALUES]:
                    metrics.add_metric(name=name, unit=unit, value=value)
                metrics.flush_metrics()
