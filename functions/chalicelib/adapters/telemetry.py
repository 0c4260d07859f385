"""Structured JSON log lines on standard output, with metrics in EMF (CloudWatch's embedded metric format)."""

from __future__ import annotations

import json
import logging
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from chalicelib.correlation import current

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
            self.logger.debug(event, extra={**current(), **fields})

    def log(self, event: str, **fields: object) -> None:
        self.logger.info(event, extra={**current(), **fields})

    def warn(self, event: str, **fields: object) -> None:
        self.logger.warning(event, extra={**current(), **fields})

    def exception(self, event: str, error: Exception, **fields: object) -> None:
        self.logger.error(event, exc_info=error, extra={**current(), **fields})

    def add_metric(self, metric: str, value: float = 1, **dimensions: str) -> None:
        with self._lock:
            self._samples[metric, tuple(sorted(dimensions.items()))].append(value)

    def end_invocation(self, **fields: object) -> None:
        """Logs that an invocation is over, with what it counted: in one line, and in more only where metrics differ in
        the value of one dimension.
        """
        line, *others = self._counted({**current(), **fields})
        if self.logger.log_level <= logging.INFO:
            self.logger.info("invocation", extra=line)
        elif "_aws" in line:
            others.append(line)
        for other in others:
            print(json.dumps(other))

    def _counted(self, first: dict[str, Any]) -> list[dict[str, Any]]:
        """`first` and further lines, with what was counted since the last time, each set in the first that it fits."""
        lines = [first]
        for metrics in self._metric_sets():
            fitting = (line for line in lines if all(line.get(n, v) == v for n, v in metrics.items() if n != "_aws"))
            line = next(fitting, None)
            if line is None:
                lines.append(metrics)
                continue
            known = line["_aws"]["CloudWatchMetrics"] if "_aws" in line else []
            line.update(metrics)
            line["_aws"]["CloudWatchMetrics"] = known + line["_aws"]["CloudWatchMetrics"]
        return lines

    def _metric_sets(self) -> Iterator[dict[str, Any]]:
        """The metrics of each set of dimensions, in EMF; twice where one has more values than a line may have."""
        with self._lock:
            samples, self._samples = self._samples, defaultdict(list)
        parts: dict[tuple[Dimensions, int], dict[str, dict[str, Any]]] = defaultdict(dict)
        for (name, dimensions), values in samples.items():
            unit = _unit_of(name)
            written = [sum(values)] if unit is MetricUnit.Count else values
            for start in range(0, len(written), MAX_VALUES):
                # All values of a metric at once: added one by one, with Powertools' checks of each, they were two
                # fifths of a worker's processor time.
                parts[dimensions, start][name] = {"Unit": unit.value, "Value": written[start : start + MAX_VALUES]}
        for (dimensions, _), metrics in parts.items():
            service = {"service": self._metrics.service}
            yield dict(self._metrics.serialize_metric_set(metrics, {**dict(dimensions), **service}))


def _unit_of(metric: str) -> MetricUnit:
    return UNITS.get(metric, MetricUnit.Count)
