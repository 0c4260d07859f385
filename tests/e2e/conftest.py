"""A client of the deployed stack."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from localstack.local_stack.stack_for_tests import Stack
from tests.e2e.trader import Trader


@pytest.fixture
async def trader(stack: Stack) -> AsyncIterator[Trader]:
    """Whoever places orders and follows them."""
    async with aiohttp.ClientSession(base_url=stack.base_url) as http:
        yield Trader(http)
