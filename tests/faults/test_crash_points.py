"""A process dies at every point where it matters; every order ends as it should, and every client hears of it.

All points are armed one after the other in one stack, and all that was killed recovers at the same time.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from chalicelib.services.worker import ExecutionTimings
from localstack.chaos import orders
from localstack.chaos.audit import audit, repeats
from localstack.chaos.evidence import connect
from localstack.chaos.orders import HOPELESS, PLAIN, wait_until
from localstack.chaos.plan import CRASH_POINTS, QUOTE_POINTS, RESTING_CRASH_POINTS
from localstack.chaos.records import Evidence
from localstack.local_stack.stack_for_tests import Stack
from order_engine import OVER
from tests.crashes import Kill, Recovery, RecoveryWatch, arm, wait_for_crash
from tests.scene import Scene, scene

pytestmark = pytest.mark.timeout(500)
# Where each point leaves its order; from the second group on its transaction is signed and may be on the chain.
LEFT = {
    "after_claim": "routing",
    **dict.fromkeys(QUOTE_POINTS, "routing"),
    "after_route": "building",
    "after_commit_routing": "routing",
    "after_commit_building": "building",
    "after_signature": "building",
    "after_submit": "building",
    "after_commit_submitted": "submitted",
    "before_confirmed": "submitted",
    "after_commit_confirmed": "confirmed",
    "after_commit_failed": "failed",
}
SIGNED = frozenset(
    {"after_signature", "after_submit", "after_commit_submitted", "before_confirmed", "after_commit_confirmed"}
)
VICTIMS = 4
REACHED_WITHIN = 60.0
RECOVERED_WITHIN = 200.0
OF_THE_PUSH = frozenset({"after_post", "after_follower_stored"})


@contextmanager
def followed_from_the_first_moment(database_url: str) -> Iterator[None]:
    """No order is over before its client is connected: an end that nobody follows needs nobody to go on with it."""
    with connect(database_url) as connection:
        connection.execute(
            """
            CREATE FUNCTION mark_as_followed() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.followed_until := clock_timestamp() + interval '1 hour'; RETURN NEW; END $$;
            CREATE TRIGGER mark_as_followed BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION mark_as_followed();
            """
        )
        try:
            yield
        finally:
            connection.execute("DROP FUNCTION mark_as_followed() CASCADE")


async def kill_at(point: str, directory: Path, on: Scene, watch: RecoveryWatch) -> None:
    """Has a process die at the point while it works for a fresh order that a client follows."""
    for _ in range(VICTIMS):
        # The push that told the last order's end is still to pass its own point.
        await asyncio.sleep(0.5)
        arm(directory, point)
        order_id = await on.place(HOPELESS if point == "after_commit_failed" else PLAIN)
        on.follow(order_id)
        moment = await wait_for_crash(directory, point, REACHED_WITHIN)
        if point == "after_post":
            await on.interrupted(f"died at {point}")
        if point in OF_THE_PUSH:
            return
        # On a slow machine it may be a worker that goes on with an earlier order who dies: this one is over soon then,
        # with nothing left to do for anybody.
        await asyncio.sleep(1)
        left = await watch.look(order_id)
        needs_somebody = left.progress != str(left.sequence)
        if needs_somebody and left.status == LEFT[point] and (left.lease_expires_at is None) == (left.status in OVER):
            watch.add(Kill(point, order_id, moment), left)
            # A copy of the message at once: it must wait for the dead worker's lease.
            await on.send(order_id)
            return
    pytest.fail(f"{VICTIMS} workers died at {point}, and none left its order {LEFT[point]}.")


async def test_nothing_is_lost_wherever_a_process_dies(stack: Stack, crash_directory: Path) -> None:
    watch = RecoveryWatch(stack.database_url)
    with followed_from_the_first_moment(stack.database_url):
        await kill_everywhere(stack, crash_directory, watch)


async def kill_everywhere(stack: Stack, crash_directory: Path, watch: RecoveryWatch) -> None:
    async with scene(stack) as on:
        watching = asyncio.create_task(watch.run())
        try:
            for point in CRASH_POINTS:
                await kill_at(point, crash_directory, on, watch)
                # An order right behind each victim does not suffer. It ends before the next point is armed, so that
                # whoever dies there works for the next victim.
                async with asyncio.timeout(RECOVERED_WITHIN):
                    await on.follow(await on.place())
            seen = await on.ended(RECOVERED_WITHIN)
            # Followers may hear of an end before the watch looks again.
            assert await wait_until(lambda: not watch.waiting, RECOVERED_WITHIN)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    assert audit(seen) == ()
    assert {order.error_code for order in seen.orders if order.status == "failed"} == {"insufficient_liquidity"}
    assert {order.status for order in seen.orders} == {"confirmed", "failed"}
    assert {kill.point for kill in watch.recoveries} | OF_THE_PUSH == set(CRASH_POINTS)
    assert {repeat.reason for repeat in repeats(seen)} == {"died at after_post"}
    # Somebody goes on as soon as the dead worker's lease is over, and long before reconcile would look.
    delays = {kill.point: recovery.delay_seconds(kill) for kill, recovery in watch.recoveries.items()}
    assert {point: delay for point, delay in delays.items() if delay > ExecutionTimings().lease_seconds} == {}, delays
    for kill, recovery in watch.recoveries.items():
        check(kill, recovery, seen)


def check(kill: Kill, recovery: Recovery, seen: Evidence) -> None:
    """The dead worker's order went on from where it was left, and not before its lease had run out."""
    left = recovery.left
    history = [event for event in seen.events if event.order_id == kill.order_id]
    [order] = [order for order in seen.orders if order.id == kill.order_id]
    assert recovery.kept_the_lease, kill.point
    # What was committed stays as it is, and is not done again: a death alone uses up no attempt.
    assert (history[left.sequence - 1].status, history[left.sequence - 1].attempt) == (left.status, left.attempt)
    # On a machine so slow that the quote expired meanwhile, it is routed anew in the same attempt.
    if order.attempt == left.attempt and not any("quote expired" in event.message for event in history):
        assert [event.status for event in history].count(left.status) == 1, kill.point
        assert left.signature in {None, order.signature}, kill.point
    assert (left.signature is not None) == (kill.point in SIGNED), kill.point


async def test_nothing_is_lost_wherever_the_watcher_dies(stack: Stack, crash_directory: Path) -> None:
    """Before it fires an order, between firing and sending, after sending; and a worker that has let one rest again."""
    points = dict.fromkeys(RESTING_CRASH_POINTS, "")
    async with scene(stack) as on:

        async def fire_and_die(point: str) -> None:
            points[point] = order_id = await on.place({**PLAIN, "limit_price": "1000"})
            on.follow(order_id)
            arm(crash_directory, point)
            # From now on its price is paid.
            assert await orders.amend(on.client, order_id, Decimal(100)) == "waiting"
            await wait_for_crash(crash_directory, point, REACHED_WITHIN)

        with stack.deployed_with(SimulatedFaults="price_move=1"):
            await fire_and_die("after_rest_commit")
        for point in RESTING_CRASH_POINTS:
            if point != "after_rest_commit":
                await fire_and_die(point)
        seen = await on.ended(RECOVERED_WITHIN, reconcile_every=5)
    assert audit(seen) == ()
    assert {order.status for order in seen.orders} == {"confirmed"}
    fires = {point: order.fires for point, order_id in points.items() for order in seen.orders if order.id == order_id}
    # Killed anywhere, it is fired once; what rested again is fired again.
    assert fires.pop("after_rest_commit") > 1
    assert fires == dict.fromkeys(fires, 1)
    assert [repeat for repeat in repeats(seen) if repeat.reason is None] == []
