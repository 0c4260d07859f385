"""A handful of orders and their followers on a running stack, for tests that break one thing at a time."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from localstack.chaos import evidence, orders
from localstack.chaos.evidence import connect
from localstack.chaos.followers import Follower, FollowerPlan, Style
from localstack.chaos.orders import PLAIN
from localstack.chaos.records import Evidence, Frame, Interruption
from localstack.errors import UserError
from localstack.local_stack.stack_for_tests import Stack
from order_engine import Client

_PLACED_WITHIN = 120.0
_LOOK_SECONDS = 0.5
EARLY = FollowerPlan(Style.EARLY)

# An order that is committed and that nobody knows of yet: no message names it and reconcile leaves it alone for now.
_HIDDEN = """
WITH placed AS (
    INSERT INTO orders (id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps, status,
                        attempt, sequence, created_at, updated_at, attention_at, followed_until)
    SELECT %(id)s, 'chaos', 'wallet_12345', 'SOL', 'USDC', 'sell', 1500000000, 50, %(status)s, 1, 1, moment, moment,
           moment + interval '1 hour', NULL
    FROM date_trunc('milliseconds', clock_timestamp()) AS moment
    RETURNING id, created_at
)
INSERT INTO order_events (order_id, sequence, status, attempt, message, meta, occurred_at)
SELECT id, 1, 'pending', 1, 'Order accepted.', '{}', created_at FROM placed
"""


class Scene:
    """What happened so far."""

    def __init__(self, stack: Stack, client: Client) -> None:
        self.stack = stack
        self.client = client
        self.accepted: list[str] = []
        self.followers: list[Follower] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.interruptions: list[Interruption] = []

    async def place(self, body: Mapping[str, Any] = PLAIN) -> str:
        """Places an order. Raises `NotAccepted`."""
        accepted = await orders.place(self.client, orders.chaos_order(str(uuid.uuid4()), body), _PLACED_WITHIN)
        self.accepted.append(accepted.order_id)
        return accepted.order_id

    async def store_silently(self, status: str = "pending") -> str:
        """Stores an order without telling anybody; `status` may be one that it cannot really be in."""
        order_id = f"ord_{time.time_ns() // 1_000_000:012x}{uuid.uuid4().hex[:20]}"

        def insert() -> None:
            with connect(self.stack.database_url) as connection:
                connection.execute(_HIDDEN, {"id": order_id, "status": status})

        await asyncio.to_thread(insert)
        self.accepted.append(order_id)
        return order_id

    async def send(self, order_id: str, copies: int = 1, queue: str = "OrdersQueueUrl") -> None:
        """Puts an order's message into a queue."""
        await asyncio.to_thread(orders.send, self.stack, queue, order_id, copies)

    def follow(
        self, order_id: str, plan: FollowerPlan = EARLY, hear: Callable[[Frame], None] | None = None
    ) -> asyncio.Task[None]:
        """Connects a client."""
        follower = Follower(order_id, plan, f"{plan.style} {len(self.followers)}", hear)
        self.followers.append(follower)
        task = asyncio.create_task(follower.run(self.client))
        self.tasks.append(task)
        return task

    async def place_followed(self, *plans: FollowerPlan) -> str:
        """Places an order with a client for each plan, an early one where none is given."""
        order_id = await self.place()
        for plan in plans or (EARLY,):
            self.follow(order_id, plan)
        return order_id

    async def interrupted(self, reason: str) -> None:
        """A push died just now: keeps what it had not recorded yet."""
        moment = time.time()
        recorded = await asyncio.to_thread(evidence.read_follower_records, self.stack)
        self.interruptions.append(Interruption(moment, reason, recorded.of_orders, recorded.of_users))

    async def ended(self, seconds: float, *, reconcile_every: float | None = None) -> Evidence:
        """Waits until every order has ended and every client knows, or the time is over; gives what is left then."""
        give_up = time.monotonic() + seconds
        reconciled = time.monotonic()
        while time.monotonic() < give_up and not await asyncio.to_thread(self._is_quiet):
            if reconcile_every is not None and time.monotonic() - reconciled >= reconcile_every:
                reconciled = time.monotonic()
                await asyncio.to_thread(self._reconcile)
            await asyncio.sleep(_LOOK_SECONDS)
        return await asyncio.to_thread(self.evidence)

    def evidence(self) -> Evidence:
        """What is stored and was seen of this scene's orders."""
        return evidence.collect(
            self.stack.database_url,
            accepted=self.accepted,
            transcripts=[follower.transcript for follower in self.followers],
            interruptions=self.interruptions,
            only_accepted=True,
        )

    def _is_quiet(self) -> bool:
        if any(not follower.is_done for follower in self.followers):
            return False
        try:
            seen = self.evidence()
        except psycopg.OperationalError:
            return False
        return len(seen.orders) == len(self.accepted) and all(order.is_over for order in seen.orders)

    def _reconcile(self) -> None:
        try:
            self.stack.reconcile()
        except (BotoCoreError, ClientError, UserError):
            return  # the stack is away; asked again soon


@asynccontextmanager
async def scene(stack: Stack) -> AsyncIterator[Scene]:
    """A scene whose clients leave at its end."""
    async with orders.client(stack.base_url) as client:
        opened = Scene(stack, client)
        try:
            yield opened
        finally:
            for task in opened.tasks:
                task.cancel()
            results = await asyncio.gather(*opened.tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
