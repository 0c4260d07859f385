"""A process dies at every point where it matters; every order ends as it should, and every client hears of it.

All points are armed one after the other in one stack, and all that was killed recovers at the same time.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from localstack.harness import Stack
from tests.chaos import evidence, orders
from tests.chaos.audit import audit, repeats
from tests.chaos.followers import Follower, Manner, Style
from tests.chaos.kills import Kill, RecoveryWatch, arm, fired
from tests.chaos.orders import HOPELESS, PLAIN, wish
from tests.chaos.plan import CRASH_POINTS
from tests.chaos.records import Excuse, Frame

REACHED_WITHIN = 60.0
RECOVERED_WITHIN = 150.0
PLACED_WITHIN = 60.0
OF_THE_PUSH = frozenset({"after_post", "after_follower_stored"})


@dataclass
class Scene:
    """What happened so far."""

    stack: Stack
    crash_directory: Path
    http: aiohttp.ClientSession
    watch: RecoveryWatch
    accepted: list[str] = field(default_factory=list)
    followers: list[Follower] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    excuses: list[Excuse] = field(default_factory=list)
    push_recoveries: dict[str, float] = field(default_factory=dict)

    async def place(self, key: str, *, fails: bool = False) -> str:
        """Places an order."""
        accepted = await orders.place(self.http, wish(key, HOPELESS if fails else PLAIN), PLACED_WITHIN)
        self.accepted.append(accepted.order_id)
        return accepted.order_id

    def follow(self, order_id: str, hear: Callable[[Frame], None] | None = None) -> asyncio.Task[None]:
        """Connects a client."""
        follower = Follower(order_id, Manner(Style.EARLY), hear=hear)
        self.followers.append(follower)
        task = asyncio.create_task(follower.run(self.http))
        self.tasks.append(task)
        return task

    async def kill_at(self, point: str) -> None:
        """Has a process die at the point while it works for a fresh order that a client follows."""
        killed_at: list[float] = []

        def hear(_: Frame) -> None:
            if point in OF_THE_PUSH and killed_at and point not in self.push_recoveries:
                self.push_recoveries[point] = time.time() - killed_at[0]

        # The push that told the last order's end is still to pass its own point.
        await asyncio.sleep(0.5)
        arm(self.crash_directory, point)
        order_id = await self.place(f"{point}-{time.time_ns()}", fails=point == "after_commit_failed")
        self.follow(order_id, hear)
        moment = await fired(self.crash_directory, point, REACHED_WITHIN)
        killed_at.append(moment)
        if point in OF_THE_PUSH:
            self.excuses.append(Excuse(moment - 1, moment + RECOVERED_WITHIN, f"died at {point}"))
        else:
            await self.watch.add(Kill(point, order_id, moment))


async def test_nothing_is_lost_wherever_a_process_dies(stack: Stack, crash_directory: Path) -> None:
    watch = RecoveryWatch(stack.database_url)
    async with aiohttp.ClientSession(stack.base_url, connector=aiohttp.TCPConnector(limit=0)) as http:
        scene = Scene(stack, crash_directory, http, watch)
        watching = asyncio.create_task(watch.run())
        try:
            for point in CRASH_POINTS:
                await scene.kill_at(point)
                # An order right behind each victim does not suffer. It ends before the next point is armed, so that
                # whoever dies there works for the next victim.
                async with asyncio.timeout(RECOVERED_WITHIN):
                    await scene.follow(await scene.place(f"behind-{point}-{time.time_ns()}"))

            def quiet() -> bool:
                seen = evidence.collect(stack.database_url, accepted=scene.accepted, only_accepted=True)
                return all(order.is_over for order in seen.orders) and all(each.is_done for each in scene.followers)

            await orders.until(quiet, RECOVERED_WITHIN, pause=0.5)
        finally:
            for task in (watching, *scene.tasks):
                task.cancel()
            await asyncio.gather(watching, *scene.tasks, return_exceptions=True)
    seen = evidence.collect(
        stack.database_url,
        accepted=scene.accepted,
        transcripts=[follower.transcript for follower in scene.followers],
        excuses=scene.excuses,
        only_accepted=True,
    )
    assert audit(seen) == ()
    assert {order.status for order in seen.orders} == {"confirmed", "failed"}
    assert sum(order.status == "failed" for order in seen.orders) == 1
    for order in seen.orders:
        settled = [
            transaction for transaction in seen.chain if transaction.order_id == order.id and transaction.settles
        ]
        assert len(settled) == (order.status == "confirmed")
    assert {kill.point for kill in watch.seconds} | OF_THE_PUSH == set(CRASH_POINTS)
    assert {repeat.reason for repeat in repeats(seen)} <= {f"died at {point}" for point in OF_THE_PUSH}
    recoveries = {kill.point: seconds for kill, seconds in watch.seconds.items()} | scene.push_recoveries
    told = ", ".join(
        f"{point} {seconds:.1f}" for point, seconds in sorted(recoveries.items(), key=lambda pair: -pair[1])
    )
    print(f"\nSeconds from a kill until somebody went on: {told}")


pytestmark = pytest.mark.timeout(400)
