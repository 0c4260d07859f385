"""What Postgres does for a beat of the watcher: it reads what a beat crosses, however many orders rest."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import psycopg
import pytest
from psycopg.types.json import Jsonb

from chalicelib.adapters.postgres import resting
from chalicelib.adapters.postgres.history import page_statement
from chalicelib.adapters.postgres.pool import Database
from chalicelib.domain.events import PriceReached
from chalicelib.domain.order import OrderType
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.history import OrderFilter
from tests.benchmarks.resting import PAIRS, blocks, fill_resting
from tests.fakes.postgres import settings_for

# In one process: what is set up once is used by all.
pytestmark = pytest.mark.xdist_group("resting plans")

ORDERS = 20_000
READ_FOR_A_PAIR = 10


@pytest.fixture(scope="module")
def table(migrated_server: str) -> Iterator[psycopg.Connection]:
    """A connection to a database in which many orders rest, 100 of them at 170 or below."""
    with psycopg.connect(migrated_server, autocommit=True) as connection:
        fill_resting(connection, ORDERS)
        yield connection
        connection.execute("TRUNCATE orders CASCADE")


def crossing(touch: str) -> Mapping[str, object]:
    return {
        "inputs": [one for one, _ in PAIRS],
        "outputs": [other for _, other in PAIRS],
        "touches": [Decimal(touch)] * len(PAIRS),
        "limit": 200,
    }


def read(connection: psycopg.Connection, statement: str, values: Mapping[str, object]) -> int:
    """Blocks that the statement reads the second time; it never scans the table."""
    blocks(connection, statement, values)
    found, _, scans = blocks(connection, statement, values)
    assert not [scan for scan in scans if scan.startswith("Seq Scan on orders")], scans
    return found


def test_a_beat_that_crosses_nothing_reads_a_few_blocks_a_pair(table: psycopg.Connection) -> None:
    assert read(table, resting.CROSSING, crossing("169")) <= READ_FOR_A_PAIR * len(PAIRS)
    assert read(table, resting.PAIRS, {}) <= READ_FOR_A_PAIR * len(PAIRS)
    for statement, values in (
        (resting.COUNT, {"most": 1}),
        (resting.EXPIRED, {"limit": 500}),
        (resting.COUNT_FIRED, {"most": 201}),
        (resting.SNIPED, {"symbols": ["LNCH-1", "LNCH-2"]}),
        (resting.SNIPING, {"symbol": "LNCH-1", "after": "", "limit": 200}),
    ):
        assert read(table, statement, values) <= READ_FOR_A_PAIR, statement


def test_a_beat_that_crosses_some_reads_in_proportion_to_those(table: psycopg.Connection) -> None:
    some = read(table, resting.CROSSING, crossing("170"))
    assert READ_FOR_A_PAIR < some <= READ_FOR_A_PAIR * len(PAIRS) + 6 * 100


def test_a_page_of_a_user_s_resting_orders_reads_an_index_and_its_orders(table: psycopg.Connection) -> None:
    which = OrderFilter(user_id="user-7", status=OrderStatus.WAITING, order_type=OrderType.LIMIT)
    for before_id in (None, "ord_" + f"{ORDERS // 2:032x}"):
        statement, values = page_statement(which, limit=3, before_id=before_id)
        assert 4 <= read(table, statement, values) <= READ_FOR_A_PAIR + 2 * (3 + 1)


def test_moving_orders_finds_each_by_its_key(table: psycopg.Connection) -> None:
    ids = [str(row[0]) for row in table.execute("SELECT id FROM orders WHERE bound = 170").fetchall()]
    assert len(ids) == 100
    values = {
        "ids": ids,
        "sequences": [1] * 100,
        "statuses": ["pending"] * 100,
        "fires": [1] * 100,
        "codes": [None] * 100,
        "reasons": [None] * 100,
        "messages": ["Reached."] * 100,
        "metas": [Jsonb({})] * 100,
        "picked_up_within": "15 seconds",
        "published_within": "5 seconds",
        "most_fired": 200,
    }
    table.execute("BEGIN")
    try:
        moved, _, scans = blocks(table, resting.MOVE, values)
    finally:
        table.execute("ROLLBACK")
    assert "Seq Scan on orders" not in scans
    assert moved < 100 * 100


def test_what_is_read_can_be_moved(migrated_server: str, table: psycopg.Connection) -> None:
    """The statements together, as a beat uses them."""
    table.execute("UPDATE orders SET expires_at = now() WHERE bound = 201 AND input_token = 'JUP'")
    database = Database(settings_for(migrated_server))
    adapter = resting.PostgresResting(database)
    assert set(adapter.pairs()) == set(PAIRS)
    found = adapter.crossing([("SOL", "USDC", Decimal(170))], 5)
    assert [order.bound for order in found] == [170] * 5
    assert [order.id for order in found] == sorted(order.id for order in found)
    now = datetime.now(UTC)
    event = PriceReached(Fraction(170, 1000), now, 5)
    assert adapter.move([(order, event) for order in found]) == [order.id for order in found]
    assert adapter.move([(order, event) for order in found]) == []
    assert adapter.count_fired(3) == 3
    assert adapter.count(7) == 7
    adapter.stay_awake(now + timedelta(seconds=60))
    adapter.stay_awake(now)
    assert adapter.awake_until() == now + timedelta(seconds=60)
    database.close()
