"""A process dies at every point where it matters; every order ends as it should, and every client hears of it.

All points are armed one after the other in one stack, and all that was killed recovers at the same time.
"""

import asyncio
import time
from pathlib import Path

import pytest

from localstack.chaos.audit import audit, repeats
from localstack.chaos.kills import Kill, RecoveryWatch, arm, fired
from localstack.chaos.orders import HOPELESS, PLAIN
from localstack.chaos.plan import CRASH_POINTS
from localstack.chaos.records import Frame
from localstack.chaos.scene import Scene, scene
from localstack.stack_for_tests import Stack

pytestmark = pytest.mark.timeout(500)
REACHED_WITHIN = 60.0
RECOVERED_WITHIN = 200.0
OF_THE_PUSH = frozenset({"after_post", "after_follower_stored"})


async def kill_at(point: str, directory: Path, on: Scene, watch: RecoveryWatch, heard: dict[str, float]) -> None:
    """Has a process die at the point while it works for a fresh order that a client follows."""
    killed_at: list[float] = []

    def hear(_: Frame) -> None:
        if point in OF_THE_PUSH and killed_at and point not in heard:
            heard[point] = time.time() - killed_at[0]

    # The push that told the last order's end is still to pass its own point.
    await asyncio.sleep(0.5)
    arm(directory, point)
    order_id = await on.place(HOPELESS if point == "after_commit_failed" else PLAIN)
    on.follow(order_id, hear=hear)
    moment = await fired(directory, point, REACHED_WITHIN)
    killed_at.append(moment)
    if point in OF_THE_PUSH:
        on.excuse(RECOVERED_WITHIN, f"died at {point}")
    else:
        await watch.add(Kill(point, order_id, moment))


async def test_nothing_is_lost_wherever_a_process_dies(stack: Stack, crash_directory: Path) -> None:
    watch = RecoveryWatch(stack.database_url)
    heard: dict[str, float] = {}
    async with scene(stack) as on:
        watching = asyncio.create_task(watch.run())
        try:
            for point in CRASH_POINTS:
                await kill_at(point, crash_directory, on, watch, heard)
                # An order right behind each victim does not suffer. It ends before the next point is armed, so that
                # whoever dies there works for the next victim.
                async with asyncio.timeout(RECOVERED_WITHIN):
                    await on.follow(await on.place())
            seen = await on.ended(RECOVERED_WITHIN)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    assert audit(seen) == ()
    ends = [order.status for order in seen.orders]
    assert (ends.count("confirmed"), ends.count("failed")) == (2 * len(CRASH_POINTS) - 1, 1)
    for order in seen.orders:
        settled = [each for each in seen.chain if each.order_id == order.id and each.settles]
        assert len(settled) == (order.status == "confirmed")
    assert {kill.point for kill in watch.seconds} | OF_THE_PUSH == set(CRASH_POINTS)
    assert {repeat.reason for repeat in repeats(seen)} <= {f"died at {point}" for point in OF_THE_PUSH}
    recoveries = {kill.point: seconds for kill, seconds in watch.seconds.items()} | heard
    slowest_first = sorted(recoveries.items(), key=lambda pair: -pair[1])
    told = ", ".join(f"{point} {seconds:.1f}" for point, seconds in slowest_first)
    print(f"\nSeconds from a kill until somebody went on: {told}")
