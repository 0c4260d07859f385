"""Repeating a request through the gateway: one order, whatever arrives at once."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import aiohttp
import psycopg
import pytest

from localstack.local_stack.stack_for_tests import Stack
from tests.e2e.trader import ORDER

PATH = "/api/orders/execute"
AT_ONCE = 50


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=stack.base_url, connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


async def post(http: aiohttp.ClientSession, key: str, **changes: object) -> tuple[int, str, dict[str, str]]:
    """Status, text and headers of an answer."""
    async with http.post(PATH, json={**ORDER, **changes}, headers={"Idempotency-Key": key}) as answer:
        return answer.status, await answer.text(), dict(answer.headers)


def count(stack: Stack, user: str) -> int:
    """How many orders the user has."""
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM orders WHERE user_id = %s", [user]).fetchone()
    assert row is not None
    return int(row[0])


async def test_fifty_at_once_are_one_order(stack: Stack, http: aiohttp.ClientSession) -> None:
    user, key = f"user-{uuid.uuid4()}", str(uuid.uuid4())
    answers = await asyncio.gather(*(post(http, key, userId=user) for _ in range(AT_ONCE)))
    assert {status for status, _, _ in answers} == {202}
    assert len({text for _, text, _ in answers}) == 1
    assert sum("Idempotent-Replayed" in headers for _, _, headers in answers) == AT_ONCE - 1
    assert len({headers["Location"] for _, _, headers in answers}) == 1
    assert len({headers["X-Request-ID"] for _, _, headers in answers}) == AT_ONCE
    assert count(stack, user) == 1


async def test_of_two_orders_with_one_key_one_wins(stack: Stack, http: aiohttp.ClientSession) -> None:
    user, key = f"user-{uuid.uuid4()}", str(uuid.uuid4())
    answers = await asyncio.gather(*(post(http, key, userId=user, amount=str(1 + n % 2)) for n in range(10)))
    assert sorted(status for status, _, _ in answers) == [202] * 5 + [422] * 5
    assert count(stack, user) == 1


async def test_of_ten_orders_with_one_client_order_id_one_wins(stack: Stack, http: aiohttp.ClientSession) -> None:
    user = f"user-{uuid.uuid4()}"
    answers = await asyncio.gather(
        *(post(http, str(uuid.uuid4()), userId=user, clientOrderId="mine") for _ in range(10))
    )
    assert sorted(status for status, _, _ in answers) == [202] + [409] * 9
    assert count(stack, user) == 1
