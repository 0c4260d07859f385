"""Clients that place orders as a careful one does: with an idempotency key, and again until there is an answer."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from localstack.local_stack.stack_for_tests import Stack
from order_engine import (
    Client,
    NewOrder,
    OrderEngineError,
    OutcomeUnknown,
    Patience,
    Refused,
    ServiceFailed,
    TooManyRequests,
    TransportError,
)

_PAUSE_SECONDS = 0.4
# A follower never leaves an open connection because it is silent: coming back would hide a status that was never sent.
_PATIENCE = Patience(answer_seconds=35, tries=3, first_pause_seconds=_PAUSE_SECONDS, silence_seconds=86_400)


@dataclass(frozen=True)
class Accepted:
    """A 202."""

    order_id: str
    at: float


class NotAccepted(Exception):
    """The service refused the order, or gave no answer for too long; the text says which."""


PLAIN: Mapping[str, Any] = {
    "wallet_address": "wallet_12345",
    "input_token": "SOL",
    "output_token": "USDC",
    "amount": "1.5",
    "side": "sell",
}
# More than both pools hold: fails for good at the first look.
HOPELESS: Mapping[str, Any] = {**PLAIN, "input_token": "USDC", "output_token": "SOL", "amount": "900000", "side": "buy"}
_HOPELESS_RATE = 0.04
USERS = tuple(f"chaos-{number}" for number in range(20))


def client(url: str, token: str | None = None) -> Client:
    """A client that waits as long as a broken stack takes."""
    return Client(url, token=token, patience=_PATIENCE)


@asynccontextmanager
async def clients(url: str, sign: Callable[[str], str] | None) -> AsyncIterator[Mapping[str, Client]]:
    """A client for each user whom `wishes` names, with a token of the user's own where `sign` makes them."""
    async with AsyncExitStack() as opened:
        yield {
            user: await opened.enter_async_context(client(url, sign(user) if sign is not None else None))
            for user in USERS
        }


def wish(key: str, body: Mapping[str, Any] = PLAIN, user: str = "chaos") -> NewOrder:
    """One order; the key makes every repetition the same one."""
    return NewOrder(user_id=user, idempotency_key=key, **body)


def wishes(chance: random.Random, count: int, name: str) -> Iterator[NewOrder]:
    """So many different orders, the same for the same seed; a few cannot be filled."""
    for number in range(count):
        body = dict(HOPELESS)
        if chance.random() >= _HOPELESS_RATE:
            body = dict(PLAIN)
            body["side"] = chance.choice(("sell", "buy"))
            body["input_token"], body["output_token"] = chance.choice(
                (("SOL", "USDC"), ("USDC", "SOL"), ("RAY", "USDT"))
            )
            body["amount"] = f"{chance.uniform(0.5, 40):.3f}"
            body["slippage_bps"] = chance.choice((30, 50, 100))
        yield wish(f"{name}-{number}", body, USERS[chance.randrange(len(USERS))])


async def place(client: Client, wanted: NewOrder, seconds: float) -> Accepted:
    """Places the order, again with the same key until it is accepted.

    Raises:
        NotAccepted: it was refused, or there was no 202 in so many seconds.
    """
    give_up = time.monotonic() + seconds
    seen: OrderEngineError | None = None
    while time.monotonic() < give_up:
        try:
            return Accepted((await client.place(wanted)).order_id, time.time())
        except (TransportError, OutcomeUnknown, ServiceFailed, TooManyRequests) as error:
            seen = error
        except OrderEngineError as error:
            raise NotAccepted(f"The order {wanted.idempotency_key} was refused: {error}") from error
        await asyncio.sleep(_PAUSE_SECONDS)
    raise NotAccepted(f"The order {wanted.idempotency_key} had no 202 within {seconds:.0f} s; the last answer: {seen}")


async def cancel(client: Client, order_id: str) -> str:
    """Asks for a cancellation, and says what came of it."""
    try:
        return (await client.cancel(order_id)).status
    except Refused as error:
        return f"{error.status} {error.code}"
    except OrderEngineError as error:
        return str(error)


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
