"""Workers on a real Postgres with the simulated market: duplicates, faults and deaths, then an audit of every row."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from chalicelib.adapters.postgres.ledger import PostgresLedger
from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.bootstrap import SystemClock
from chalicelib.chain.simulated import SimulatedChain
from chalicelib.config import Fault, SimulationSettings
from chalicelib.domain.errors import ErrorCode
from chalicelib.services.execute_order import Ack, ExecutionTimings, Worker, execute_order
from chalicelib.services.ports import CrashPoint
from chalicelib.venues.simulation.chance import Simulation
from tests.fakes import CrashAt, Killed, MemoryStatusEvents, MemoryTicks, RecordingTelemetry
from tests.fakes.market import a_router
from tests.fakes.postgres import let_time_pass, open_database, placed

TIMINGS = ExecutionTimings(
    lease_seconds=5, first_backoff_seconds=0.02, poll_seconds=0.005, resend_seconds=0.05, return_seconds=0.02
)
POINTS = [
    "after_claim",
    "after_commit_routing",
    "after_quote_raydium",
    "after_quote_meteora",
    "after_route",
    "after_commit_building",
    "after_signature",
    "after_submit",
    "after_commit_submitted",
    "before_confirmed",
    "after_commit_confirmed",
]


class Container:
    """What one Lambda container has."""

    def __init__(self, url: str, faults: dict[Fault, float], lifetime: float) -> None:
        self.database: Database = open_database(url)
        self.clock = SystemClock()
        self.market = Simulation(SimulationSettings(0, faults, lifetime), now=self.clock.now, sleep=self.clock.sleep)
        self.store = PostgresOrders(self.database)

    def worker(self, crash: CrashPoint | None = None) -> Worker:
        crash = crash or CrashAt()
        router = a_router(self.market, crash)
        return Worker(
            store=self.store,
            events=MemoryStatusEvents(),
            router=router,
            swaps=router,
            chain=SimulatedChain(self.market, PostgresLedger(self.database)),
            clock=self.clock,
            telemetry=RecordingTelemetry(),
            crash_point=crash,
            ticks=MemoryTicks(),
        )


@pytest.fixture
def containers(database_url: str) -> Iterator[Callable[..., list[Container]]]:
    opened: list[Container] = []

    def start(count: int, *, faults: dict[Fault, float] | None = None, lifetime: float = 30) -> list[Container]:
        opened.extend(Container(database_url, faults or {}, lifetime) for _ in range(count))
        return opened

    yield start
    for container in opened:
        container.database.close()


def deliver(order_id: str, worker: Worker, *, within: float = 30) -> None:
    """Delivers the message until it is done."""
    give_up = time.monotonic() + within
    while time.monotonic() < give_up:
        until = datetime.now(UTC) + timedelta(seconds=16)
        verdict = execute_order(order_id, worker=worker, timings=TIMINGS, until=until)
        if isinstance(verdict, Ack):
            return
        time.sleep(min(verdict.seconds, 0.02))
    raise AssertionError(f"{order_id} is not done within {within} s.")


def audit(url: str) -> dict[str, int]:
    """Every order is over, settled once if it is confirmed and never else, its events without a gap; counts by end."""
    ends: dict[str, int] = {}
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            """
            SELECT id, status, sequence, lease_token,
                (SELECT array_agg(sequence ORDER BY sequence) FROM order_events WHERE order_id = id),
                (SELECT status FROM order_events WHERE order_id = id ORDER BY sequence DESC LIMIT 1),
                (SELECT count(*) FROM chain_transactions WHERE order_id = id AND outcome = 'settles'),
                (SELECT count(*) FROM chain_transactions AS c WHERE order_id = id AND outcome = 'settles'
                    AND c.signature = orders.signature
                    AND (c.amount_in, c.amount_out) = (fill_amount_in, fill_amount_out))
            FROM orders
            """
        ).fetchall()
    for order_id, status, sequence, lease, sequences, last, settled, recorded in rows:
        assert status in ("confirmed", "failed"), order_id
        assert sequences == list(range(1, sequence + 1)), order_id
        assert last == status, order_id
        assert lease is None, order_id
        assert settled == recorded == (status == "confirmed"), f"{order_id}: {status}, settled {settled} times"
        ends[status] = ends.get(status, 0) + 1
    return ends


def test_every_message_delivered_to_three_workers_at_once(
    containers: Callable[..., list[Container]], database_url: str
) -> None:
    running = containers(3)
    workers = [container.worker() for container in running]
    ids = [placed(running[0].store).order.id for _ in range(20)]
    with ThreadPoolExecutor(12) as threads:
        done = [threads.submit(deliver, order_id, worker) for order_id in ids for worker in workers]
    for one in done:
        one.result()
    assert audit(database_url) == {"confirmed": 20}


def test_under_every_fault_at_once(containers: Callable[..., list[Container]], database_url: str) -> None:
    faults = {
        Fault.QUOTE_ERROR: 0.2,
        Fault.PRICE_MOVE: 0.2,
        Fault.DROPPED: 0.2,
        Fault.DROPPED_ONCE: 0.3,
        Fault.SUBMIT_TIMEOUT: 0.3,
    }
    running = containers(2, faults=faults, lifetime=0.4)
    workers = [container.worker() for container in running]
    ids = [placed(running[0].store).order.id for _ in range(40)]
    with ThreadPoolExecutor(16) as threads:
        done = [threads.submit(deliver, order_id, worker) for order_id in ids for worker in workers]
    for one in done:
        one.result()
    ends = audit(database_url)
    assert sum(ends.values()) == 40
    assert ends["confirmed"] > 20


def test_an_open_order_of_a_delisted_token_ends_with_a_reason(
    containers: Callable[..., list[Container]], database_url: str
) -> None:
    (container,) = containers(1)
    order_id = placed(container.store).order.id
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE orders SET input_token = 'GONE'")
    deliver(order_id, container.worker())
    assert audit(database_url) == {"failed": 1}
    failure = container.store.get(order_id).order.failure
    assert failure is not None
    assert failure.code is ErrorCode.NO_QUOTE


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_crash_point_and_taken_over(
    containers: Callable[..., list[Container]], database_url: str, point: str
) -> None:
    dying, relieving = containers(2)
    order_id = placed(dying.store).order.id
    until = datetime.now(UTC) + timedelta(seconds=16)
    with pytest.raises(Killed):
        execute_order(order_id, worker=dying.worker(CrashAt(point)), timings=TIMINGS, until=until)
    let_time_pass(database_url, TIMINGS.lease_seconds)
    deliver(order_id, relieving.worker())
    assert audit(database_url) == {"confirmed": 1}


@pytest.mark.parametrize("point", ["after_route", "after_signature", "after_submit", "before_confirmed"])
def test_a_zombie_wakes_up_while_its_successor_works(
    containers: Callable[..., list[Container]], database_url: str, point: str
) -> None:
    sleeping, relieving = containers(2)
    order_id = placed(sleeping.store).order.id
    asleep, wake_up = threading.Event(), threading.Event()

    def doze(name: str) -> None:
        if name == point:
            asleep.set()
            assert wake_up.wait(20)

    with ThreadPoolExecutor(1) as threads:
        zombie = threads.submit(deliver, order_id, sleeping.worker(doze))
        assert asleep.wait(20)
        let_time_pass(database_url, TIMINGS.lease_seconds)
        # The zombie wakes up in the middle of its successor's turn.
        deliver(order_id, relieving.worker(lambda name: wake_up.set() if name == "after_claim" else None))
        wake_up.set()
        zombie.result(30)
    assert audit(database_url) == {"confirmed": 1}
