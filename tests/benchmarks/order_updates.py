"""What an order's life costs Postgres: row versions for each table, how many of them no index hears of, and log.

    PYTHONPATH=functions:. python -m tests.benchmarks.order_updates [--orders 1000] [--table 0]

Starts a Postgres of its own with `--table` older orders in it, and executes `--orders` on it, eight at once.
A HOT update writes its row's own page only; any other writes an entry into each index of the table.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from chalicelib.adapters.postgres.ledger import PostgresLedger
from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.bootstrap import SystemClock
from chalicelib.chain.simulated import SimulatedChain
from chalicelib.config import SimulationSettings
from chalicelib.services.execute_order import execute_order
from chalicelib.services.worker import Ack, ExecutionTimings, Worker
from chalicelib.simulation.chance import Simulation
from localstack.bench.history import analyze, fill
from tests.fakes import CrashAt, MemoryStatusEvents, MemoryTicks, RecordingTelemetry
from tests.fakes.market import a_router
from tests.fakes.postgres import a_server, open_database, placed

STATISTICS = """
SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del FROM pg_stat_user_tables
WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 ORDER BY relname
"""


@dataclass(frozen=True)
class Writes:
    """What a table took, since its statistics were reset."""

    inserts: int
    updates: int
    hot: int
    deletes: int

    @property
    def hot_share(self) -> float:
        """HOT updates in all updates; 1 where there were none."""
        return self.hot / self.updates if self.updates else 1.0


def execute(url: str, count: int) -> None:
    """Places and executes so many orders on the simulated market, which answers at once."""
    database = open_database(url)
    clock = SystemClock()
    market = Simulation(SimulationSettings(0, {}, 30), now=clock.now, sleep=clock.sleep)
    router = a_router(market, CrashAt())
    worker = Worker(
        store=PostgresOrders(database),
        events=MemoryStatusEvents(),
        router=router,
        swaps=router,
        chain=SimulatedChain(market, PostgresLedger(database)),
        clock=clock,
        telemetry=RecordingTelemetry(),
        crash_point=CrashAt(),
        ticks=MemoryTicks(),
    )

    def run(_: int) -> None:
        order_id = placed(PostgresOrders(database), followed=False).order.id
        until = datetime.now(UTC) + timedelta(seconds=60)
        ended = execute_order(order_id, worker=worker, timings=ExecutionTimings(poll_seconds=0.005), until=until)
        if not isinstance(ended, Ack):
            raise AssertionError(f"{order_id} did not end: {ended}")

    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(run, range(count)))
    finally:
        database.close()


def writes_of(url: str, count: int) -> tuple[dict[str, Writes], float]:
    """What each table takes while so many orders are executed, and the log's bytes an order."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_reset()")
        before = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
        execute(url, count)
        assert before is not None
        logged = connection.execute("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", before).fetchone()
        assert logged is not None
        # A session's counts arrive with its end, and those of `execute` have just ended.
        give_up = time.monotonic() + 20
        while True:
            rows = connection.execute(STATISTICS).fetchall()
            tables = {str(name): Writes(*numbers) for name, *numbers in rows}
            if "orders" in tables and tables["orders"].inserts >= count:
                return tables, float(logged[0]) / count
            if time.monotonic() > give_up:
                raise AssertionError(f"Postgres has counted {tables} only.")
            time.sleep(0.2)


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--table", type=int, default=0)
    asked = parser.parse_args()
    with a_server() as url:
        if asked.table:
            with psycopg.connect(url, autocommit=True) as connection:
                fill(connection, asked.table)
                analyze(connection)
        tables, logged = writes_of(url, asked.orders)
    print(f"{'table':20} {'inserts':>8} {'updates':>8} {'HOT':>8} {'deletes':>8}   an order")
    for name, writes in tables.items():
        numbers = (writes.inserts, writes.updates, writes.hot, writes.deletes)
        print(f"{name:20} " + " ".join(f"{number / asked.orders:8.2f}" for number in numbers))
    print(f"HOT share of updates of orders: {tables['orders'].hot_share:.0%}; log: {logged / 1000:.1f} kB an order")
    return 0


if __name__ == "__main__":
    sys.exit(main())
