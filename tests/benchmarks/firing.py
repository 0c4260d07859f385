"""How soon a reached limit fires on the deployed stack: `python -m tests.benchmarks.firing 0 100000`.

Run it with PYTHONPATH=functions. For each number of orders at rest 40 limit orders are amended, at random moments, to a
price that the market pays; the delay is from that event to `pending`, by the database's clock.
"""

import asyncio
import random
import statistics
import sys
import tempfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import psycopg

from localstack.chaos import orders
from localstack.chaos.orders import PLAIN, chaos_order
from localstack.local_stack import stack_for_tests
from localstack.local_stack.stack_for_tests import Stack
from order_engine import Client
from tests.benchmarks.resting import fill_resting

FIRINGS = 40
AT_ONCE = 4
# A market that stands: what fills the table is far from it.
PARAMETERS = {"SimulatedDelayScale": "0.05", "SimulatedVolatility": "0"}


async def delay(client: Client, number: int, gate: asyncio.Semaphore) -> float:
    """Seconds from one order's price to its firing."""
    async with gate:
        placed = await client.place(chaos_order(f"firing-{number}", {**PLAIN, "limit_price": "1000"}))
        await asyncio.sleep(random.Random(number).uniform(2, 4))
        assert await orders.amend(client, placed.order_id, Decimal(100)) == "waiting"
        while True:
            at: dict[str, datetime] = {}
            for event in await client.events(placed.order_id):
                at.setdefault("amended" if "changed" in event.meta else event.status, event.at)
            if "pending" in at:
                return (at["pending"] - at["amended"]).total_seconds()
            await asyncio.sleep(0.2)


async def measure(stack: Stack, count: int) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        fill_resting(connection, count)
    gate = asyncio.Semaphore(AT_ONCE)
    async with orders.client(stack.base_url) as client:
        delays = sorted(await asyncio.gather(*(delay(client, count + number, gate) for number in range(FIRINGS))))
    p50, p99 = statistics.median(delays), delays[-1]
    print(f"{count} at rest: {FIRINGS} firings, p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with stack_for_tests.boot(Path(folder), parameters=PARAMETERS) as stack:
            for count in [int(text) for text in sys.argv[1:]] or [0, 100_000]:
                asyncio.run(measure(stack, count))


if __name__ == "__main__":
    main()
