"""One thing after the other is broken on a running stack: nothing is lost, nothing settles twice, everybody hears."""

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from localstack.chaos import orders
from localstack.chaos import stack as stacks
from localstack.chaos.audit import audit
from localstack.chaos.evidence import connect
from localstack.chaos.faults import Faults, failing
from localstack.chaos.followers import FollowerPlan, Style
from localstack.chaos.orders import PLAIN, wait_until
from localstack.chaos.plan import FaultKind, PlannedFault
from localstack.chaos.scene import scene
from localstack.chaos.stack import BreakableStack

# One process runs them all where the tests run in several: they share a stack.
pytestmark = [pytest.mark.timeout(500), pytest.mark.xdist_group("faults")]
LIMIT = 240.0
LATE = FollowerPlan(Style.LATE, delay=2.0)
RESTLESS = FollowerPlan(Style.RESTLESS, breaks=(1, 1, 1, 1))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BreakableStack]:
    """A stack that these tests have for themselves."""
    folder = tmp_path_factory.mktemp("faults")
    environment = {"SIMULATED_TRANSACTION_LIFETIME": "4"}
    with stacks.boot(folder, parameters={"SimulatedDelayScale": "0.05"}, environment=environment) as booted:
        yield booted


@pytest.fixture
def faults(broken: BreakableStack) -> Iterator[Faults]:
    """What strikes the stack; all is quiet again at the end."""
    striking = Faults(broken, list)
    yield striking
    striking.end_all()


def test_functions_processes_are_found_to_be_killed_and_frozen(broken: BreakableStack) -> None:
    """Without this a run in which nothing was ever killed would look like one that survived it."""
    names = {each.function.partition("-")[0] for each in broken.function_processes()}
    assert names >= {"ApiFunction", "ExecuteOrdersFunction", "PushStatusFunction"}


async def test_outcomes_that_nobody_knows(broken: BreakableStack) -> None:
    """The chain takes a transaction and does not answer, loses it once, loses it for good, or is slow."""
    chaotic = "submit_timeout=0.5,dropped_once=0.4,dropped=0.15,slow=0.3"
    with broken.stack.deployed_with(SimulatedFaults=chaotic):
        async with scene(broken.stack) as on:
            for _ in range(16):
                await on.place_followed(random.choice((LATE, RESTLESS)))
            seen = await on.ended(LIMIT)
    assert audit(seen) == ()
    assert {order.status for order in seen.orders} <= {"confirmed", "failed"}


@pytest.mark.parametrize("seconds", [0.0, 9.0], ids=["restarted at once", "away for 9 s"])
async def test_postgres_stops_at_once_while_orders_run(broken: BreakableStack, faults: Faults, seconds: float) -> None:
    async with scene(broken.stack) as on:
        placing = asyncio.gather(*(on.place_followed(LATE if number % 3 else RESTLESS) for number in range(12)))
        await asyncio.sleep(0.7)
        await asyncio.to_thread(faults.inject, PlannedFault(0, FaultKind.POSTGRES, size=seconds))
        await placing
        seen = await on.ended(LIMIT, reconcile_every=5)
    assert faults.counts[FaultKind.POSTGRES] == 1
    assert audit(seen) == ()


async def test_a_fifth_of_all_calls_to_sqs_and_dynamodb_fails(broken: BreakableStack) -> None:
    before = await asyncio.to_thread(broken.proxy.fired)
    async with scene(broken.stack) as on:
        await asyncio.to_thread(broken.proxy.fail, failing(0.2))
        try:
            for number in range(20):
                await on.place_followed(LATE if number % 2 else RESTLESS)
            seen = await on.ended(LIMIT, reconcile_every=5)
        finally:
            await asyncio.to_thread(broken.proxy.fail, [])
    assert await asyncio.to_thread(broken.proxy.fired) > before
    assert audit(seen) == ()


FLOOD = """
WITH flood AS (
    INSERT INTO orders (id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps, status,
                        attempt, sequence, created_at, updated_at, order_type, limit_price, least_output, most_input,
                        time_in_force, expires_at, bound)
    SELECT 'ord_' || lpad(to_hex(number), 32, '0'), 'flood', 'w', 'SOL', 'USDC', 'sell', 1000000000, 0, 'waiting', 1, 1,
           now(), now(), 'limit', price, ceil(price * 1000000), 1000000000, 'gtc', now() + interval '1 day', price
    FROM (SELECT number, 100 + (number * 7919 %% 5000) * 0.001 AS price
          FROM generate_series(1, %(count)s) AS number) AS made
    RETURNING id, created_at
)
INSERT INTO order_events (order_id, sequence, status, attempt, message, meta, occurred_at)
SELECT id, 1, 'waiting', 1, 'Resting.', '{}', created_at FROM flood
"""
# Fired and without a worker, and how the market order is.
WAITING = """
SELECT (SELECT count(*) FROM orders WHERE user_id = 'flood' AND status = 'pending'), status FROM orders WHERE id = %s
"""
# What no worker has yet is nobody's any more.
EBB = """
UPDATE orders SET status = 'cancelled', attention_at = NULL WHERE user_id = 'flood' AND status IN ('waiting', 'pending')
"""
MOST_FIRED = 200


async def test_case_25_a_crash_through_5000_limits_stands_before_no_market_order(broken: BreakableStack) -> None:
    """They fire by price, then time, 200 at a time at most; a market order does not wait for the others."""

    def flooded(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[Any, ...]]:
        return connection.execute("SELECT bound, id, fires > 0 FROM orders WHERE user_id = 'flood'").fetchall()

    async with scene(broken.stack) as on:
        # Wakes the watcher, which then finds the flood.
        sleeper = await on.place({**PLAIN, "limit_price": "1000"})
        with connect(broken.stack.database_url) as connection:
            connection.execute(FLOOD, {"count": 5000})
            try:
                assert await wait_until(lambda: any(fired for _, _, fired in flooded(connection)), LIMIT)
                order_id = await on.place()
                most_waiting, status = 0, "pending"
                give_up = time.monotonic() + LIMIT
                while status == "pending":
                    assert time.monotonic() < give_up
                    [(waiting, found)] = connection.execute(WAITING, [order_id]).fetchall()
                    status = str(found)
                    most_waiting = max(most_waiting, int(str(waiting)))
                    await asyncio.sleep(0.05)
                orders_now = flooded(connection)
            finally:
                connection.execute(EBB)
        await orders.cancel(on.client, sleeper)
        seen = await on.ended(LIMIT, reconcile_every=5)
    assert 0 < most_waiting <= MOST_FIRED
    left = [(bound, order) for bound, order, fired in orders_now if not fired]
    assert left
    assert max((bound, order) for bound, order, fired in orders_now if fired) < min(left)
    assert audit(seen) == ()


async def test_the_emulator_dies_with_all_its_queues(broken: BreakableStack, faults: Faults) -> None:
    async with scene(broken.stack) as on:
        placing = asyncio.gather(*(on.place_followed(LATE if number % 2 else RESTLESS) for number in range(12)))
        await asyncio.sleep(1.5)
        await asyncio.to_thread(faults.inject, PlannedFault(0, FaultKind.EMULATOR))
        await placing
        seen = await on.ended(LIMIT, reconcile_every=5)
    assert faults.counts[FaultKind.EMULATOR] == 1
    assert audit(seen) == ()
