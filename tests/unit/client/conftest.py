"""A service on real sockets, and a client that does not wait long."""

from collections.abc import AsyncIterator

import pytest

from order_engine import Client, Patience
from tests.fakes.service import Service, served

IMPATIENT = Patience(answer_seconds=5, tries=3, first_pause_seconds=0.01, follow_seconds=5, silence_seconds=5)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with served(Service()) as each:
        yield each


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    async with Client(service.url, patience=IMPATIENT) as each:
        yield each
