"""How long reconcile takes after an outage: orders that never reached the queue, ends that were never told, old keys.

    PYTHONPATH=functions:. python -m tests.benchmarks.repairs [--orders 100000] [--ends 20000] [--keys 200000]

Real Postgres, started for it; the queues take everything at once, so that what is measured is the database and us.
SQS adds some 10 ms to each ten orders and to each end, of which eight are under way at once.
"""

import argparse
import sys
import time
from datetime import timedelta

import psycopg

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.bootstrap import SystemClock
from chalicelib.services.reconcile import reconcile
from tests.fakes import MemoryQueue, MemoryStatusEvents, RecordingTelemetry
from tests.fakes.postgres import a_server, open_database

RUN_SECONDS = 42
ORDERS = """
WITH placed AS (
    INSERT INTO orders (id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps, status,
                        attempt, sequence, created_at, updated_at, attention_at)
    SELECT 'ord_' || lpad(to_hex(1790000000000 + n), 12, '0') || left(md5(n::text), 20), 'user-' || n %% 1000,
           'wallet_12345', 'SOL', 'USDC', 'sell', 1500000000, 50, %(status)s, 1, 1, moment, moment,
           moment - interval '1 minute'
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n, clock_timestamp() AS moment
    RETURNING id, created_at
)
INSERT INTO order_events (order_id, sequence, status, attempt, message, meta, occurred_at)
SELECT id, 1, 'pending', 1, 'Order accepted.', '{}', created_at FROM placed
"""
KEYS = """
INSERT INTO idempotency_keys (user_id, key, fingerprint, order_id, created_at)
SELECT 'user', n::text, 'f', 'o', now() - interval '3 days' FROM generate_series(1, %(keys)s::bigint) AS n
"""


def main() -> int:
    """Prints one line a run until nothing is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--ends", type=int, default=20_000)
    parser.add_argument("--keys", type=int, default=200_000)
    asked = parser.parse_args()
    with a_server() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            last = asked.orders + asked.ends
            connection.execute(ORDERS, {"status": "pending", "first": 1, "last": asked.orders})
            connection.execute(ORDERS, {"status": "cancelled", "first": asked.orders + 1, "last": last})
            connection.execute(KEYS, {"keys": asked.keys})
            connection.execute("VACUUM (ANALYZE)")
        _repair(url)
    return 0


def _repair(url: str) -> None:
    database, clock, queue, events = open_database(url), SystemClock(), MemoryQueue(), MemoryStatusEvents()
    try:
        for run in range(1, 100):
            start = time.monotonic()
            repairs = reconcile(
                store=PostgresOrders(database),
                queue=queue,
                events=events,
                telemetry=RecordingTelemetry(),
                clock=clock,
                until=clock.now() + timedelta(seconds=RUN_SECONDS),
            )
            queue.held = len(queue.sent)
            seconds = time.monotonic() - start
            print(
                f"run {run}: {repairs} repairs in {seconds:.1f} s, {len(queue.sent)} enqueued, {len(events.sent)} told"
            )
            if repairs == 0:
                break
        with psycopg.connect(url) as connection:
            left = connection.execute("SELECT count(*) FROM idempotency_keys").fetchone()
        print(f"old keys left: {left[0] if left else '?'}")
    finally:
        database.close()


if __name__ == "__main__":
    sys.exit(main())
