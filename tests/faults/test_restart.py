"""Stopping and starting the stack."""

import asyncio
from pathlib import Path

import pytest

from localstack.chaos.audit import audit
from localstack.chaos.scene import scene
from localstack.local_stack import stack_for_tests

LIMIT = 240.0


@pytest.mark.timeout(500)
async def test_what_a_stop_interrupted_goes_on_at_the_next_start(tmp_path: Path) -> None:
    """As `./dev down` and `./dev up` do it: the same data folder, a new emulator."""
    accepted: list[str] = []
    with stack_for_tests.boot(tmp_path, parameters={"SimulatedDelayScale": "1"}) as first:
        async with scene(first) as on:
            await asyncio.gather(*(on.place() for _ in range(6)))
            accepted = list(on.accepted)
            still_open = [order.id for order in on.evidence().orders if not order.is_over]
    assert still_open
    with stack_for_tests.boot(tmp_path, parameters={"SimulatedDelayScale": "0.05"}) as second:
        async with scene(second) as on:
            on.accepted = accepted
            for order_id in accepted:
                on.follow(order_id)
            seen = await on.ended(LIMIT, reconcile_every=5)
    assert audit(seen) == ()
    assert {order.status for order in seen.orders} == {"confirmed"}
