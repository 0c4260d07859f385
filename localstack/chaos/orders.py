"""Clients that place orders as a careful one does: with an idempotency key, and again until there is an answer."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from localstack.chaos.world import SwapSize, World
from localstack.local_stack.stack_for_tests import Stack
from order_engine import (
    Client,
    Launch,
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
# Of those that may rest.
_SNIPER_RATE = 0.2
_FOK_RATE = 0.1
_LAUNCHES_WITHIN = 45
USERS = tuple(f"chaos-{number}" for number in range(20))


def client(url: str, token: str | None = None) -> Client:
    """A client that waits as long as a broken stack takes."""
    return Client(url, token=token, patience=_PATIENCE)


@asynccontextmanager
async def clients(url: str, sign: Callable[[str], str] | None) -> AsyncIterator[Mapping[str, Client]]:
    """A client for each user whom `order_drafts` names, with a token of the user's own where `sign` makes them."""
    async with AsyncExitStack() as opened:
        yield {
            user: await opened.enter_async_context(client(url, sign(user) if sign is not None else None))
            for user in USERS
        }


@dataclass(frozen=True)
class OrderDraft:
    """An order to place. A limit is `away_bps` from what the market pays then, a sniper's launch comes soon; either
    ends after `lasts` seconds."""

    key: str
    user: str
    body: Mapping[str, Any]
    away_bps: int | None = None
    is_sniper: bool = False
    lasts: int | None = None
    pick: float = 0.0

    def order(self, world: World, now: float) -> NewOrder:
        """As it is sent at this moment, each time alike."""
        body = dict(self.body)
        if self.lasts is not None:
            body["expires_at"] = datetime.fromtimestamp(now + self.lasts, UTC)
        coming = world.upcoming(now, _LAUNCHES_WITHIN) if self.is_sniper else []
        if coming:
            body["output_token"] = coming[int(self.pick * len(coming))]
        if self.away_bps is not None:
            counted = body["input_token"] if body["side"] == "sell" else body["output_token"]
            amount = world.base_units(body["amount"], counted)
            size = SwapSize(body["input_token"], body["output_token"], body["side"], amount)
            body["limit_price"] = world.limit(size, now, self.away_bps)
        return chaos_order(self.key, body, self.user)


def chaos_order(key: str, body: Mapping[str, Any] = PLAIN, user: str = "chaos") -> NewOrder:
    """One order; the key makes every repetition the same one."""
    return NewOrder(user_id=user, idempotency_key=key, **body)


def order_drafts(chance: random.Random, count: int, name: str, resting: float = 0.0) -> Iterator[OrderDraft]:
    """So many different orders, the same for the same seed; a few cannot be filled, a share of them may rest."""
    for number in range(count):
        key, user = f"{name}-{number}", USERS[chance.randrange(len(USERS))]
        if chance.random() < resting:
            yield _resting(chance, key, user)
            continue
        body = dict(HOPELESS)
        if chance.random() >= _HOPELESS_RATE:
            body = dict(PLAIN)
            body["side"] = chance.choice(("sell", "buy"))
            body["input_token"], body["output_token"] = chance.choice(
                (("SOL", "USDC"), ("USDC", "SOL"), ("RAY", "USDT"))
            )
            body["amount"] = f"{chance.uniform(0.5, 40):.3f}"
            body["slippage_bps"] = chance.choice((30, 50, 100))
        yield OrderDraft(key, user, body)


def _resting(chance: random.Random, key: str, user: str) -> OrderDraft:
    body = {**PLAIN, "amount": f"{chance.uniform(0.5, 40):.3f}"}
    lasts = chance.randint(15, 60)
    if chance.random() < _SNIPER_RATE:
        launch = Launch(minimum_liquidity_usd=chance.choice((500, 5_000)), require_safe=chance.random() < 0.5)
        sniper = {**body, "amount": f"{chance.uniform(0.1, 1):.3f}", "launch": launch}
        lasts = max(lasts, _LAUNCHES_WITHIN + 10)
        return OrderDraft(key, user, sniper, is_sniper=True, lasts=lasts, pick=chance.random())
    body["side"] = chance.choice(("sell", "buy"))
    body["input_token"], body["output_token"] = chance.choice((("SOL", "USDC"), ("USDC", "SOL"), ("JUP", "USDC")))
    if chance.random() < _FOK_RATE:
        return OrderDraft(key, user, {**body, "time_in_force": "fok"}, away_bps=chance.randint(-10, 10))
    return OrderDraft(key, user, body, away_bps=chance.randint(-5, 60), lasts=lasts)


async def place(client: Client, order: NewOrder, seconds: float) -> Accepted:
    """Places the order, again with the same key until it is accepted.

    Raises:
        NotAccepted: it was refused, or there was no 202 in so many seconds.
    """
    deadline = time.monotonic() + seconds
    seen: OrderEngineError | None = None
    while time.monotonic() < deadline:
        try:
            return Accepted((await client.place(order)).order_id, time.time())
        except (TransportError, OutcomeUnknown, ServiceFailed, TooManyRequests) as error:
            seen = error
        except OrderEngineError as error:
            raise NotAccepted(f"The order {order.idempotency_key} was refused: {error}") from error
        await asyncio.sleep(_PAUSE_SECONDS)
    raise NotAccepted(f"The order {order.idempotency_key} had no 202 within {seconds:.0f} s; the last answer: {seen}")


async def cancel(client: Client, order_id: str) -> str:
    """Asks for a cancellation, and says what came of it."""
    try:
        return (await client.cancel(order_id)).status
    except Refused as error:
        return f"{error.status} {error.code}"
    except OrderEngineError as error:
        return str(error)


async def amend(client: Client, order_id: str, limit_price: Decimal) -> str:
    """Asks for another limit, and says what came of it."""
    try:
        return (await client.amend(order_id, limit_price=limit_price)).status
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


async def wait_until(holds: Callable[[], bool], seconds: float, pause: float = 0.2) -> bool:
    """Whether the condition came true within the limit; it is asked in a thread, so it may look into the database."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(pause)
    return True
