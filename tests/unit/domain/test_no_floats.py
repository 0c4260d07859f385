"""No float stands between a request's body and the chain: amounts are decimals at the edge and integers inside.

A division of integers makes one: mypy passes it to nothing that takes an amount, unless it is converted.
"""

import ast
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[3] / "functions" / "chalicelib"
# Everything that an amount, a price or a fee passes through.
MODULES = sorted(
    path
    for pattern in (
        "domain/*.py",
        "http/*.py",
        "venues/**/*.py",
        "simulation/*.py",
        "chain/*.py",
        "adapters/postgres/*.py",
        "services/views.py",
        "services/event_messages.py",
        "services/place_order.py",
        "services/quote_pair.py",
    )
    for path in LIBRARY.glob(pattern)
)
# Where a float may stand, and what it counts. Nothing in these counts money.
ALLOWED = {
    ("adapters/postgres/orders.py", "PostgresOrders.release"): "seconds until the order is due",
    ("adapters/postgres/orders.py", "_claim"): "seconds until a lease ends",
    ("adapters/postgres/pool.py", "<module>"): "seconds of patience",
    ("adapters/postgres/pool.py", "Database.__init__"): "seconds of patience",
    ("adapters/postgres/pool.py", "Database.run"): "seconds between two tries",
    ("domain/events.py", "AttemptFailed"): "seconds until the next attempt",
    ("chain/ledger.py", "Entry"): "seconds until a transaction lands",
    ("chain/simulated.py", "<module>"): "seconds that settling and confirming take",
    ("chain/simulated.py", "SimulatedChain.soonest_confirmation"): "seconds until a confirmation",
    ("chain/simulated.py", "SimulatedChain.send"): "seconds that settling takes",
    ("venues/router.py", "<module>"): "seconds of patience",
    ("venues/router.py", "VenueRouter.__init__"): "seconds of patience",
    ("simulation/chance.py", "Simulation"): "seconds of sleep",
    ("simulation/chance.py", "Simulation.delay"): "seconds",
    ("simulation/chance.py", "Simulation.wait"): "seconds",
    ("simulation/launches.py", "LaunchPlan"): "the rate of a fault",
    ("venues/simulated/venue.py", "<module>"): "seconds of a quote that times out",
    ("venues/simulated/venue.py", "SimulatedVenue.build"): "seconds that building takes",
    ("venues/simulated/venue.py", "SimulatedVenue.quote"): "seconds that a quote takes",
}


CONVERSIONS = ("int", "round", "Decimal", "Fraction")


def floats(tree: ast.AST, scope: str = "") -> Iterator[tuple[str, int, str]]:
    """Where a float is written, named or converted to, and by which function."""
    for node in ast.iter_child_nodes(tree):
        inner = scope
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{scope}.{node.name}" if scope else node.name
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield scope or "<module>", node.lineno, repr(node.value)
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in CONVERSIONS
            and any(isinstance(given, ast.BinOp) and isinstance(given.op, ast.Div) for given in node.args)
        ):
            yield scope or "<module>", node.lineno, ast.unparse(node)
        if isinstance(node, ast.Name) and node.id == "float":
            yield scope or "<module>", node.lineno, "float"
        yield from floats(node, inner)


def name_of(path: Path) -> str:
    return path.relative_to(LIBRARY).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_float_where_amounts_pass(path: Path) -> None:
    found = [
        f"{name_of(path)}:{line}: {text} in {scope}"
        for scope, line, text in floats(ast.parse(path.read_text()))
        if (name_of(path), scope) not in ALLOWED
    ]
    assert found == []


def test_the_exceptions_are_all_needed() -> None:
    used = {(name_of(path), scope) for path in MODULES for scope, _, _ in floats(ast.parse(path.read_text()))}
    assert ALLOWED.keys() <= used


def test_the_search_finds_what_it_looks_for() -> None:
    code = "X = 1.5\nclass C:\n    def f(self, a: float) -> int:\n        return int(a / 2)\n"
    assert [(scope, text) for scope, _, text in floats(ast.parse(code))] == [
        ("<module>", "1.5"),
        ("C.f", "float"),
        ("C.f", "int(a / 2)"),
    ]


def test_json_comes_in_without_a_float() -> None:
    from chalicelib.adapters.postgres.pool import _loads
    from chalicelib.http.requests import HttpRequest

    sent = b'{"a": 0.1, "b": 1e2, "c": [1.5], "d": 18446744073709551615}'
    body = HttpRequest("/", "", "/", sent, {}, {}, "").json()
    assert body == {"a": Decimal("0.1"), "b": Decimal(100), "c": [Decimal("1.5")], "d": 2**64 - 1}
    assert isinstance(body["b"], Decimal)
    stored = _loads(json.dumps({"a": 0.1}))
    assert stored == {"a": Decimal("0.1")}
