"""The bench itself: every row that is wanted, at every server that is named, with every length of history."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from localstack.bench import history, machine, measuring
from localstack.bench.load import SEED, Progress
from localstack.bench.measuring import Server
from localstack.bench.own_stack import OwnStack, StackProcess, own_stack
from localstack.bench.results import Results, Run
from localstack.bench.rows import COST, ROWS, Row

OWN = "own"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. `urls` are servers beside the stack of our own; `seconds` bounds each load."""

    rows: Sequence[str]
    urls: Sequence[str] = ()
    histories: Sequence[int] = (0,)
    own: bool = True
    scale: float = 1
    seconds: float = 900

    @property
    def loads(self) -> list[Row]:
        """The rows that post orders, scaled; those with delays first, so that the stack changes once."""
        wanted = [replace(row, workload=row.workload.scaled(self.scale)) for row in ROWS if row.name in self.rows]
        return sorted(wanted, key=lambda row: not row.delays)


class Reporter(Protocol):
    """What hears of the bench's progress."""

    def step(self, text: str) -> Progress:
        """A new step has begun; what is returned hears how far it is."""

    def done(self, run: Run) -> None:
        """A row was measured."""


def measure(plan: Plan, reporter: Reporter) -> Results:
    """Measures all of it. Raises UserError where something can't be measured: half a table is none."""
    before = machine.describe()
    runs: list[Run] = []
    for found in _runs(plan, reporter):
        runs.append(found)
        reporter.done(found)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Results(at, machine.commit(), before, SEED, plan.scale, tuple(runs))


def _runs(plan: Plan, reporter: Reporter) -> Iterator[Run]:
    others = [Server(url, url) for url in plan.urls]
    # Before anything of our own is started: one that is not there would be found out after minutes.
    for server in others:
        reporter.step(f"warming up {server.name}")
        measuring.warm_up(server, plan.seconds, plan.scale)
    if plan.loads:
        with ExitStack() as open_parts:
            stack: tuple[OwnStack, StackProcess] | None = None
            if plan.own:
                reporter.step("starting a stack")
                stack = open_parts.enter_context(own_stack(SimulatedDelayScale=_scale_of(plan.loads[0])))
            for size in plan.histories if stack else (0,):
                yield from _with_history(plan, reporter, stack, size, others)
                others = []  # their history is theirs
    if COST in plan.rows and plan.own:
        from localstack.bench import cost_row

        yield cost_row.run(reporter.step, plan.scale)


def _scale_of(row: Row) -> str:
    return "1" if row.delays else "0"


def _with_history(
    plan: Plan, reporter: Reporter, stack: tuple[OwnStack, StackProcess] | None, size: int, others: Sequence[Server]
) -> Iterator[Run]:
    servers = list(others)
    if stack is not None:
        own, child = stack
        history.extend(own.database_url, size, reporter.step(f"filling the history up to {size:,} orders"))
        servers.insert(0, Server(OWN, own.url, size, own))
    delays: bool | None = None
    for row in plan.loads:
        if stack is not None and row.delays is not delays:
            reporter.step(f"deploying {'with the shipped delays' if row.delays else 'without delays'}, warming up")
            child.redeploy(SimulatedDelayScale=_scale_of(row))
            measuring.warm_up(servers[0], plan.seconds, plan.scale)
            delays = row.delays
        for server in servers:
            progress = reporter.step(f"{row.name}: {row.title}" + (f" at {server.name}" if len(servers) > 1 else ""))
            yield measuring.to_run(row, server, measuring.measure_load(server, row.workload, plan.seconds, progress))
