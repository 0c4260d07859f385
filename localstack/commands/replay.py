"""`replay`: when limit and sniper orders would fire on the simulated market, and at what, without a stack."""

import json
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from localstack.errors import UserError
from localstack.paths import adopt_functions
from order_engine.cli.console import Console
from order_engine.cli.text import status_text
from order_engine.cli.times import parse_duration

if TYPE_CHECKING:
    from chalicelib.config import SimulationSettings
    from localstack.replay.run import RefusedOrder, ReplayEvent

_LONGEST = timedelta(days=7)
# Of an order that needs no explanation only these are shown, and its end.
_SHOWN = frozenset({"waiting", "pending"})


def replay(
    orders: Annotated[
        Path, typer.Argument(metavar="ORDERS", help="A file with one JSON object a line; - for standard input.")
    ],
    *,
    seed: Annotated[int, typer.Option(help="Chooses the market: the stack's SimulatedMarketSeed.")] = 1,
    since: Annotated[
        str, typer.Option("--from", help="The first second, as 2026-11-26T12:00:00Z; now without it.")
    ] = "",
    to: Annotated[str, typer.Option("--to", help="The end: a time, or how long: 10m, 2h, 3d.")] = "1h",
    volatility: Annotated[str, typer.Option(help="The stack's SimulatedVolatility; 0 is a market that stands.")] = "1",
    launch_seconds: Annotated[int, typer.Option(help="The stack's SimulatedLaunchSeconds; 0 for no launches.")] = 600,
    delay_scale: Annotated[str, typer.Option(help="The stack's SimulatedDelayScale.")] = "1",
    faults: Annotated[str, typer.Option(help="The stack's SimulatedFaults, as bad_tick=0.1.")] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Shows every event.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Prints each event as a line of JSON.")] = False,
) -> None:
    """Replays limit and sniper orders in virtual time: which fires when, and at what it fills.

    A line of ORDERS is what POST /api/orders/execute takes; beside it may stand "name", and "at": when the order is
    placed, a time or seconds after --from. userId and walletAddress may be left out.
    """
    adopt_functions()
    from localstack.replay import reading, run

    settings = _settings(
        SIMULATED_MARKET_SEED=str(seed),
        SIMULATED_VOLATILITY=volatility,
        SIMULATED_LAUNCH_SECONDS=str(launch_seconds),
        SIMULATED_DELAY_SCALE=delay_scale,
        SIMULATED_FAULTS=faults,
    )
    start = reading.moment_of(since, "--from") if since else datetime.now(UTC)
    start = start.replace(microsecond=0)
    end = _end(to, start)
    show = _as_json if as_json else _Lines(verbose=verbose)
    for each in run.replay(reading.read(orders, start, end), run.Replay(settings, start), end):
        show(each)
    if isinstance(show, _Lines):
        show.sum_up()


def _settings(**variables: str) -> "SimulationSettings":
    from chalicelib.config import ConfigurationError, SimulationSettings

    try:
        return SimulationSettings.from_environment(variables)
    except ConfigurationError as error:
        sentence = str(error)
        for name in variables:
            option = name.removeprefix("SIMULATED_").removeprefix("MARKET_").lower().replace("_", "-")
            sentence = sentence.replace(name, f"--{option}")
        raise UserError(sentence) from None


def _end(to: str, start: datetime) -> datetime:
    """Of both ways to write it."""
    from localstack.replay.reading import moment_of

    duration = parse_duration(to)
    if duration is None:
        duration = moment_of(to, "--to") - start
    if duration <= timedelta():
        raise UserError("--to must be later than --from.")
    if duration > _LONGEST:
        raise UserError(f"--to is more than {_LONGEST.days} days after --from, the most that is replayed.")
    return start + duration


class _Lines:
    """Shows what happens, a line each, and at the end how many orders ended how."""

    def __init__(self, *, verbose: bool) -> None:
        self._console = Console()
        self._verbose = verbose
        self._standing: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def __call__(self, each: "ReplayEvent | RefusedOrder") -> None:
        from localstack.replay.run import RefusedOrder
        from order_engine import OVER

        if isinstance(each, RefusedOrder):
            self._standing[each.name] = "refused"
            self._line(each.at, each.name, "refused", f"{each.reason}.")
            return
        event = each.event
        status = str(event.status)
        self._standing[each.name] = status
        self._counts["firings"] += "trigger" in event.meta
        self._counts["missed"] += status == "waiting" and event.sequence > 1
        if self._verbose or status in _SHOWN | OVER:
            self._line(event.occurred_at, each.name, status, event.message)

    def sum_up(self) -> None:
        """The last line."""
        ended = Counter(self._standing.values())
        how = ", ".join(f"{count} {status}" for status, count in sorted(ended.items()))
        firings, missed = self._counts["firings"], self._counts["missed"]
        self._console.print(
            f"{_many(len(self._standing), 'order')}: {how}. {_many(firings, 'firing')}, {missed} found the price gone.",
            markup=False,
            soft_wrap=True,
        )

    def _line(self, at: datetime, name: str, status: str, message: str) -> None:
        moment = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
        line = Text.assemble((moment, "dim"), f"  {name}  ", status_text(status), f"  {message}")
        self._console.print(line, soft_wrap=True)


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _as_json(each: "ReplayEvent | RefusedOrder") -> None:
    from chalicelib.services.views import event_view, timestamp
    from localstack.replay.run import RefusedOrder

    if isinstance(each, RefusedOrder):
        fields: dict[str, object] = {
            "name": each.name,
            "status": "refused",
            "at": timestamp(each.at),
            "message": f"{each.reason}.",
        }
    else:
        fields = {**event_view(each.event)}
    sys.stdout.write(json.dumps({"name": each.name, **fields}, ensure_ascii=False) + "\n")


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(replay)
