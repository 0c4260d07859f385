"""`bench`: how fast the service is, and what an order costs it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localstack.errors import UserError
from order_engine.cli.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID
    from rich.table import Table

    from localstack.bench.load import Progress, Samples
    from localstack.bench.results import Results, Run
    from localstack.bench.run import Plan

_SIMPLE_SECONDS = 300.0
_ROW_SECONDS = 900.0

group = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")


def _percentiles(samples: list[float]) -> str:
    from localstack.bench.percentiles import percentile

    p50, p99, worst = (percentile(samples, rank) * 1000 for rank in (50, 99, 100))
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, worst {worst:.0f} ms ({len(samples)})"


def _simple_table(samples: "Samples", orders: int, connections: int) -> "Table":
    from rich.table import Table

    table = Table(show_header=False, box=None)
    table.add_row("posted", f"{orders} orders over {connections} connections in {samples.posted:.1f} s")
    table.add_row("all over", f"after {samples.over:.1f} s = {orders / samples.over:.1f} orders/s")
    table.add_row("ends", ", ".join(f"{count} {status}" for status, count in samples.ends.items()))
    table.add_row("POST", _percentiles(samples.posts))
    if samples.frames:
        table.add_row("commit to frame", _percentiles(samples.frames))
    return table


def _simple(orders: int, connections: int, follow: int, url: str, seconds: float) -> None:
    from localstack.bench import measuring
    from localstack.bench.load import Workload
    from localstack.client import local_program

    server = measuring.Server("", local_program.url_of(url))
    workload = Workload(orders, connections, min(follow, orders))
    found = measuring.measure_load(server, workload, seconds, lambda _done, _of: None)
    Console().print(_simple_table(found.samples, orders, connections))


class _Display:
    """A bar for the present step on a terminal, a line for each step anywhere else; each row as soon as it is there."""

    def __init__(self, console: Console, bar: "Bar | None") -> None:
        self._console = console
        self._bar = bar
        self._task: TaskID | None = None
        self._started = time.monotonic()

    def step(self, text: str) -> "Progress":
        bar = self._bar
        if bar is None:
            self._console.print(f"{time.monotonic() - self._started:6.1f} s  {text}", style="dim", soft_wrap=True)
            return lambda _done, _of: None
        if self._task is not None:
            bar.remove_task(self._task)
        task = self._task = bar.add_task(text, total=None)
        return lambda done, of: bar.update(task, completed=done, total=of)

    def done(self, run: "Run") -> None:
        from localstack.bench.tables import format_value

        figures = ", ".join(f"{value.name} {format_value(value.value, value.unit)}" for value in run.values)
        self._console.print(f"[bold]{run.row}[/bold]  {figures}", soft_wrap=True)


def _names(text: str) -> list[str]:
    from localstack.bench.rows import EVERY_ROW

    chosen = [name.strip() for name in text.split(",") if name.strip()] or list(EVERY_ROW)
    for name in chosen:
        if name not in EVERY_ROW:
            raise UserError(f"There is no row {name!r}: choose of {', '.join(EVERY_ROW)}.")
    return chosen


def _sizes(text: str) -> list[int]:
    sizes = [part.strip().replace("_", "") for part in text.split(",")]
    if not all(size.isdecimal() for size in sizes):
        raise UserError(f"--history takes numbers of orders, such as 0,100000,1000000, not {text!r}.")
    return sorted({int(size) for size in sizes})


@group.callback()
def bench(
    context: typer.Context,
    *,
    orders: Annotated[int | None, typer.Option(min=1, max=100_000, help="One load of so many (200).")] = None,
    connections: Annotated[int | None, typer.Option(min=1, max=256, help="One load over so many (16).")] = None,
    follow: Annotated[int | None, typer.Option(min=0, help="One load, so many followed over a WebSocket.")] = None,
    url: Annotated[
        list[str] | None, typer.Option(help="Another server with the same contract; may be repeated.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(min=1, help="Seconds until a load is given up.")] = None,
    rows: Annotated[str, typer.Option(help="Only these rows, separated by commas.")] = "",
    history: Annotated[str, typer.Option(help="The rows with so many older orders each, such as 0,100000.")] = "0",
    scale: Annotated[float, typer.Option(min=0.001, max=100, help="Makes every row so many times as large.")] = 1.0,
    own: Annotated[bool, typer.Option("--own/--no-own", help="Measure a stack of this clone's code.")] = True,
    json: Annotated[Path | None, typer.Option(help="Writes all figures and samples there.")] = None,
    html: Annotated[Path | None, typer.Option(help="Writes one page of plots there.")] = None,
    compare: Annotated[Path | None, typer.Option(help="Shows the figures of an earlier --json beside.")] = None,
) -> None:
    """Measures every row of docs/performance.md on a stack of its own, which takes some minutes.

    With --orders, --connections or --follow: one load at the stack that runs in this clone, or at --url. Exit status: 0
    all orders are over, however they ended; else as that of order.
    """
    if context.invoked_subcommand:
        return
    if orders is not None or connections is not None or follow is not None:
        if url and len(url) > 1:
            raise UserError("One load goes to one --url; several are for the rows.")
        _simple(orders or 200, connections or 16, follow or 0, (url or [""])[0], timeout or _SIMPLE_SECONDS)
        return
    from localstack.bench import run, tables
    from localstack.bench.results import Results
    from localstack.client import local_program

    old = Results.read(compare) if compare else None
    urls = [local_program.url_of(each) for each in url or ()]
    plan = run.Plan(_names(rows), urls, _sizes(history), own, scale, timeout or _ROW_SECONDS)
    if not plan.own and not plan.urls:
        raise UserError("There is nothing to measure: --no-own needs a --url.")
    for path in filter(None, (json, html)):
        if not path.parent.is_dir():
            raise UserError(f"{path} can't be written: there is no folder {path.parent}.")
    console = Console()
    results = _run(plan, console)
    console.print()
    console.print(tables.table(results.runs, old))
    if (by_process := tables.processor_table(results.runs)) is not None:
        console.print()
        console.print(by_process)
    console.print(f"\n{tables.origin_line(results)}", soft_wrap=True)
    if json is not None:
        results.write(json)
    if html is not None:
        from localstack.bench import plots

        plots.write(results, html, lambda text: console.print(text, style="dim"))


def _run(plan: "Plan", console: Console) -> "Results":
    from localstack.bench import run

    if not console.is_terminal:
        return run.measure(plan, _Display(console, None))
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        return run.measure(plan, _Display(console, bar))


@group.command()
def profile(
    *,
    orders: Annotated[int, typer.Option(min=1, max=100_000, help="How many orders, twice.")] = 400,
    connections: Annotated[int, typer.Option(min=1, max=256)] = 16,
    follow: Annotated[int, typer.Option(min=0, help="How many of them are followed.")] = 0,
    functions: Annotated[int, typer.Option(min=1, help="How many functions of each process are shown.")] = 15,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds until a load is given up.")] = _ROW_SECONDS,
) -> None:
    """Shows the processor time of an order by process and by function, on a stack of its own without delays."""
    from localstack.bench import tables
    from localstack.bench.load import Workload
    from localstack.bench.profile import profile as take

    console = Console()
    display = _Display(console, None)
    found = take(Workload(orders, connections, min(follow, orders)), timeout, display.step)
    console.print()
    console.print(tables.profile_table(found, functions))


@group.command()
def capacity(
    *,
    write: Annotated[bool, typer.Option("--write", help="Writes the tables into docs/performance.md.")] = False,
) -> None:
    """Simulates the queueing on AWS at 10 to 10,000 orders a second: each rate's first bottleneck, what replaces it."""
    from rich.markdown import Markdown

    from localstack.bench import capacity as simulation

    rows = simulation.rows()
    Console().print(Markdown(simulation.page_table(rows)))
    if write:
        simulation.write(rows)


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.add_typer(group, name="bench")
