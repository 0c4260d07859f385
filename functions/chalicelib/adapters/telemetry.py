"""Structured JSON log lines and EMF metrics, both on standard output."""

from __future__ import annotations

import json
import logging
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from chalicelib.correlation import bound

Dimensions = tuple[tuple[str, str], ...]
UNITS = {
    "QuoteSpreadBps": MetricUnit.NoUnit,
    "SlippageBps": MetricUnit.NoUnit,
    "QueueAgeMs": MetricUnit.Milliseconds,
    "StateMs": MetricUnit.Milliseconds,
    "TriggerLatencyMs": MetricUnit.Milliseconds,
}
MAX_VALUES = 100  # of a metric in one line: EMF's limit


class PowertoolsTelemetry:
    """`Telemetry` on AWS Lambda Powertools. Metrics are kept for an invocation and written at its end."""

    def __init__(self) -> None:
        # Where in this file a line was written tells nothing.
        self.logger = Logger(log_uncaught_exceptions=False, location=None)
        self._metrics = EphemeralMetrics()
        self._samples: dict[tuple[str, Dimensions], list[float]] = defaultdict(list)
        self._lock = threading.Lock()

    def debug(self, event: str, **fields: object) -> None:
        if self.logger.log_level <= logging.DEBUG:
            self.logger.debug(event, extra={**bound(), **fields})

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
        """Writes what was counted since the last time: one line for all metrics with the same dimensions."""
        with self._lock:
            samples, self._samples = self._samples, defaultdict(list)
        lines: dict[Dimensions, list[dict[str, list[float]]]] = {}
        for (name, dimensions), values in samples.items():
            written = [sum(values)] if _unit_of(name) is MetricUnit.Count else values
            parts = lines.setdefault(dimensions, [])
            for number, start in enumerate(range(0, len(written), MAX_VALUES)):
                if number == len(parts):
                    parts.append({})
                parts[number][name] = written[start : start + MAX_VALUES]
        for dimensions, parts in lines.items():
            for part in parts:
                self._write(part, dimensions)

    def _write(self, values: Mapping[str, Sequence[float]], dimensions: Dimensions) -> None:
        # All values of a metric at once: added one by one, with Powertools' checks of each, they were two fifths of
        # a worker's processor time.
        metrics = {name: {"Unit": _unit_of(name).value, "Value": each} for name, each in values.items()}
        service = {"service": self._metrics.service}
        print(json.dumps(self._metrics.serialize_metric_set(metrics, {**dict(dimensions), **service})))


def _unit_of(metric: str) -> MetricUnit:
    return UNITS.get(metric, MetricUnit.Count)
