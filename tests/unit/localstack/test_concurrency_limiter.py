"""The limit on what goes on at once."""

import asyncio

import pytest

from localstack.gateway.concurrency_limiter import ConcurrencyLimiter

FOREVER = 3600.0
LIMIT_SECONDS = 20


async def test_no_more_than_its_slots_at_once() -> None:
    limiter = ConcurrencyLimiter(3, FOREVER, FOREVER)
    inside = most = 0

    async def pass_through() -> None:
        nonlocal inside, most
        async with limiter.slot():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.wait_for(asyncio.gather(*(pass_through() for _ in range(50))), LIMIT_SECONDS)
    assert (most, inside) == (3, 0)


async def test_nobody_waits_longer_than_the_patience() -> None:
    limiter = ConcurrencyLimiter(1, 0.01, 0.01)
    async with limiter.slot(), asyncio.timeout(LIMIT_SECONDS), limiter.slot(), limiter.slot():
        pass
    async with limiter.slot():
        assert limiter._slots.locked()


async def test_a_burst_that_lost_its_patience_comes_in_one_each_interval() -> None:
    waiting = most = 0

    class NeverFree(ConcurrencyLimiter):
        async def _wait(self, seconds: float) -> bool:
            nonlocal waiting, most
            if seconds == FOREVER:
                waiting += 1
                most = max(most, waiting)
                await asyncio.sleep(0)
                waiting -= 1
            return False

    limiter = NeverFree(1, 0, FOREVER)
    entered: list[int] = []

    async def enter(number: int) -> None:
        async with limiter.slot():
            entered.append(number)

    async with asyncio.timeout(LIMIT_SECONDS), limiter.slot():
        await asyncio.gather(*(enter(number) for number in range(20)))
    assert most == 1
    assert sorted(entered) == list(range(20))


async def test_a_failure_gives_the_slot_back() -> None:
    limiter = ConcurrencyLimiter(1, FOREVER, FOREVER)
    with pytest.raises(ValueError, match="inside"):
        async with limiter.slot():
            raise ValueError("inside")
    async with asyncio.timeout(LIMIT_SECONDS), limiter.slot():
        pass


async def test_giving_up_while_waiting_takes_no_slot_and_gives_none_back() -> None:
    limiter = ConcurrencyLimiter(1, FOREVER, FOREVER)
    async with limiter.slot():
        waiting = asyncio.create_task(limiter.slot().__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert limiter._slots.locked()
    async with asyncio.timeout(LIMIT_SECONDS), limiter.slot():
        assert limiter._slots.locked()
