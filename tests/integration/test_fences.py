"""What keeps an order from being executed twice, on a real Postgres: each fence at work, and one broken on purpose.

A zombie is a worker that sleeps at a point until another one has taken its order over and brought it to its end.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from chalicelib.adapters.postgres import orders as order_sql
from chalicelib.adapters.postgres.ledger import PostgresLedger
from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.bootstrap import SystemClock
from chalicelib.chain.simulated import SimulatedChain
from chalicelib.chain.transactions import SimulatedSwap, sign, signature_of
from chalicelib.config import BLOCK_MS, Fault, SimulationSettings
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.order import SignedTransaction
from chalicelib.ports.runtime import CrashPoint
from chalicelib.services.execute_order import execute_order
from chalicelib.services.reconcile import reconcile
from chalicelib.services.worker import Ack, ExecutionTimings, Worker
from chalicelib.simulation.chance import Simulation
from chalicelib.venues.simulated import venue
from localstack.chaos import evidence
from localstack.chaos.audit import audit
from localstack.chaos.plan import QUOTE_POINTS
from localstack.chaos.violations import Kind
from tests.fakes import MemoryQueue, MemoryStatusEvents, MemoryTicks, RecordingTelemetry
from tests.fakes.market import a_router
from tests.fakes.postgres import LEASE, at_once, claimed, let_time_pass, placed

TIMINGS = ExecutionTimings(
    lease_seconds=4, first_backoff_seconds=0.02, poll_seconds=0.005, resend_seconds=0.05, return_seconds=0.02
)
LIMIT_SECONDS = 30
POINTS = (
    "after_claim", "after_commit_routing", *QUOTE_POINTS, "after_route",
    "after_commit_building", "after_signature", "after_submit", "after_commit_submitted", "before_confirmed",
)  # fmt: skip
Containers = Callable[..., Worker]


def nothing(name: str) -> None:
    del name


@pytest.fixture
def store(connect: Callable[[], Database]) -> PostgresOrders:
    """The order store of nobody's worker."""
    return PostgresOrders(connect())


@pytest.fixture
def containers(connect: Callable[[], Database]) -> Containers:
    """Makes workers, each with connections of its own as in a container of its own."""

    def start(
        crash_point: CrashPoint = nothing,
        *,
        faults: dict[Fault, float] | None = None,
        lifetime: float = 30,
    ) -> Worker:
        database = connect()
        clock = SystemClock()
        market = Simulation(SimulationSettings(0, faults or {}, lifetime), now=clock.now, sleep=clock.sleep)
        router = a_router(market, crash_point)
        return Worker(
            store=PostgresOrders(database),
            events=MemoryStatusEvents(),
            router=router,
            swaps=router,
            chain=SimulatedChain(market, PostgresLedger(database)),
            clock=clock,
            telemetry=RecordingTelemetry(),
            crash_point=crash_point,
            ticks=MemoryTicks(),
        )

    return start


class Sleep:
    """Holds whoever comes to the point first until it is woken."""

    def __init__(self, point: str) -> None:
        self._point = point
        self.asleep = threading.Event()
        self.wake_up = threading.Event()

    def __call__(self, name: str) -> None:
        if name == self._point and not self.asleep.is_set():
            self.asleep.set()
            assert self.wake_up.wait(LIMIT_SECONDS)


def deliver(order_id: str, worker: Worker) -> None:
    """Delivers the order's message until it is done."""
    give_up = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < give_up:
        until = datetime.now(UTC) + timedelta(seconds=16)
        verdict = execute_order(order_id, worker=worker, timings=TIMINGS, until=until)
        if isinstance(verdict, Ack):
            return
        time.sleep(min(verdict.seconds, 0.05))
    raise AssertionError(f"{order_id} is not done within {LIMIT_SECONDS} s.")


@contextmanager
def zombie_at(
    point: str, containers: Containers, store: PostgresOrders, url: str, *, lifetime: float = 30
) -> Iterator[tuple[str, Sleep]]:
    """An order whose worker sleeps at the point until the end of the block, its lease being over."""
    sleep = Sleep(point)
    zombie, order_id = containers(sleep, lifetime=lifetime), placed(store).order.id
    with ThreadPoolExecutor(1) as threads:
        turn = threads.submit(deliver, order_id, zombie)
        assert sleep.asleep.wait(LIMIT_SECONDS)
        let_time_pass(url, TIMINGS.lease_seconds)
        yield order_id, sleep
        sleep.wake_up.set()
        turn.result(LIMIT_SECONDS)


def written(url: str) -> list[tuple[object, ...]]:
    """Everything that the engine keeps of its orders."""
    with psycopg.connect(url) as connection:
        orders = connection.execute("SELECT * FROM orders ORDER BY id").fetchall()
        return orders + connection.execute("SELECT * FROM order_events ORDER BY order_id, sequence").fetchall()


def broken_promises(url: str, *order_ids: str) -> set[Kind]:
    return {violation.kind for violation in audit(evidence.collect(url, accepted=order_ids))}


@pytest.mark.parametrize("point", POINTS)
def test_a_zombie_that_wakes_up_after_the_end_writes_nothing(
    containers: Containers, store: PostgresOrders, database_url: str, point: str
) -> None:
    with zombie_at(point, containers, store, database_url) as (order_id, _):
        deliver(order_id, containers())
        before = written(database_url)
    assert written(database_url) == before
    seen = evidence.collect(database_url, accepted=[order_id])
    assert audit(seen) == ()
    assert [order.status for order in seen.orders] == ["confirmed"]


@pytest.mark.parametrize("point", ["after_route", "after_signature", "after_submit", "before_confirmed"])
def test_a_zombie_that_wakes_up_while_its_successor_works_settles_nothing_twice(
    containers: Containers, store: PostgresOrders, database_url: str, point: str
) -> None:
    with zombie_at(point, containers, store, database_url) as (order_id, sleep):
        deliver(order_id, containers(lambda name: sleep.wake_up.set() if name == "after_claim" else None))
    seen = evidence.collect(database_url, accepted=[order_id])
    assert audit(seen) == ()
    assert [order.status for order in seen.orders] == ["confirmed"]


def test_many_orders_under_every_fault_at_once(
    containers: Containers, store: PostgresOrders, database_url: str
) -> None:
    faults = {
        Fault.QUOTE_ERROR: 0.2,
        Fault.PRICE_MOVE: 0.2,
        Fault.DROPPED: 0.2,
        Fault.DROPPED_ONCE: 0.3,
        Fault.SUBMIT_TIMEOUT: 0.3,
    }
    workers = [containers(faults=faults, lifetime=0.4) for _ in range(2)]
    ids = [placed(store).order.id for _ in range(40)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda number: deliver(ids[number // 2], workers[number % 2]), range(80)))
    seen = evidence.collect(database_url, accepted=ids)
    assert audit(seen) == ()
    assert sum(order.status == "confirmed" for order in seen.orders) > 20


def test_an_open_order_of_a_delisted_token_ends_with_a_reason(
    containers: Containers, store: PostgresOrders, database_url: str
) -> None:
    order_id = placed(store).order.id
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE orders SET input_token = 'GONE'")
    deliver(order_id, containers())
    failure = store.get(order_id).order.failure
    assert failure is not None
    assert failure.code is ErrorCode.NO_QUOTE


def test_the_late_submit_of_a_zombie_cannot_settle_beside_a_new_attempt(
    containers: Containers, store: PostgresOrders, database_url: str
) -> None:
    with zombie_at("after_signature", containers, store, database_url, lifetime=0.3) as (order_id, _):
        # Its last valid block, and the one in which that ends.
        time.sleep(2 * BLOCK_MS / 1000)
        deliver(order_id, containers())
    seen = evidence.collect(database_url, accepted=[order_id])
    assert audit(seen) == ()
    assert [(each.attempt, each.outcome) for each in seen.chain] == [(1, "settles")]


@pytest.mark.parametrize("copies", [2, 5])
@pytest.mark.parametrize(
    "faults",
    [
        {},
        {Fault.SUBMIT_TIMEOUT: 1.0},
        {Fault.DROPPED_ONCE: 1.0},
        {Fault.DROPPED: 1.0},
        {Fault.PRICE_MOVE: 0.7},
        {Fault.SLOW: 1.0},
    ],
    ids=lambda faults: ",".join(faults) or "none",
)
def test_copies_of_a_message_delivered_at_once(
    containers: Containers, store: PostgresOrders, database_url: str, faults: dict[Fault, float], copies: int
) -> None:
    workers = [containers(faults=faults, lifetime=0.4) for _ in range(copies)]
    order_id = placed(store).order.id
    at_once(copies, lambda number: deliver(order_id, workers[number]))
    seen = evidence.collect(database_url, accepted=[order_id])
    assert audit(seen) == ()
    if faults == {Fault.DROPPED: 1.0}:
        assert [order.status for order in seen.orders] == ["failed"]
        assert {each.outcome for each in seen.chain} == {"expired"}
    elif Fault.PRICE_MOVE not in faults:
        assert [order.status for order in seen.orders] == ["confirmed"]
        assert len(seen.chain) == 1
    if faults == {Fault.DROPPED_ONCE: 1.0}:
        assert seen.chain[0].submissions > 1


# Without its lease, status and sequence: whoever signs last wins.
UNFENCED = """
UPDATE orders SET signature = %(signature)s, raw_transaction = %(raw)s, last_valid_height = %(last_valid_height)s
WHERE id = %(id)s RETURNING id
"""


@pytest.mark.parametrize("fence", ["as it is", "broken"])
def test_the_audit_catches_a_broken_fence(
    containers: Containers, store: PostgresOrders, database_url: str, monkeypatch: pytest.MonkeyPatch, fence: str
) -> None:
    """A zombie signs after its successor has settled the order: only the fence around the signature stops it."""
    numbers = itertools.count()

    def sign_anew(swap: SimulatedSwap) -> SignedTransaction:
        """Signing twice makes two transactions, also within one block."""
        raw = sign(swap).raw + b" " * next(numbers)
        return SignedTransaction(signature_of(raw), raw, swap.last_valid_height)

    monkeypatch.setattr(venue, "sign", sign_anew)
    if fence == "broken":
        monkeypatch.setattr(order_sql, "SAVE_SIGNED_TRANSACTION", UNFENCED)
    with zombie_at("after_route", containers, store, database_url) as (order_id, _):
        deliver(order_id, containers())
    found = broken_promises(database_url, order_id)
    assert found == ({Kind.SETTLED_TWICE} if fence == "broken" else set())


def aged(url: str) -> None:
    """Lets so much time pass that whatever nobody looks after is due."""
    let_time_pass(url, 120)


def test_each_repair_is_made_once_by_several_reconcilers(
    containers: Containers, store: PostgresOrders, connect: Callable[[], Database], database_url: str
) -> None:
    worker = containers()
    never_enqueued = [placed(store).order.id for _ in range(30)]
    given_up = [claimed(store, LEASE).order.id for _ in range(30)]
    unpublished = []
    for _ in range(30):
        order_id = placed(store).order.id
        worker.events.outage = True  # type: ignore[attr-defined]
        deliver(order_id, worker)
        unpublished.append(order_id)
    aged(database_url)
    queue, events, telemetry = MemoryQueue(), MemoryStatusEvents(), RecordingTelemetry()
    reconcilers = [PostgresOrders(connect()) for _ in range(4)]

    def repair(number: int) -> int:
        clock = SystemClock()
        return reconcile(
            store=reconcilers[number],
            queue=queue,
            events=events,
            telemetry=telemetry,
            clock=clock,
            until=clock.now() + timedelta(seconds=46),
        )

    repairs = at_once(4, repair)
    assert sum(repairs) == 90
    assert sorted(queue.sent) == sorted(never_enqueued + given_up)
    assert sorted(sent.history.order.id for sent in events.sent) == sorted(unpublished)
    assert telemetry.total("ReconcileRepairs", repair="enqueued") == 60
    assert telemetry.total("ReconcileRepairs", repair="published") == 30
    assert at_once(2, repair) == [0, 0]
    for order_id in queue.sent:
        deliver(order_id, containers())
    assert broken_promises(database_url, *never_enqueued, *given_up, *unpublished) == set()
