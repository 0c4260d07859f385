"""What a page of the order history costs: first and thousandth page, each filter, tables of several sizes.

    PYTHONPATH=functions:. python -m tests.benchmarks.history_pages [1000 100000 1000000]

1,000,000 orders take about 2 GB and two minutes to fill. Times are of the adapter that the API calls, over a local
connection, and other work disturbs them; blocks are what Postgres touches, and nothing disturbs those.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from datetime import timedelta

import psycopg

from chalicelib.adapters.postgres.history import PostgresHistory, page_statement
from chalicelib.domain.order import placed_at
from chalicelib.domain.tokens import BONK, RAY, SOL, USDC
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.history import OrderFilter
from localstack.bench.history import analyze, fill
from tests.benchmarks.resting import blocks
from tests.fakes.builders import METEORA, RAYDIUM
from tests.fakes.postgres import a_server, open_database

PAGE, DEEP, ROUNDS = 50, 1000, 30


def filters(newest: str) -> dict[str, OrderFilter]:
    """What is measured, by name: common and rare values, alone and together."""
    end = placed_at(newest)
    return {
        "none": OrderFilter(),
        "user, a third of all": OrderFilter(user_id="whale"),
        "user, a thousandth": OrderFilter(user_id="user-7"),
        "user, only long ago": OrderFilter(user_id="early"),
        "status, common": OrderFilter(status=OrderStatus.CONFIRMED),
        "status, rare": OrderFilter(status=OrderStatus.CANCELLED),
        "status, none such": OrderFilter(status=OrderStatus.SUBMITTED),
        "venue": OrderFilter(venue=METEORA),
        "pair, common": OrderFilter(input_token=SOL, output_token=USDC),
        "pair, only long ago": OrderFilter(input_token=BONK, output_token=RAY),
        "one token": OrderFilter(input_token=BONK),
        "time": OrderFilter(placed_before=end - timedelta(hours=1), placed_from=end - timedelta(days=300)),
        "client order id": OrderFilter(client_order_id="c-1"),
        "user and status": OrderFilter(user_id="whale", status=OrderStatus.FAILED),
        "user and status, none such": OrderFilter(user_id="whale", status=OrderStatus.SUBMITTED),
        "user and pair": OrderFilter(user_id="whale", input_token=SOL, output_token=USDC),
        "user and venue": OrderFilter(user_id="whale", venue=RAYDIUM),
        "venue and status": OrderFilter(venue=RAYDIUM, status=OrderStatus.FAILED),
        "pair and venue": OrderFilter(input_token=SOL, output_token=USDC, venue=RAYDIUM),
        "everything": OrderFilter(
            user_id="whale",
            status=OrderStatus.FAILED,
            venue=RAYDIUM,
            input_token=BONK,
            output_token=RAY,
            placed_before=end,
        ),
    }


def milliseconds(history: PostgresHistory, which: OrderFilter, places: Sequence[str | None]) -> list[float]:
    """The median of each page, read by turns: what disturbs one disturbs the other."""
    taken: list[list[float]] = [[] for _ in places]
    for _ in range(ROUNDS + 1):
        for place, times in zip(places, taken, strict=True):
            start = time.perf_counter()
            history.page(which, limit=PAGE, before_id=place)
            times.append((time.perf_counter() - start) * 1000)
    return [statistics.median(times[1:]) for times in taken]  # the first call only warmed the caches


def deep_place(history: PostgresHistory, which: OrderFilter) -> tuple[int, str | None]:
    """Walks to the thousandth page as a client does; gives its number and where it starts.

    Where there are fewer, the last one but one: the last may be shorter, and cheaper for that reason alone.
    """
    starts: list[str | None] = [None]
    while len(starts) < DEEP + 1:
        page = history.page(which, limit=PAGE, before_id=starts[-1])
        if page.last_id is None:
            return max(len(starts) - 1, 1), starts[max(len(starts) - 2, 0)]
        starts.append(page.last_id)
    return DEEP, starts[DEEP - 1]


def main() -> None:
    """Prints the table."""
    print("| orders | filter | first ms | blocks | page | deep ms | blocks |\n|" + " --- |" * 7)
    with a_server() as url:
        database = open_database(url)
        history = PostgresHistory(database)
        for size in [int(text) for text in sys.argv[1:]] or [1_000, 100_000, 1_000_000]:
            with psycopg.connect(url, autocommit=True) as connection:
                newest = fill(connection, size)
                analyze(connection)
                for name, which in filters(newest).items():
                    number, place = deep_place(history, which)
                    first, deep = milliseconds(history, which, (None, place))
                    touched = [
                        blocks(connection, *page_statement(which, limit=PAGE, before_id=start))[0]
                        for start in (None, place)
                    ]
                    print(
                        f"| {size:,} | {name} | {first:.2f} | {touched[0]} | {number} | {deep:.2f} | {touched[1]} |",
                        flush=True,
                    )
        database.close()


if __name__ == "__main__":
    main()
