"""Clients that place orders as a careful one does: with an idempotency key, and again until there is an answer."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from localstack.local_stack.stack_for_tests import Stack

_REQUEST_SECONDS = 35.0
_PAUSE_SECONDS = 0.4


@dataclass(frozen=True)
class Wish:
    """An order to place; the key makes every repetition the same order."""

    key: str
    body: Mapping[str, str]


@dataclass(frozen=True)
class Accepted:
    """A 202."""

    order_id: str
    at: float


class NotAccepted(Exception):
    """The service refused the order, or gave no answer for too long; the text says which."""


PLAIN: Mapping[str, str] = {
    "walletAddress": "wallet_12345",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": "1.5",
    "side": "sell",
}
# More than both pools hold: fails for good at the first look.
HOPELESS: Mapping[str, str] = {**PLAIN, "inputToken": "USDC", "outputToken": "SOL", "amount": "900000", "side": "buy"}
_HOPELESS_RATE = 0.04


def wish(key: str, body: Mapping[str, str] = PLAIN) -> Wish:
    """One order."""
    return Wish(key, {"userId": "chaos", **body})


def wishes(chance: random.Random, count: int, name: str) -> Iterator[Wish]:
    """So many different orders, the same for the same seed; a few cannot be filled."""
    for number in range(count):
        body = dict(HOPELESS)
        if chance.random() >= _HOPELESS_RATE:
            body = dict(PLAIN)
            body["side"] = chance.choice(("sell", "buy"))
            body["inputToken"], body["outputToken"] = chance.choice((("SOL", "USDC"), ("USDC", "SOL"), ("RAY", "USDT")))
            body["amount"] = f"{chance.uniform(0.5, 40):.3f}"
            body["slippageBps"] = str(chance.choice((30, 50, 100)))
        body["userId"] = f"chaos-{chance.randrange(20)}"
        yield Wish(f"{name}-{number}", body)


async def place(http: aiohttp.ClientSession, wanted: Wish, seconds: float) -> Accepted:
    """Places the order, again with the same key until it is accepted.

    Raises:
        NotAccepted: it was refused, or there was no 202 in so many seconds.
    """
    give_up = time.monotonic() + seconds
    seen = "no answer"
    timeout = aiohttp.ClientTimeout(total=_REQUEST_SECONDS)
    body = {name: int(value) if name == "slippageBps" else value for name, value in wanted.body.items()}
    while time.monotonic() < give_up:
        try:
            async with http.post(
                "/api/orders/execute", json=body, headers={"Idempotency-Key": wanted.key}, timeout=timeout
            ) as answer:
                if answer.status == HTTPStatus.ACCEPTED:
                    return Accepted(str((await answer.json())["orderId"]), time.time())
                seen = f"{answer.status} {(await answer.text())[:300]}"
                if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and answer.status != HTTPStatus.TOO_MANY_REQUESTS:
                    raise NotAccepted(f"The order {wanted.key} was refused: {seen}")
        except (aiohttp.ClientError, TimeoutError) as error:
            seen = repr(error)
        await asyncio.sleep(_PAUSE_SECONDS)
    raise NotAccepted(f"The order {wanted.key} had no 202 within {seconds:.0f} s; the last answer: {seen}")


async def cancel(http: aiohttp.ClientSession, order_id: str) -> int | None:
    """Asks for a cancellation; the status of the answer, None where there was none."""
    try:
        async with http.post(
            f"/api/orders/{order_id}/cancel", timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS)
        ) as answer:
            return answer.status
    except (aiohttp.ClientError, TimeoutError):
        return None


def send(stack: Stack, queue: str, order_id: str, copies: int) -> None:
    """Puts an order's message into the queue of this output, so many copies at once."""
    body = json.dumps({"orderId": order_id})
    stack.clients.sqs.send_message_batch(
        QueueUrl=stack.outputs[queue],
        Entries=[{"Id": str(number), "MessageBody": body} for number in range(copies)],
    )


def messages(stack: Stack, queue: str) -> int:
    """How many messages are in the queue of this output, those that somebody works on included."""
    attributes = stack.clients.sqs.get_queue_attributes(
        QueueUrl=stack.outputs[queue],
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return sum(int(count) for count in attributes.values())


async def until(holds: Callable[[], bool], seconds: float, pause: float = 0.2) -> bool:
    """Whether the condition came true within the limit; it is asked in a thread, so it may look into the database."""
    give_up = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        if time.monotonic() >= give_up:
            return False
        await asyncio.sleep(pause)
    return True
