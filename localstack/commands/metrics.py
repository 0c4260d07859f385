"""`metrics`: what the functions counted, from the EMF lines that CloudWatch would read."""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import typer
from rich.table import Table

from localstack.client.console import Console
from localstack.errors import UserError
from localstack.logs.log_reader import KeptLines
from localstack.paths import FUNCTION_LOG

_OF_EVERY_METRIC = "service"


@dataclass(frozen=True, order=True)
class Series:
    """A metric, its dimensions beside the service, and its unit."""

    name: str
    dimensions: str
    unit: str


def _samples(text: str) -> Iterable[tuple[Series, list[float]]]:
    """The values of one line; none where it is no EMF line."""
    try:
        line = json.loads(text)
    except ValueError:
        return
    if not isinstance(line, dict) or "_aws" not in line:
        return
    for directive in line["_aws"]["CloudWatchMetrics"]:
        names = [name for name in directive["Dimensions"][0] if name != _OF_EVERY_METRIC]
        dimensions = ", ".join(f"{name}={line[name]}" for name in names)
        for metric in directive["Metrics"]:
            values = line[metric["Name"]]
            series = Series(metric["Name"], dimensions, metric["Unit"])
            yield series, cast("list[float]", values if isinstance(values, list) else [values])


def read(path: Path) -> dict[Series, list[float]]:
    """Every value that the functions reported, by series."""
    found: dict[Series, list[float]] = defaultdict(list)
    with KeptLines(path) as kept:
        for line in kept.there():
            for series, values in _samples(line.text):
                found[series].extend(values)
    return found


def _row(series: Series, values: list[float]) -> tuple[str, ...]:
    name = f"{series.name} [dim]{series.dimensions}[/dim]" if series.dimensions else series.name
    if series.unit == "Count":
        return name, f"{sum(values):g}", "", ""
    return name, f"{len(values)}", f"{statistics.median(values):.0f}", f"{max(values):.0f}"


def metrics() -> None:
    """Shows what the functions counted: totals, and for durations and spreads the median and the highest."""
    counted = read(FUNCTION_LOG)
    if not counted:
        raise UserError("Nothing has been counted yet: start the stack with ./dev up and place an order.")
    table = Table("metric", "total", "median", "highest", box=None)
    for series, values in sorted(counted.items()):
        table.add_row(*_row(series, values))
    Console().print(table)


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(metrics)
