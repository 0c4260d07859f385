"""What the terminal shows of the bench."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from localstack.bench.profile import Profile
from localstack.bench.results import Results, Run, Value, value_of

_WORTH_A_LINE = 0.05
_DIGITS = {"s": 1, "ms": 1, "USD": 2, "KiB": 1}


def format_value(value: float | None, unit: str) -> str:
    """A value with its unit, as exact as it is worth."""
    return "–" if value is None else f"{value:,.{_DIGITS.get(unit, 1)}f} {unit}"


def _name(run: Run) -> str:
    history = f", {run.history:,} orders before" if run.history else ""
    return f"{run.row} ({run.server}{history})" if run.server != "own" else f"{run.row}{history}"


def _verdict(value: Value) -> Text:
    match value.reached:
        case True:
            return Text("reached", "green")
        case False:
            return Text("missed", "red")
        case _:
            return Text("")


def _change(value: Value, before: float | None) -> Text:
    if value.value is None or not before:
        return Text("")
    ratio = value.value / before
    better = ratio < 1 if value.better == "≤" else ratio > 1
    return Text(f"× {ratio:.2f}", "green" if better else "yellow")


def table(runs: Sequence[Run], old: Results | None = None) -> Table:
    """All figures, a line each; beside those of an earlier run where one is given."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    for head, justify in (("row", "left"), ("figure", "left"), ("measured", "right"), ("to reach", "right")):
        found.add_column(head, justify=justify, overflow="fold")  # type: ignore[arg-type]
    found.add_column("")
    if old is not None:
        found.add_column("before", justify="right")
        found.add_column("now / before", justify="right")
    for run in runs:
        earlier = old.before(run) if old else None
        for number, value in enumerate(run.values):
            target = f"{value.better} {format_value(value.target, value.unit)}" if value.target is not None else ""
            cells: list[str | Text] = [
                "" if number else _name(run),
                value.name,
                format_value(value.value, value.unit),
                target,
            ]
            cells.append(_verdict(value))
            if old is not None:
                before = value_of(earlier, value.name)
                cells += [format_value(before, value.unit) if before is not None else "", _change(value, before)]
            found.add_row(*cells, end_section=number == len(run.values) - 1)
    return found


def processor_table(runs: Sequence[Run]) -> Table | None:
    """Processor time an order by process, a column a run; None where nobody could see the processes."""
    seen = [run for run in runs if run.processor]
    if not seen:
        return None
    names = sorted({name for run in seen for name in run.processor}, key=lambda name: -seen[-1].processor.get(name, 0))
    found = Table(box=None, pad_edge=False, header_style="bold")
    found.add_column("processor ms an order")
    for run in seen:
        found.add_column(_name(run), justify="right", overflow="fold")
    for name in names:
        found.add_row(name, *(f"{run.processor.get(name, 0):.1f}" for run in seen))
    found.add_row("[bold]together", *(f"[bold]{sum(run.processor.values()):.1f}" for run in seen))
    return found


def profile_table(profile: Profile, functions: int) -> Table:
    """Each process's milliseconds an order, and its functions by how much of that they are on the stack for."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("ms an order", "with what it calls", "itself"):
        found.add_column(head, justify="right")
    found.add_column("function")
    for kind, spent in profile.processor.items():
        samples = profile.samples.get(kind, 0)
        if spent < _WORTH_A_LINE:
            continue
        found.add_row(f"[bold]{spent:.2f}", "", "", f"[bold]{kind}[/bold] ({samples} samples)")
        itself = profile.itself.get(kind, {})
        for name, share in list(profile.inside.get(kind, {}).items())[:functions]:
            found.add_row("", f"{spent * share:.2f}", f"{spent * itself.get(name, 0.0):.2f}", name)
    found.add_row(f"[bold]{sum(profile.processor.values()):.2f}", "", "", "[bold]together")
    return found


def origin_line(results: Results) -> str:
    """In a line: machine, commit, moment."""
    machine = ", ".join(f"{name} {text}" if name != "processor" else text for name, text in results.machine.items())
    return f"commit {results.commit} · {machine} · seed {results.seed} · {results.at}"
