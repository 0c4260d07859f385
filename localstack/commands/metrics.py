"""`metrics`: what the functions counted, from the EMF lines that CloudWatch would read."""

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from localstack.bench.percentiles import percentile
from localstack.errors import UserError
from localstack.logs.log_lines import Line
from localstack.logs.log_reader import LogReader
from localstack.paths import FUNCTION_LOG
from order_engine.cli.console import Console

_OF_EVERY_METRIC = "service"
_LOOK_SECONDS = 2.0


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


def _add_samples(counted: dict[Series, list[float]], lines: Iterable[Line]) -> None:
    for line in lines:
        for series, values in _samples(line.text):
            counted[series].extend(values)


def read(path: Path) -> dict[Series, list[float]]:
    """Every value that the functions reported, by series."""
    counted: dict[Series, list[float]] = defaultdict(list)
    with LogReader(path) as kept:
        _add_samples(counted, kept.existing())
    return counted


_UNITS = {"Milliseconds": "ms", "Seconds": "s", "Bytes": "B", "Percent": "%", "None": ""}


def _row(series: Series, values: list[float]) -> tuple[str | Text, ...]:
    name = Text.assemble(series.name, (f" {series.dimensions}" if series.dimensions else "", "dim"))
    if series.unit == "Count":
        return name, f"{sum(values):g}", "", "", "", ""
    unit = _UNITS.get(series.unit, series.unit.lower())
    middle, high, highest = (
        f"{value:.0f}" for value in (statistics.median(values), percentile(values, 95), max(values))
    )
    return name, f"{len(values)}", middle, high, highest, unit


def _table(counted: dict[Series, list[float]]) -> Table:
    table = Table(
        "metric", *(Column(name, justify="right") for name in ("total", "median", "p95", "highest")), "", box=None
    )
    for series, values in sorted(counted.items()):
        table.add_row(*_row(series, values))
    return table


def metrics(
    *,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Goes on showing them until Ctrl-C; also from before the first.")
    ] = False,
) -> None:
    """Shows what the functions counted: totals, and for what is measured its median, 95th percentile and highest."""
    console = Console()
    counted: dict[Series, list[float]] = defaultdict(list)
    with LogReader(FUNCTION_LOG) as kept:
        _add_samples(counted, kept.existing())
        if not watch:
            if not counted:
                raise UserError("Nothing has been counted yet: start the stack with ./dev up and place an order.")
            console.print(_table(counted))
            return
        if console.is_terminal:
            with Live(_table(counted), console=console, auto_refresh=False, vertical_overflow="crop") as live:
                while True:
                    time.sleep(_LOOK_SECONDS)
                    _add_samples(counted, kept.added())
                    live.update(_table(counted), refresh=True)
        # Into a file: the table again whenever more was counted.
        while True:
            console.print(_table(counted))
            while not (added := kept.added()):
                time.sleep(_LOOK_SECONDS)
            _add_samples(counted, added)


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(metrics)
