"""What Postgres does for a page: an index each time, nothing sorted but the page, and a bounded number of rows read."""

import json
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import psycopg
import pytest
from psycopg.rows import scalar_row

from chalicelib.adapters.postgres import history as adapter
from chalicelib.adapters.postgres.history import WINDOW, PostgresHistory, page_statement
from chalicelib.adapters.postgres.pool import Database
from chalicelib.domain.order import placed_at
from chalicelib.domain.tokens import BONK, RAY, SOL, USDC, Token
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.history import OrderFilter, symbols_of
from localstack.bench.history import analyze, fill
from tests.fakes.builders import METEORA, RAYDIUM
from tests.fakes.postgres import settings_for

# In one process: what is set up once is used by all.
pytestmark = pytest.mark.xdist_group("history plans")

ORDERS = 20_000
LIMIT = 50
# The ids of a page are read from an index, then the orders themselves.
READ_FOR_A_PAGE = 2 * (LIMIT + 1)
PAIRS: tuple[tuple[Token | None, Token | None], ...] = (
    (None, None),
    (SOL, USDC),
    (BONK, RAY),
    (BONK, None),
    (None, SOL),
)

Plan = Mapping[str, Any]


@pytest.fixture(scope="module")
def table(migrated_server: str) -> Iterator[str]:
    """A database whose table is full."""
    with psycopg.connect(migrated_server, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")  # the role's own is for what serves orders
        fill(connection, ORDERS)
        analyze(connection)
        yield migrated_server
        connection.execute("TRUNCATE orders CASCADE")


@pytest.fixture(scope="module")
def ids(table: str) -> list[str]:
    """Every id, newest first."""
    with psycopg.connect(table, row_factory=scalar_row) as connection:
        return connection.execute("SELECT id FROM orders ORDER BY id DESC").fetchall()


@pytest.fixture
def pages(table: str) -> Iterator[PostgresHistory]:
    database = Database(settings_for(table))
    yield PostgresHistory(database)
    database.close()


def filters(ids: list[str]) -> Iterator[OrderFilter]:
    """Every combination of filters, with common and rare values."""
    times = (None, (placed_at(ids[15_000]), placed_at(ids[2_000])))
    for user, client, status, venue, pair, time in product(
        (None, "whale", "early", "nobody"),
        (None, "c-1"),
        (None, OrderStatus.CONFIRMED, OrderStatus.FAILED, OrderStatus.SUBMITTED),
        (None, RAYDIUM),
        PAIRS,
        times,
    ):
        yield OrderFilter(
            user_id=user,
            client_order_id=client,
            status=status,
            venue=venue,
            input_token=pair[0],
            output_token=pair[1],
            placed_from=time[0] if time else None,
            placed_before=time[1] if time else None,
        )


def nodes(plan: Plan) -> Iterator[Plan]:
    """The node and all below it."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def rows_of(node: Plan) -> float:
    """Rows that a node looked at, all its loops together."""
    looked_at = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return float(looked_at * node["Actual Loops"])


def explain(connection: psycopg.Connection, which: OrderFilter, before: str | None) -> Plan:
    """What really happened, not what the planner hoped for."""
    statement, values = page_statement(which, limit=LIMIT, before_id=before)
    row = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode(), values).fetchone()
    assert row is not None
    plan: Plan = row[0][0]["Plan"]
    return plan


@pytest.mark.parametrize("depth", [0, 10_000], ids=["first page", "deep page"])
def test_every_filter_reads_an_index_and_a_bounded_number_of_rows(table: str, ids: list[str], depth: int) -> None:
    before = ids[depth] if depth else None
    with psycopg.connect(table) as connection:
        for which in filters(ids):
            plan = explain(connection, which, before)
            shown = f"{which} {json.dumps(plan, indent=1, default=str)}"
            read = 0.0
            for node in nodes(plan):
                assert node["Node Type"] not in ("Seq Scan", "Bitmap Heap Scan", "Hash Join", "Merge Join"), shown
                if "Sort" in node["Node Type"]:
                    assert rows_of(node) <= LIMIT + 1, shown
                if node.get("Relation Name") == "orders":
                    read += rows_of(node)
            assert read <= WINDOW + READ_FOR_A_PAGE, shown


@pytest.mark.parametrize(
    "which",
    [
        OrderFilter(),
        OrderFilter(user_id="whale"),
        OrderFilter(user_id="early"),
        OrderFilter(status=OrderStatus.FAILED),
        OrderFilter(status=OrderStatus.CONFIRMED),
        OrderFilter(venue=METEORA),
        OrderFilter(input_token=SOL, output_token=USDC),
        OrderFilter(input_token=BONK, output_token=RAY),
        OrderFilter(user_id="whale", status=OrderStatus.FAILED),
        OrderFilter(client_order_id="c-1"),
    ],
    ids=str,
)
def test_a_single_filter_reads_its_page_and_nothing_else(table: str, ids: list[str], which: OrderFilter) -> None:
    with psycopg.connect(table) as connection:
        for before in (None, ids[15_000]):
            plan = explain(connection, which, before)
            read = sum(rows_of(node) for node in nodes(plan) if node.get("Relation Name") == "orders")
            assert read <= READ_FOR_A_PAGE, json.dumps(plan, indent=1, default=str)
            assert not any("Sort" in node["Node Type"] for node in nodes(plan)), json.dumps(plan, indent=1, default=str)


@pytest.mark.parametrize("window", [7, 100, WINDOW])
@pytest.mark.parametrize(
    "which",
    [
        OrderFilter(user_id="whale", venue=RAYDIUM),
        OrderFilter(user_id="whale", status=OrderStatus.FAILED, venue=METEORA),
        OrderFilter(input_token=BONK),
        OrderFilter(output_token=RAY, status=OrderStatus.FAILED),
        OrderFilter(user_id="nobody", venue=RAYDIUM),
    ],
    ids=str,
)
def test_pages_of_any_search_hold_every_order_once(
    table: str, pages: PostgresHistory, monkeypatch: pytest.MonkeyPatch, which: OrderFilter, window: int
) -> None:
    monkeypatch.setattr(adapter, "WINDOW", window)
    expected = naive(table, which)
    found: list[str] = []
    place: str | None = None
    calls = 0
    while True:
        page = pages.page(which, limit=LIMIT, before_id=place)
        found += [order.id for order in page.orders]
        calls += 1
        # At least a window further each time, or a full page.
        assert calls <= ORDERS // window + len(expected) // LIMIT + 2
        if page.last_id is None:
            break
        assert place is None or page.last_id < place
        place = page.last_id
    assert found == expected


def naive(table: str, which: OrderFilter) -> list[str]:
    """The same question, asked in the plainest way."""
    wanted = {
        "user_id": which.user_id,
        "status": which.status,
        "venue": which.venue,
        "input_token": next(iter(symbols_of(which.input_token)), None),
        "output_token": next(iter(symbols_of(which.output_token)), None),
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    conditions = " AND ".join(f"{name} = %({name})s" for name in given)
    with psycopg.connect(table, row_factory=scalar_row) as connection:
        return connection.execute(
            f"SELECT id FROM orders WHERE {conditions} ORDER BY id DESC".encode(), given
        ).fetchall()
