"""What a page of the order history costs: first and thousandth page, each filter, tables of several sizes.

    python -m tests.benchmarks.history_pages [--sizes 1000,100000,1000000] [--rounds 30] [--json FILE]

Starts a Postgres of its own (1,000,000 orders take about 2 GB below --folder and two minutes to fill), or uses
--database-url, whose orders it DELETES. Times are of the adapter that the API calls, over a local connection.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import psycopg

from chalicelib.adapters.postgres.history import PostgresHistory, page_statement
from chalicelib.adapters.postgres.pool import Database
from chalicelib.config import DatabaseSettings
from chalicelib.domain.order import placed_at
from chalicelib.domain.tokens import BONK, RAY, SOL, USDC
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.browse import OrderFilter
from infra.migrations.migrate import upgrade
from localstack.bench.history import analyze, fill
from localstack.errors import UserError
from localstack.local_stack import postgres
from localstack.local_stack.processes import Reaper
from tests.fakes.builders import METEORA, RAYDIUM

PAGE = 50
DEEP = 1000
SIZES = (1_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Timing:
    """One filter on one table: the first page, and the thousandth or the last full one.

    Milliseconds, which other work on the machine disturbs, and blocks of Postgres, which nothing disturbs.
    """

    size: int
    filter: str
    first_ms: float
    first_p95_ms: float
    first_blocks: int
    deep_page: int
    deep_ms: float
    deep_p95_ms: float
    deep_blocks: int

    @property
    def ratio(self) -> float:
        """The deep page's cost in first pages."""
        return self.deep_ms / self.first_ms


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


def milliseconds(
    history: PostgresHistory, which: OrderFilter, places: Sequence[str | None], rounds: int
) -> list[list[float]]:
    """How long each page takes, again and again, by turns: what disturbs one disturbs the other."""
    taken: list[list[float]] = [[] for _ in places]
    for number in range(rounds + 1):
        for place, times in zip(places, taken, strict=True):
            start = time.perf_counter()
            history.page(which, limit=PAGE, before_id=place)
            if number:
                # The first call only warmed the caches.
                times.append((time.perf_counter() - start) * 1000)
    return taken


def blocks(connection: psycopg.Connection, which: OrderFilter, place: str | None) -> int:
    """How many blocks Postgres touches for the page."""
    statement, values = page_statement(which, limit=PAGE, before_id=place)
    row = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}".encode(), values).fetchone()
    if row is None:
        raise ValueError("EXPLAIN explained nothing.")
    plan = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


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


def measure(
    history: PostgresHistory, connection: psycopg.Connection, size: int, newest: str, rounds: int
) -> Iterator[Timing]:
    """Every filter on the table as it is."""
    for name, which in filters(newest).items():
        number, place = deep_place(history, which)
        first, deep = milliseconds(history, which, (None, place), rounds)
        yield Timing(
            size=size,
            filter=name,
            first_ms=round(statistics.median(first), 3),
            first_p95_ms=round(statistics.quantiles(first, n=20)[-1], 3),
            first_blocks=blocks(connection, which, None),
            deep_page=number,
            deep_ms=round(statistics.median(deep), 3),
            deep_p95_ms=round(statistics.quantiles(deep, n=20)[-1], 3),
            deep_blocks=blocks(connection, which, place),
        )


@contextmanager
def server(url: str | None, folder: Path | None) -> Iterator[str]:
    """The address of a migrated database: the one given, or a server of its own."""
    if url is not None:
        upgrade(url)
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="history-pages-", dir=folder) as name, Reaper() as reaper:
        home = Path(name)
        # The server may run as another user.
        home.chmod(0o755)
        running = postgres.run(home / "postgres", home / "postgres.log", reaper, durable=False)
        try:
            upgrade(running.url)
            yield running.url
        finally:
            running.stop()


COLUMNS = ("orders", "filter", "first ms", "p95 ms", "blocks", "page", "deep ms", "p95 ms", "blocks", "ratio")


def show(timing: Timing) -> str:
    """One line of the table."""
    return (
        f"| {timing.size:>9,} | {timing.filter:<26} | {timing.first_ms:8.2f} | {timing.first_p95_ms:8.2f} "
        f"| {timing.first_blocks:>6} | {timing.deep_page:>5} | {timing.deep_ms:8.2f} | {timing.deep_p95_ms:8.2f} "
        f"| {timing.deep_blocks:>6} | {timing.ratio:5.2f} |"
    )


def run(url: str, sizes: Sequence[int], rounds: int) -> list[Timing]:
    """Fills and measures, size by size."""
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    database = Database(DatabaseSettings.from_environment({"DATABASE_URL": url}))
    timings: list[Timing] = []
    try:
        for size in sizes:
            with psycopg.connect(url, autocommit=True) as connection:
                newest = fill(connection, size)
                analyze(connection)
                for timing in measure(PostgresHistory(database), connection, size, newest, rounds):
                    timings.append(timing)
                    print(show(timing), flush=True)
    finally:
        database.close()
    return timings


def main() -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="orders in the table, smallest first")
    parser.add_argument("--rounds", type=int, default=30, help="calls of each page")
    parser.add_argument("--database-url", help="a Postgres whose orders may be deleted")
    parser.add_argument("--folder", type=Path, help="where the own server's data goes")
    parser.add_argument("--json", type=Path, help="a file for the numbers")
    given = parser.parse_args()
    try:
        sizes = [int(size) for size in given.sizes.split(",")]
    except ValueError:
        parser.error("--sizes takes numbers with commas between them, for example 1000,100000")
    try:
        with server(given.database_url, given.folder) as url:
            timings = run(url, sizes, max(given.rounds, 2))
    except (UserError, psycopg.Error) as error:
        print(f"The history could not be measured: {error}", file=sys.stderr)
        return 1
    if given.json:
        given.json.write_text(json.dumps([{**asdict(one), "ratio": round(one.ratio, 3)} for one in timings], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
