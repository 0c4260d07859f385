"""`chaos`: breaks a stack of its own while orders run on it, then audits what is left."""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.text import Text

from localstack.errors import UserError
from localstack.paths import adopt_functions
from order_engine.cli.console import Console

if TYPE_CHECKING:
    from localstack.chaos.run import Progress

_QUIET_SECONDS = 10.0
_LARGEST_SEED = 10**6


class _Display:
    """A line that is rewritten on a terminal; a line every few seconds anywhere else."""

    def __init__(self, console: Console, live: Live | None) -> None:
        self._console = console
        self._live = live
        self._started = time.monotonic()
        self._printed = float("-inf")

    def __call__(self, progress: "Progress") -> None:
        seconds = time.monotonic() - self._started
        line = Text.assemble(
            (f"{seconds:5.0f} s  ", "dim"),
            (f"{progress.phase:<11}", "yellow"),
            f"  {progress.placed} accepted, {progress.counted.over} over ({progress.counted.confirmed} confirmed), ",
            f"{progress.following} followers waiting, {progress.faults} faults",
        )
        if self._live is not None:
            self._live.update(line)
        elif seconds - self._printed >= _QUIET_SECONDS:
            self._printed = seconds
            self._console.print(line, soft_wrap=True)


def chaos(
    *,
    orders: Annotated[int, typer.Option(min=1, max=100_000, help="How many orders.")] = 200,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Chooses orders, followers and faults; without it a new one.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, max=600, help="For how long orders arrive; three a second without it.")
    ] = None,
    delay_scale: Annotated[
        float, typer.Option(min=0, max=10, help="Scales the simulated delays of venues and chain: 1 is realistic.")
    ] = 0.05,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two faults, on average.")] = 1.0,
    resting: Annotated[
        float, typer.Option(min=0, max=1, help="The share of limit and sniper orders, which may rest.")
    ] = 0.3,
    auth: Annotated[
        str,
        typer.Option(metavar="open|jwt", help="Whether the stack asks for access tokens; each user then has one."),
    ] = "open",
    keep: Annotated[
        Path | None, typer.Option(help="Keeps logs and database in this folder, which must be new.")
    ] = None,
) -> None:
    """Kills, freezes, throttles and restarts while orders run, then audits: exit status 1 where anything is wrong."""
    adopt_functions()
    from localstack.chaos import report, run

    if auth not in ("open", "jwt"):
        raise UserError(f"--auth takes open or jwt, not {auth!r}.")
    console = Console()
    chosen = seed if seed is not None else time.time_ns() % _LARGEST_SEED
    seconds = minutes * 60 if minutes else run.default_seconds(orders)
    settings = run.RunSettings(
        orders,
        chosen,
        seconds,
        delay_scale=delay_scale,
        interval=interval,
        resting=resting,
        asks_for_tokens=auth == "jwt",
    )
    console.print(f"[bold]{settings.text}[/bold]")
    if keep is not None and keep.exists():
        raise UserError(f"{keep} exists already: name a new folder.")
    with tempfile.TemporaryDirectory(prefix="order-engine-chaos-") as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        # Postgres, which root runs as another user, must be able to enter.
        folder.chmod(0o755)
        if console.is_terminal:
            with Live(console=console, refresh_per_second=4) as live:
                result = run.run(folder, settings, _Display(console, live))
        else:
            result = run.run(folder, settings, _Display(console, None))
    report.show(result, console)
    raise typer.Exit(0 if result.holds else 1)


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(chaos)
