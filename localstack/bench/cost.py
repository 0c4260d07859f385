"""The numbers of docs/cost.md: `python -m localstack.bench.cost [--measure]` writes them into the page.

What an order uses is measured once (cost_counts.py, by --measure) and kept in cost_measured.json.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from localstack.bench.bill import (
    PRICES,
    WATCH_INTERVALS,
    WATCHER_METRICS,
    Item,
    Measured,
    idle_month,
    per_million,
    resting_month,
    total,
)
from localstack.bench.marked_text import fill
from localstack.paths import ROOT

PAGE = ROOT / "docs" / "cost.md"
RECORD = Path(__file__).with_name("cost_measured.json")
_BEGIN, _END = "<!-- {}: made by localstack/bench/cost.py -->", "<!-- end of {} -->"


def load() -> dict[str, Measured]:
    """The kept measurement of each case of cost_counts.py."""
    return {name: Measured(**found) for name, found in json.loads(RECORD.read_text()).items()}


def _resting() -> str:
    months = {interval: resting_month(interval) for interval in WATCH_INTERVALS}
    names = [item.name for item in months[1]]
    head = f"| `WatchIntervalSeconds` | {' | '.join(names)} | USD a month |"
    rows = [
        f"| {interval} | " + " | ".join(f"{item.usd:.2f}" for item in items) + f" | **{total(items):.2f}** |"
        for interval, items in months.items()
    ]
    metrics = f"{WATCHER_METRICS} metrics of the watcher, beyond the free ones: {WATCHER_METRICS * PRICES.metric:.2f}."
    return "\n".join([head, "| ---: |" + " ---: |" * (len(names) + 1), *rows, "", metrics])


def _table(head: str, items: Sequence[Item]) -> list[str]:
    together = total(items)
    rows = [f"| {item.name} | {item.quantity} | {item.usd:.2f} | {item.usd / together:.0%} |" for item in items]
    return [head, "| --- | --- | ---: | ---: |", *rows, f"| **together** | | **{together:.2f}** | |"]


def sections(measured: Mapping[str, Measured]) -> dict[str, str]:
    """The page's computed parts by name."""
    bills = {name: per_million(found) for name, found in measured.items()}
    idle = idle_month(next(iter(measured.values())))
    resting = resting_month(1)
    summary = [
        f"| a million orders, {name} | {total(items):.2f} | {_largest(items)} |" for name, items in bills.items()
    ]
    return {
        "summary": "\n".join(
            [
                "| | USD | largest items |",
                "| --- | ---: | --- |",
                *summary,
                f"| a month without an order | {total(idle):.2f} | {_largest(idle)} |",
                f"| a month in which orders rest, more | {total(resting):.2f} | {_largest(resting)} |",
            ]
        ),
        "counts": _counts(measured),
        "bills": "\n\n".join(
            "\n".join(_table(f"| {name} | per order | USD per million | |", items)) for name, items in bills.items()
        ),
        "resting": _resting(),
        "idle": "\n".join(_table("| idle | what | USD a month | |", idle)),
    }


def _largest(items: Sequence[Item]) -> str:
    return " and ".join(item.name for item in items[:2])


def _counts(measured: Mapping[str, Measured]) -> str:
    """What an order uses, a column a case."""
    cases = list(measured.values())
    calls = sorted({name for case in cases for name in case.calls})
    functions = sorted({name for case in cases for name in case.invocations})
    head = f"| {' | '.join(measured)} |"
    line = "| --- |" + " ---: |" * len(cases)
    rows = [f"| AWS call by a function, per order {head}", line]
    rows += [f"| {name} | " + " | ".join(f"{case.calls.get(name, 0):.1f}" for case in cases) + " |" for name in calls]
    rows += ["", f"| invocations per order × ms {head}", line]
    for name in functions:
        cells = (
            f"{case.invocations[name]:.1f} × {case.milliseconds[name]:.0f}" if name in case.invocations else "–"
            for case in cases
        )
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    rows += ["", f"| beside {head}", line]
    rows.append("| frames to the follower | " + " | ".join(f"{case.frames:.1f}" for case in cases) + " |")
    rows.append("| log lines, KiB | " + " | ".join(f"{case.log_bytes / 1024:.1f}" for case in cases) + " |")
    rows.append("| different metrics | " + " | ".join(str(case.metrics) for case in cases) + " |")
    rows.append("| orders counted | " + " | ".join(str(case.orders) for case in cases) + " |")
    return "\n".join(rows)


def fill_page(page: str, measured: Mapping[str, Measured]) -> str:
    """The page with its computed parts made anew. Raises ValueError where one has no place."""
    for name, text in sections(measured).items():
        page = fill(page, _BEGIN.format(name), _END.format(name), text)
    return page


def measure(orders: int, report: Callable[[str], object]) -> dict[str, Measured]:
    """Counts anew, by case. Raises UserError where the stack to count on does not start."""
    from localstack.bench.cost_counts import measure

    with tempfile.TemporaryDirectory(prefix="order-engine-cost-") as folder:
        Path(folder).chmod(0o755)  # Postgres runs as a user of its own where root calls
        return measure(Path(folder), orders, report=report)


def main() -> None:
    parser = argparse.ArgumentParser(description="Computes the numbers of docs/cost.md and writes them into it.")
    parser.add_argument("--measure", action="store_true", help="measures anew first (about two minutes)")
    parser.add_argument("--orders", type=int, default=10, help="how many orders to measure in each case")
    arguments = parser.parse_args()
    if arguments.measure:
        found = measure(arguments.orders, lambda text: sys.stderr.write(f"{text}\n"))
        RECORD.write_text(json.dumps({name: asdict(case) for name, case in found.items()}, indent=2) + "\n")
    PAGE.write_text(fill_page(PAGE.read_text(), load()))
    sys.stdout.write(sections(load())["summary"] + "\n")


if __name__ == "__main__":
    main()
