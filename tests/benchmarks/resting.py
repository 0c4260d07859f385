"""What the watcher reads and takes with many orders at rest: `python -m tests.benchmarks.resting 1000000`.

Run it with PYTHONPATH=functions.

For each size: the blocks that a beat reads where nothing crosses and where 100 orders do, and the delay from
the market's second to `pending` at one beat a second.
"""

import re
import statistics
import sys
import time
from collections.abc import Mapping
from decimal import Decimal

import psycopg

from chalicelib.adapters.postgres import resting
from chalicelib.adapters.postgres.history import page_statement
from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.bootstrap import SystemClock
from chalicelib.domain.order import OrderType
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.history import OrderFilter
from chalicelib.services.firing import WatcherPorts
from chalicelib.services.watch import beat
from tests.fakes import CrashAt, MemoryQueue, MemoryStatusEvents, MemoryTicks, RecordingTelemetry
from tests.fakes.market import ScriptedMarket
from tests.fakes.postgres import a_server, settings_for

PAIRS = (("SOL", "USDC"), ("USDC", "SOL"), ("JUP", "USDC"), ("BONK", "SOL"), ("RAY", "USDC"), ("SOL", "JUP"))
COLUMNS = """
INSERT INTO orders (id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps, status, attempt,
                    sequence, created_at, updated_at, order_type, limit_price, least_output, most_input, time_in_force,
                    expires_at, bound)
"""
# Of the first pair 100 limits are at 170, all others are far from there.
FILL = f"""{COLUMNS}
SELECT 'ord_' || lpad(to_hex(number), 32, '0'), 'user-' || number %% 5000, 'w', input, output, 'sell', 1000000000, 0,
       'waiting', 1, 1, now(), now(), 'limit', price, 1, 1000000000, 'gtc', now() + interval '30 days', price
FROM (SELECT number, (%(inputs)s::text[])[1 + number %% 6] AS input, (%(outputs)s::text[])[1 + number %% 6] AS output,
             CASE WHEN number < 600 AND number %% 6 = 0 THEN 170 ELSE 200 + number %% 100000 END AS price
      FROM generate_series(0, %(count)s - 1) AS number) AS made
"""


def fill_resting(connection: psycopg.Connection, count: int) -> None:
    """Empties the table and has so many limit orders rest in it, in six pairs."""
    connection.execute("TRUNCATE orders CASCADE")
    values = {"inputs": [one for one, _ in PAIRS], "outputs": [other for _, other in PAIRS], "count": count}
    if count:
        connection.execute(FILL, values)
    connection.execute("VACUUM ANALYZE orders")


def blocks(connection: psycopg.Connection, statement: str, values: Mapping[str, object]) -> tuple[int, float, set[str]]:
    """Blocks read, milliseconds and the scans of a statement."""
    plan = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS) {statement}".encode(), values).fetchall()
    text = "\n".join(str(row[0]) for row in plan)
    first = re.search(r"Buffers: shared (?:hit=(\d+))?\s*(?:read=(\d+))?", text)
    spent = re.search(r"Execution Time: ([\d.]+)", text)
    scans = set(re.findall(r"(Seq Scan on \w+|Index (?:Only )?Scan using \w+|Bitmap Index Scan on \w+)", text))
    read = sum(int(part or 0) for part in first.groups()) if first else 0
    return read, float(spent[1]) if spent else 0.0, scans


def measure(url: str, count: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        fill_resting(connection, count)
        size = connection.execute("SELECT pg_relation_size('orders_resting') / 1048576").fetchone()
        print(f"\n{count} resting, orders_resting {size[0] if size else 0} MB")
        touches = {"inputs": [one for one, _ in PAIRS], "outputs": [other for _, other in PAIRS], "limit": 200}
        for name, statement, values in (
            ("pairs", resting.PAIRS, {}),
            ("expired", resting.EXPIRED, {"limit": 500}),
            ("fired", resting.COUNT_FIRED, {"most": 201}),
            ("crossing nothing, six pairs", resting.CROSSING, {**touches, "touches": [Decimal(169)] * 6}),
            ("crossing 100, six pairs", resting.CROSSING, {**touches, "touches": [Decimal(170)] * 6}),
        ):
            blocks(connection, statement, values)
            read, spent, scans = blocks(connection, statement, values)
            print(f"  {name}: {read} blocks, {spent:.2f} ms, {', '.join(sorted(scans))}")
        which = OrderFilter(user_id="user-7", status=OrderStatus.WAITING, order_type=OrderType.LIMIT)
        for name, before_id in (("first", None), ("a later", "ord_" + f"{count // 2:032x}")):
            statement, page = page_statement(which, limit=50, before_id=before_id)
            read, spent, scans = blocks(connection, statement, page)
            print(f"  {name} page of a user's resting limit orders: {read} blocks, {spent:.2f} ms, {sorted(scans)}")
    database = Database(settings_for(url))
    market = ScriptedMarket(usual="169")
    ports = WatcherPorts(
        resting=resting.PostgresResting(database),
        store=PostgresOrders(database),
        queue=MemoryQueue(),
        events=MemoryStatusEvents(),
        market=market,
        ticks=MemoryTicks(),
        clock=SystemClock(),
        telemetry=RecordingTelemetry(),
        crash_point=CrashAt(),
    )
    beat(ports)
    idle = []
    for _ in range(20):
        before = time.perf_counter()
        beat(ports)
        idle.append(time.perf_counter() - before)
    print(f"  an idle beat: p50 {statistics.median(idle) * 1000:.1f} ms, most {max(idle) * 1000:.1f} ms")
    delays = []
    for round_ in range(30):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                f"{COLUMNS} VALUES (%s, 'u', 'w', 'SOL', 'USDC', 'sell', 1000000000, 0, 'waiting', 1, 1, now(), now(),"
                " 'limit', 168, 168000000, 1000000000, 'gtc', now() + interval '1 day', 168)",
                [f"ord_f{count % 997:03x}{round_:028x}"],
            )
        # The market's second begins somewhere between two beats, which come a second apart.
        reached = time.time()
        time.sleep((0.5 + 0.618 * round_) % 1)
        fired = beat(ports).fired
        assert fired == 1, fired
        delays.append(time.time() - reached)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE orders SET status = 'failed', error_code = 'x' WHERE status = 'pending'")
    delays.sort()
    print(f"  reached to pending at a beat a second: p50 {delays[14] * 1000:.0f} ms, p99 {delays[-1] * 1000:.0f} ms")
    database.close()


def main() -> None:
    with a_server() as url:
        for count in [int(text) for text in sys.argv[1:]] or [0, 100_000, 1_000_000]:
            measure(url, count)


if __name__ == "__main__":
    main()
