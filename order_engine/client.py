"""The client: one coroutine a call, with the service's answers as types and its refusals as exceptions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Final

from yarl import URL

from order_engine import errors
from order_engine.answers import is_transient, may_have_arrived, read
from order_engine.models import (
    Event,
    Exact,
    Feed,
    Health,
    Launches,
    Model,
    NewOrder,
    Order,
    Page,
    Placed,
    Price,
    Route,
    Snapshot,
    Swap,
    Ticket,
    Token,
    exact,
)
from order_engine.order_stream import follow_order
from order_engine.stream import Stream, open_stream
from order_engine.transport import Query, Transport, order_path, text_fields
from order_engine.user_stream import follow_user

PLACE: Final = "/api/orders/execute"


class _Events(Model, frozen=True):
    events: tuple[Event, ...]


class _Prices(Model, frozen=True):
    points: tuple[Price, ...]


class _Tokens(Model, frozen=True):
    tokens: tuple[Token, ...]


class Client(Transport):
    """The service at one address; an async context manager.

    `url` is what stands before /api, with the stage on AWS: https://….execute-api.eu-central-1.amazonaws.com/live.
    `token` is sent as a bearer token; a function is asked for it before each call. `headers` go with every call and
    stream, for what stands before the service. Every call raises an `OrderEngineError`. Reads, cancels and orders
    (which carry their key) are repeated where the network or the service fails for a moment.
    """

    async def place(self, order: NewOrder) -> Placed:
        """Places the order once, whatever the network does: every repetition carries the order's idempotency key.

        Raises:
            Refused: it was not placed.
            Unreachable: it was not even sent.
            OutcomeUnknown: it may have been placed; `place(order)` again tells.
        """
        may_exist = False
        number = 0
        while True:
            try:
                answer = await self._send("POST", PLACE, body=order.body(), key=order.idempotency_key)
                return read(answer, Placed, self.url)
            except (errors.InvalidRequest, errors.Unprocessable, errors.Conflict):
                raise  # this very order was not placed, before neither
            except errors.OrderEngineError as error:
                failure = error
            may_exist = may_exist or may_have_arrived(failure)
            number += 1
            if not may_exist and not isinstance(failure, errors.TooManyRequests | errors.ServiceFailed):
                raise failure
            if number >= self.patience.tries or not is_transient(failure):
                break
            await asyncio.sleep(self.patience.pause_after(failure, number - 1))
        if not may_exist:
            raise failure
        raise errors.OutcomeUnknown(
            f"The order was sent and may have been placed: {failure.clause}. Placing it again with the same "
            f"idempotency key ({order.idempotency_key}) tells, and makes no second one.",
            order.idempotency_key,
        ) from failure

    async def get(self, order_id: str) -> Order:
        """The order as it now is. Raises NotFound."""
        return read(await self.request("GET", order_path(order_id)), Order, self.url)

    async def events(self, order_id: str) -> tuple[Event, ...]:
        """Every status so far, oldest first. Raises NotFound."""
        return read(await self.request("GET", f"{order_path(order_id)}/events"), _Events, self.url).events

    async def feed(
        self,
        user_id: str | None = None,
        *,
        since: datetime | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> Feed:
        """What happened to all of a user's orders, some five seconds late; for those who poll.

        From a time on, behind a cursor (`next_cursor`), or without both from the first event on. With an access token
        `user_id` may be left out.
        """
        query: Query = {"userId": user_id, "since": since, "after": after, "limit": limit}
        return read(await self.request("GET", "/api/events", query=query), Feed, self.url)

    async def cancel(self, order_id: str) -> Order:
        """The cancelled order; may be repeated. Raises Conflict once its transaction is signed, NotFound."""
        return read(await self.request("POST", f"{order_path(order_id)}/cancel"), Order, self.url)

    async def amend(
        self,
        order_id: str,
        *,
        limit_price: Exact | None = None,
        expires_at: datetime | None = None,
        if_sequence: int | None = None,
    ) -> Order:
        """The order with another limit, another end, or both, while it waits.

        Raises Conflict where it does not wait any more, or is not at `if_sequence`; NotFound.
        """
        given = {
            "limitPrice": exact(limit_price) if limit_price is not None else None,
            "expiresAt": expires_at.isoformat() if expires_at else None,
            "ifSequence": if_sequence,
        }
        body = {name: value for name, value in given.items() if value is not None}
        return read(await self.request("PATCH", order_path(order_id), body=body), Order, self.url)

    async def price(self, input_token: str, output_token: str) -> Price:
        """What the market pays right now."""
        query = {"inputToken": input_token, "outputToken": output_token}
        return read(await self.request("GET", "/api/prices", query=query), _Prices, self.url).points[-1]

    async def launches(self) -> Launches:
        """The newest launches of tokens."""
        return read(await self.request("GET", "/api/launches"), Launches, self.url)

    async def page(
        self,
        *,
        user_id: str | None = None,
        client_order_id: str | None = None,
        status: str | None = None,
        order_type: str | None = None,
        venue: str | None = None,
        input_token: str | None = None,
        output_token: str | None = None,
        placed_from: datetime | None = None,
        placed_before: datetime | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page:
        """A page of orders, newest first. A page may be empty and still have a next one."""
        query: Query = {
            "userId": user_id,
            "clientOrderId": client_order_id,
            "status": status,
            "orderType": order_type,
            "venue": venue,
            "inputToken": input_token,
            "outputToken": output_token,
            "placedFrom": placed_from,
            "placedBefore": placed_before,
            "limit": limit,
            "cursor": cursor,
        }
        return read(await self.request("GET", "/api/orders", query=query), Page, self.url)

    async def orders(self, *, at_most: int | None = None, **filters: str | datetime | None) -> AsyncGenerator[Order]:
        """Every order that `page` lists, newest first, page after page."""
        left = at_most
        cursor: str | None = None
        while left is None or left > 0:
            page = await self.page(limit=200 if left is None else min(left, 200), cursor=cursor, **filters)  # type: ignore[arg-type]
            for order in page.orders:
                yield order
            left = None if left is None else left - len(page.orders)
            cursor = page.next_cursor
            if cursor is None:
                return

    async def quote(self, swap: Swap) -> Route:
        """What an order would be routed to right now. Raises Unprocessable where no venue gives a quote."""
        return read(await self.request("POST", "/api/quotes", body=Swap.body(swap)), Route, self.url)

    async def tokens(self) -> tuple[Token, ...]:
        """What can be traded."""
        return read(await self.request("GET", "/api/tokens"), _Tokens, self.url).tokens

    async def health(self) -> Health:
        """Whether orders can be taken; no exception where the service says that they can't."""
        answer = await self._send("GET", "/health", accepted=(HTTPStatus.SERVICE_UNAVAILABLE,))
        return read(answer, Health, self.url)

    @asynccontextmanager
    async def stream(self, order_id: str, *, after: int = 0, url: str = "") -> AsyncIterator[Stream]:
        """One connection that follows the order from behind sequence `after`; `url` is a `Placed.websocket_url`.

        It ends when the connection does: `follow` is what comes back.
        """
        target = URL(url or (await self.ticket(order_id)).websocket_url).update_query(after=str(after))
        async with open_stream(self._session(), target, self._proxy(target), self.patience.silence_seconds) as stream:
            yield stream

    @asynccontextmanager
    async def stream_of_user(self, user_id: str, *, since: datetime | None = None) -> AsyncIterator[Stream]:
        """One connection that follows all orders of a user: a `Snapshot`, what happened `since`, then every status.

        It ends when the connection does: `follow_user` is what comes back.
        """
        target = URL((await self.ticket(user_id=user_id)).websocket_url).update_query(text_fields({"since": since}))
        async with open_stream(self._session(), target, self._proxy(target), self.patience.silence_seconds) as stream:
            yield stream

    async def ticket(self, order_id: str | None = None, *, user_id: str | None = None) -> Ticket:
        """What opens a stream for five minutes: of this order, or of all orders of this user, else of the token's.

        Raises NotFound, and Refused where the token is another user's.
        """
        body = text_fields({"orderId": order_id, "userId": user_id})
        return read(await self.request("POST", "/api/stream-tickets", body=body), Ticket, self.url)

    async def follow(self, order: Placed | str, *, after: int = 0) -> AsyncGenerator[Event]:
        """Every status of the order once, in order, from behind sequence `after` until the last.

        Where the stream breaks off, or no stream can be had, the order's events are read and the stream is opened again
        behind the last one. Ends at once where the order is over and `after` its last sequence.

        Raises:
            NotFound: there is no such order.
            StreamLost: for a minute (`Patience.follow_seconds`) there was no sign of it.
            Refused, StreamRefused: the service does not let it be followed.
        """
        async with aclosing(follow_order(self, order, after)) as events:
            async for event in events:
                yield event

    async def follow_user(self, user_id: str, *, since: datetime | None = None) -> AsyncGenerator[Snapshot | Event]:
        """Every status of every order of the user once, in order within an order; those he places later too.

        First, and again after each break, a `Snapshot` of what is open. With `since`, what happened since then comes,
        too. What a break swallowed is read; so it goes on until you stop, or:

        Raises:
            StreamLost: for a minute (`Patience.follow_seconds`) there was no sign of the service.
            Refused, StreamRefused: the service does not let him be followed.
        """
        async with aclosing(follow_user(self, user_id, since)) as frames:
            async for frame in frames:
                yield frame
