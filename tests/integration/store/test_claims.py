"""Claims, leases, and cancels that race with them, on a real Postgres."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.domain.errors import Fenced, NotCancellable
from chalicelib.domain.events import RoutingStarted
from chalicelib.domain.order import History
from chalicelib.domain.transitions import OrderStatus, Trigger
from chalicelib.ports.orders import Claimed, Held, Lease, Settled, Transition
from chalicelib.services.cancel_order import cancel_order
from tests.fakes import MemoryStatusEvents, RecordingTelemetry, a_route, a_transaction, an_event
from tests.fakes.builders import METEORA, RAYDIUM
from tests.fakes.postgres import LEASE, OTHER, at_once, claimed, let_time_pass, placed, step

START = RoutingStarted((RAYDIUM, METEORA))


def test_a_claim_begins_nothing_whose_time_is_over(store: PostgresOrders, database_url: str) -> None:
    order_id = placed(store, expires_at=datetime.now(UTC) + timedelta(seconds=30)).order.id
    let_time_pass(database_url, 31)
    claim = store.claim(order_id, LEASE, START)
    assert isinstance(claim, Claimed)
    assert (claim.started, claim.history.order.status) == (False, OrderStatus.PENDING)


def test_a_claim_that_waited_for_a_move_knows_it(store: PostgresOrders, database_url: str) -> None:
    history = claimed(store)
    with psycopg.connect(database_url) as mover, ThreadPoolExecutor(1) as pool:
        mover.execute("UPDATE orders SET status = 'routing', sequence = 2 WHERE id = %s", [history.order.id])
        waiting = pool.submit(store.claim, history.order.id, LEASE, START)
        with psycopg.connect(database_url, autocommit=True) as looker:
            while not looker.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                assert not waiting.done()
        mover.execute(
            "INSERT INTO order_events SELECT id, 2, status, 1, 'Moved.', '{}', now() FROM orders WHERE id = %s",
            [history.order.id],
        )
        mover.commit()
        claim = waiting.result(timeout=30)
    assert isinstance(claim, Claimed)
    assert [event.message for event in claim.history.events] == ["Order accepted.", "Moved."]
    assert not claim.started


def test_one_of_twenty_workers_gets_the_order(connect: Callable[[], Database]) -> None:
    stores = [PostgresOrders(connect()) for _ in range(5)]
    order_id = placed(stores[0]).order.id
    claims = at_once(20, lambda n: stores[n % 5].claim(order_id, Lease(f"{n:032d}", 18)))
    assert Counter(type(claim) for claim in claims) == {Claimed: 1, Held: 19}


def test_an_attempt_is_not_due_before_its_time(store: PostgresOrders, database_url: str) -> None:
    history = claimed(store)
    event = an_event(history.order, Trigger.START)
    store.advance(history, Transition(history.order, event, LEASE, release=True, retry_after_seconds=4))
    held = store.claim(history.order.id, OTHER)
    assert isinstance(held, Held)
    assert 3 < held.seconds <= 4
    let_time_pass(database_url, 4)
    assert isinstance(store.claim(history.order.id, OTHER), Claimed)


def test_an_order_that_nobody_knows_is_settled(store: PostgresOrders) -> None:
    assert store.claim("ord_unknown", LEASE) == Settled(None)


def test_a_cancel_and_a_signature_never_both_win(connect: Callable[[], Database]) -> None:
    worker, client = (PostgresOrders(connect()) for _ in range(2))

    def race(number: int, history: History) -> str:
        if number == 0:
            try:
                worker.save_signed_transaction(history.order, a_transaction("s"), LEASE)
            except Fenced:
                return "fenced"
            return "signed"
        try:
            cancel_order(history.order.id, store=client, events=MemoryStatusEvents(), telemetry=RecordingTelemetry())
        except NotCancellable:
            return "refused"
        return "cancelled"

    outcomes: Counter[tuple[str, ...]] = Counter()
    for _ in range(40):
        history = step(worker, claimed(worker), Trigger.START)
        history = step(worker, history, Trigger.CHOOSE_ROUTE, route=a_route(history.order))
        outcomes[tuple(at_once(2, lambda number, history=history: race(number, history)))] += 1  # type: ignore[misc]
    assert set(outcomes) <= {("signed", "refused"), ("fenced", "cancelled")}
