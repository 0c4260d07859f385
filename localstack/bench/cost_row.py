"""The row of the bench that is a bill."""

from collections.abc import Callable, Mapping

from localstack.bench import cost
from localstack.bench.bill import Measured, per_million, total
from localstack.bench.cost_counts import ONE_FOLLOWED, ONE_UNWATCHED, TEN_FOLLOWED, TEN_UNWATCHED
from localstack.bench.results import Run, Value
from localstack.bench.rows import COST

TARGETS = {ONE_FOLLOWED.name: 35.0, TEN_FOLLOWED.name: 15.0, ONE_UNWATCHED.name: 20.0, TEN_UNWATCHED.name: 8.0}
_ORDERS = 10


def run(report: Callable[[str], object], scale: float = 1) -> Run:
    """Counts what orders use and prices it. Raises UserError where the stack to count on does not start."""
    return to_row(cost.measure(max(round(_ORDERS * scale), 1), report))


def to_row(measured: Mapping[str, Measured]) -> Run:
    """The row of what was counted."""
    bills = {name: per_million(found) for name, found in measured.items()}
    return Run(
        row=COST,
        title="a million orders on AWS, list prices of us-east-1",
        server="own",
        history=0,
        values=tuple(Value(name, "USD", "≤", TARGETS.get(name), round(total(bill), 2)) for name, bill in bills.items()),
        items={name: {item.name: round(item.usd, 2) for item in bill} for name, bill in bills.items()},
    )
