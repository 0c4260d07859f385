"""How many orders a second the stack serves on AWS: the simulated queue against each limit that it runs into."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from localstack.bench.marked_text import fill
from localstack.bench.queue_simulation import (
    BATCH,
    STATEMENT_CPU,
    Observed,
    StackSize,
    mean_lifetime,
    mean_statements,
    simulate,
)
from localstack.paths import ROOT

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- capacity: made by ./dev bench capacity --write -->", "<!-- end of capacity -->"
_API_SECONDS = 0.03
_PUSH_SECONDS = 0.1
_PUSHES = 4.4
_FOLLOWED = 0.1
# From here on a limit is one that the next busy minute meets.
_FULL = 0.8


@dataclass(frozen=True, slots=True)
class Use:
    """How much of a limit is used: 1 is all of it."""

    limit: str
    used: float


def uses(stack: StackSize, rate: float, seen: Observed) -> list[Use]:
    """Each limit's use at this rate, the most used first.

    Where orders end more slowly than they come, workers and cores are asked for more than they were seen to give: then
    by as much as the rate says.
    """
    part = rate / stack.parts
    in_hand = part * mean_lifetime()
    cores = part * mean_statements() * STATEMENT_CPU
    executions = (rate * _API_SECONDS + rate * _FOLLOWED * _PUSHES * _PUSH_SECONDS) + stack.parts * min(
        seen.invocations if seen.keeps_up else stack.workers, stack.workers
    )
    wanted = 2 * stack.workers * stack.connections_each + stack.api_connections
    shared = stack.workers * stack.connections_each + stack.api_connections
    connections = (0.25 * shared if stack.proxy else wanted) / stack.most_connections
    found = [
        Use("workers (orders in hand)", max(seen.in_hand, 0 if seen.keeps_up else in_hand) / (stack.workers * BATCH)),
        Use("processor of the database", max(seen.cores, 0 if seen.keeps_up else cores) / stack.cores),
        Use("connections of the database", connections),
        Use("ApiConnections", part * _API_SECONDS / stack.api_connections),
        Use("quota of concurrent executions", executions / stack.executions),
        Use("ThrottleRate", rate / stack.rest_rate),
        Use("quota of REST requests", rate / stack.rest_quota),
        Use("quota of new WebSocket connections", rate * _FOLLOWED / stack.websocket_quota),
    ]
    return sorted(found, key=lambda use: -use.used)


DEFAULT = StackSize(workers=10, cores=0.4, api_connections=60, instance="db.t4g.small")


@dataclass(frozen=True, slots=True)
class Step:
    """A rate, what serves it, and what of the step before had to be replaced by what."""

    rate: int
    stack: StackSize
    replaced: str


STEPS: Sequence[Step] = (
    Step(10, DEFAULT, "nothing: the template's defaults"),
    Step(
        100,
        replace(DEFAULT, workers=80, cores=4, instance="db.m7g.xlarge", rest_rate=1_000),
        "`WorkerConcurrency` 80, beyond the template's 40; a class that does not burst (db.m7g.xlarge); `ThrottleRate`",
    ),
    Step(
        1_000,
        StackSize(
            workers=800,
            cores=16,
            api_connections=120,
            instance="db.m7g.4xlarge",
            proxy=True,
            rest_rate=4_000,
            executions=3_000,
        ),
        "800 workers (one queue takes at most 1,000), quota of concurrent executions (3,000); RDS Proxy for their "
        "connections; db.m7g.4xlarge; `ThrottleRate`",
    ),
    Step(
        10_000,
        StackSize(
            workers=800,
            cores=16,
            api_connections=120,
            instance="db.m7g.4xlarge",
            proxy=True,
            parts=10,
            rest_rate=20_000,
            executions=20_000,
            rest_quota=20_000,
            websocket_quota=2_000,
        ),
        "ten cells, each the stack of 1,000, chosen by the order's id; quotas of REST requests (20,000), concurrent "
        "executions (20,000) and new WebSocket connections (2,000)",
    ),
)


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step, seen: what the step before it would have used at its rate, and what it uses itself."""

    step: Step
    before: Sequence[Use]
    uses: Sequence[Use]
    seen: Observed


def rows(orders: int = 4_000, steps: Sequence[Step] = STEPS) -> list[StepResult]:
    """Simulates each step with the stack of the step before (the defaults at first) and with its own."""
    found: list[StepResult] = []
    stack = DEFAULT
    for step in steps:
        before = uses(stack, step.rate, simulate(stack, step.rate, orders))
        seen = simulate(step.stack, step.rate, orders)
        found.append(StepResult(step, before, uses(step.stack, step.rate, seen), seen))
        stack = step.stack
    return found


def _share(use: Use) -> str:
    return f"{use.limit} {use.used:.0%}"


def _names(found: Sequence[Use], least: float) -> str:
    return ", ".join(_share(use) for use in found if use.used >= least) or "nothing"


def _stack(stack: StackSize) -> str:
    cells = f"{stack.parts} × " if stack.parts > 1 else ""
    return (
        f"{cells}{stack.workers} workers with {stack.workers * stack.connections_each:,} connections"
        f"{' by a proxy' if stack.proxy else ''}, {stack.instance}"
    )


def page_table(found: Sequence[StepResult]) -> str:
    """The tables of docs/performance.md."""
    lines = [
        "| orders/s | of the stack before it, over 80 % used | first bottleneck | what replaces it |",
        "| ---: | --- | --- | --- |",
    ]
    for row in found:
        first = row.before[0].limit if row.before[0].used >= _FULL else "none"
        lines.append(f"| {row.step.rate:,} | {_names(row.before, _FULL)} | {first} | {row.step.replaced} |")
    lines += [
        "",
        "| orders/s | served by | to the end p50, p99 | orders in hand | workers at once | most used then |",
        "| ---: | --- | --- | ---: | ---: | --- |",
    ]
    for row in found:
        seen, parts = row.seen, row.step.stack.parts
        lines.append(
            f"| {row.step.rate:,} | {_stack(row.step.stack)} | {seen.rank(50):.1f} s, {seen.rank(99):.1f} s | "
            f"{seen.in_hand * parts:,.0f} | {seen.invocations * parts:,.0f} | "
            f"{_share(row.uses[0])}, {_share(row.uses[1])} |"
        )
    return "\n".join(lines)


def fill_page(page: str, found: Sequence[StepResult]) -> str:
    """The page with its tables made anew. Raises ValueError where they have no place."""
    return fill(page, BEGIN, END, page_table(found))


def write(found: Sequence[StepResult], page: Path = PAGE) -> None:
    """Writes the tables into the page."""
    page.write_text(fill_page(page.read_text(), found))
