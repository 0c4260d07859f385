"""What the limits of a user cost each order: the statement that stores it, without and within them.

PYTHONPATH=functions:. python -m tests.benchmarks.order_limits [--orders 2000] [--rounds 5]
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from chalicelib.adapters.postgres.owned import PostgresOwnedOrders
from chalicelib.domain.identity import Owner
from chalicelib.services.limits import OrderLimits
from infra.migrations.migrate import upgrade
from localstack.local_stack import postgres
from localstack.local_stack.processes import Reaper
from tests.fakes.postgres import fresh, open_database

LIMITS = {
    "none": OrderLimits(0, 0),
    "OrdersPerMinute": OrderLimits(1_000_000, 0),
    "MaxOpenOrders": OrderLimits(0, 1_000),
    "both": OrderLimits(1_000_000, 1_000),
}


def main() -> int:
    """Prints the median and the fastest of each: on a busy machine the latter says more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    medians: dict[str, list[float]] = {name: [] for name in LIMITS}
    fastest = dict.fromkeys(LIMITS, float("inf"))
    with tempfile.TemporaryDirectory() as folder, Reaper() as reaper:
        running = postgres.run(Path(folder) / "postgres", Path(folder) / "log", reaper, durable=False)
        try:
            upgrade(running.url)
            database = open_database(running.url)
            for number in range(asked.rounds):  # by turns, so that a busy moment meets all of them
                for name, limits in LIMITS.items():
                    orders = PostgresOwnedOrders(database, limits).of(Owner(f"{name}-{number}"))
                    times = []
                    for count in range(asked.orders):
                        if count % 900 == 0:  # as many open ones as one may have, and no more
                            orders = PostgresOwnedOrders(database, limits).of(Owner(f"{name}-{number}-{count}"))
                        order = fresh()
                        start = time.perf_counter()
                        orders.insert(order, None)
                        times.append(time.perf_counter() - start)
                    medians[name].append(statistics.median(times))
                    fastest[name] = min(fastest[name], *times)
            database.close()
        finally:
            running.stop()
    without = statistics.median(medians["none"])
    for name, rounds in medians.items():
        median = statistics.median(rounds)
        added = (median - without, fastest[name] - fastest["none"])
        print(f"{name:16} median {median * 1e6:5.0f} µs {added[0] * 1e6:+5.0f}, fastest {added[1] * 1e6:+5.0f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
