"""One thing after the other is broken on a running stack: nothing is lost, nothing settles twice, everybody hears."""

import asyncio
from collections.abc import Iterator

import pytest

from localstack.chaos import stack as stacks
from localstack.chaos.audit import audit
from localstack.chaos.faults import Faults, failing
from localstack.chaos.followers import FollowerPlan, Style
from localstack.chaos.plan import FaultKind, PlannedFault
from localstack.chaos.stack import BreakableStack
from tests.scene import scene

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
    before = await asyncio.to_thread(broken.proxy.failed_calls)
    async with scene(broken.stack) as on:
        await asyncio.to_thread(broken.proxy.fail, failing(0.2))
        try:
            for number in range(20):
                await on.place_followed(LATE if number % 2 else RESTLESS)
            seen = await on.ended(LIMIT, reconcile_every=5)
        finally:
            await asyncio.to_thread(broken.proxy.fail, [])
    assert await asyncio.to_thread(broken.proxy.failed_calls) > before
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
