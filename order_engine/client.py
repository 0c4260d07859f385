"""The client: one coroutine a call, with the service's answers as types and its refusals as exceptions."""

from __future__ import annotations

import asyncio
import json
import random
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self, TypeAlias

import aiohttp
from yarl import URL

from order_engine import errors
from order_engine.answers import (
    Answer,
    fields_of,
    is_transient,
    may_have_arrived,
    read,
    seconds_of,
    transport_error,
    unexpected,
    wait_after,
)
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
from order_engine.stream import SILENCE_SECONDS, Stream, opened, refuse_stream
from order_engine.user_stream import follow_user

TokenSource: TypeAlias = str | Callable[[], str] | None
Query: TypeAlias = Mapping[str, str | int | datetime | None]
PLACE: Final = "/api/orders/execute"
_MAX_PAUSE_SECONDS = 8.0
# The fourth pause of `follow` is its longest: 2 seconds, where no stream can be had.
_SLOWEST_LOOK = 3
# A handshake that is answered so may be answered otherwise in a moment.
_TRANSIENT_STATUSES = (408, 429, 500, 502, 503, 504)
_LOOPBACK = ("localhost", "127.", "::1")


class _Events(Model, frozen=True):
    events: tuple[Event, ...]


class _Prices(Model, frozen=True):
    points: tuple[Price, ...]


class _Tokens(Model, frozen=True):
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited for what, and how often a call is repeated that may be repeated."""

    answer_seconds: float = 30.0
    tries: int = 5
    first_pause_seconds: float = 0.25  # twice as long each time, up to 8 s, and a random part of it
    follow_seconds: float = 60.0  # without any sign of the order before `follow` gives up
    silence_seconds: float = SILENCE_SECONDS  # without any frame, heartbeats among them, before a stream is opened anew

    def pause(self, number: int) -> float:
        """How long to wait before the next try; random, so that a restarted service's clients don't come at once."""
        longest = min(self.first_pause_seconds * 2.0**number, _MAX_PAUSE_SECONDS)
        return random.uniform(longest / 2, longest)


class Client:
    """The service at one address; an async context manager.

    `url` is what stands before /api, with the stage on AWS: https://….execute-api.eu-central-1.amazonaws.com/live.
    `token` is sent as a bearer token; a function is asked for it before each call. `headers` go with every call and
    stream, for what stands before the service. Every call raises an `OrderEngineError`. Reads, cancels and orders
    (which carry their key) are repeated where the network or the service fails for a moment.
    """

    def __init__(
        self,
        url: str,
        *,
        token: TokenSource = None,
        patience: Patience | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url = checked(url)
        self.patience = patience or Patience()
        self._token = token
        self._headers = dict(headers or {})
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; open streams end."""
        if self._http is not None:
            await self._http.close()
            self._http = None

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
                answer = await self._once("POST", PLACE, body=order.body(), key=order.idempotency_key)
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
            await asyncio.sleep(wait_after(failure, self.patience.pause(number - 1)))
        if not may_exist:
            raise failure
        raise errors.OutcomeUnknown(
            f"The order was sent and may have been placed: {_bare(failure)}. Placing it again with the same "
            f"idempotency key ({order.idempotency_key}) tells, and makes no second one.",
            order.idempotency_key,
        ) from failure

    async def get(self, order_id: str) -> Order:
        """The order as it now is. Raises NotFound."""
        return read(await self.request("GET", path_of(order_id)), Order, self.url)

    async def events(self, order_id: str) -> tuple[Event, ...]:
        """Every status so far, oldest first. Raises NotFound."""
        return read(await self.request("GET", f"{path_of(order_id)}/events"), _Events, self.url).events

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
        return read(await self.request("POST", f"{path_of(order_id)}/cancel"), Order, self.url)

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
        return read(await self.request("PATCH", path_of(order_id), body=body), Order, self.url)

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
        answer = await self._once("GET", "/health", accepted=(HTTPStatus.SERVICE_UNAVAILABLE,))
        return read(answer, Health, self.url)

    @asynccontextmanager
    async def stream(self, order_id: str, *, after: int = 0, url: str = "") -> AsyncIterator[Stream]:
        """One connection that follows the order from behind sequence `after`; `url` is a `Placed.websocket_url`.

        It ends when the connection does: `follow` is what comes back.
        """
        target = URL(url or (await self.ticket(order_id)).websocket_url).update_query(after=str(after))
        async with opened(self._session(), target, self._proxy(target), self.patience.silence_seconds) as stream:
            yield stream

    @asynccontextmanager
    async def stream_of_user(self, user_id: str, *, since: datetime | None = None) -> AsyncIterator[Stream]:
        """One connection that follows all orders of a user: a `Snapshot`, what happened `since`, then every status.

        It ends when the connection does: `follow_user` is what comes back.
        """
        target = URL((await self.ticket(user_id=user_id)).websocket_url).update_query(_given({"since": since}))
        async with opened(self._session(), target, self._proxy(target), self.patience.silence_seconds) as stream:
            yield stream

    async def ticket(self, order_id: str | None = None, *, user_id: str | None = None) -> Ticket:
        """What opens a stream for five minutes: of this order, or of all orders of this user, else of the token's.

        Raises NotFound, and Refused where the token is another user's.
        """
        body = _given({"orderId": order_id, "userId": user_id})
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
        order_id, url = (order, "") if isinstance(order, str) else (order.order_id, order.websocket_url)
        last, number, heard = after, 0, time.monotonic()
        is_new = bool(url) and after == 0
        while True:
            try:
                async with aclosing(self._rest_of(order_id, last, url, has_missed_some=not is_new)) as rest:
                    async for event in rest:
                        heard = time.monotonic()
                        if event is not None:
                            last, number = event.sequence, 0
                            yield event
                            if event.is_last:
                                return
                failure: errors.OrderEngineError = errors.StreamLost("the stream was closed")
            except _Over:
                return
            except errors.OrderEngineError as error:
                if not (isinstance(error, errors.StreamError) or is_transient(error)):
                    raise
                failure = error
            is_new, url = False, ""  # the ticket in it may have run out
            if time.monotonic() - heard > self.patience.follow_seconds:
                raise errors.StreamLost(
                    f"The order {order_id} goes on, and there was no sign of it for "
                    f"{self.patience.follow_seconds:.0f} s: {_bare(failure)}."
                ) from failure
            await asyncio.sleep(wait_after(failure, self.patience.pause(min(number, _SLOWEST_LOOK))))
            number += 1

    async def follow_user(self, user_id: str, *, since: datetime | None = None) -> AsyncGenerator[Snapshot | Event]:
        """Every status of every order of the user once, in order within an order; those he places later too.

        First, and again after each break, a `Snapshot` of what is open. With `since`, what happened since then comes,
        too. What a break swallowed is read; so it goes on until you stop, or:

        Raises:
            StreamLost: for a minute (`Patience.follow_seconds`) there was no sign of the service.
            Refused, StreamRefused: the service does not let him be followed.
        """

        async def pause(failure: errors.OrderEngineError, number: int, heard: float) -> None:
            refused = isinstance(failure, errors.StreamRefused) and failure.status not in _TRANSIENT_STATUSES
            if refused or not (isinstance(failure, errors.StreamError) or is_transient(failure)):
                raise failure
            if time.monotonic() - heard > self.patience.follow_seconds:
                raise errors.StreamLost(
                    f"There was no sign of {user_id}'s orders for {self.patience.follow_seconds:.0f} s: "
                    f"{_bare(failure)}."
                ) from failure
            await asyncio.sleep(wait_after(failure, self.patience.pause(min(number, _SLOWEST_LOOK))))

        async with aclosing(follow_user(self, user_id, since, pause)) as frames:
            async for frame in frames:
                yield frame

    async def _rest_of(
        self, order_id: str, last: int, url: str, *, has_missed_some: bool
    ) -> AsyncGenerator[Event | None]:
        """The events behind `last` without a gap, as long as the stream goes; None where something else was heard.

        Raises _Over where there are none and will be none.
        """
        if has_missed_some:
            events = await self.events(order_id)
            yield None
            for event in events:
                if event.sequence > last:
                    last = event.sequence
                    yield event
            if events and events[-1].is_last:
                raise _Over
        async with self.stream(order_id, after=last, url=url) as stream:
            async for frame in stream:
                is_ours = isinstance(frame, Event) and frame.order_id == order_id
                if not isinstance(frame, Event) or not is_ours or frame.sequence <= last:
                    yield None
                elif frame.sequence == last + 1:
                    last = frame.sequence
                    yield frame
                else:
                    return  # what is missing is read first

    async def request(
        self, method: str, path: str, *, body: Mapping[str, object] | None = None, query: Query | None = None
    ) -> Answer:
        """The answer to one call as it came, for what this client has no method for.

        It may be sent more than once. Raises as every call does.
        """
        number = 0
        while True:
            try:
                return await self._once(method, path, body=body, query=query)
            except errors.OrderEngineError as error:
                number += 1
                # Nothing there at the first try: most likely a wrong address.
                is_wrong = isinstance(error, errors.Unreachable) and number == 1
                if is_wrong or not is_transient(error) or number >= self.patience.tries:
                    raise
                failure = error
            await asyncio.sleep(wait_after(failure, self.patience.pause(number - 1)))

    async def _once(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, object] | None = None,
        query: Query | None = None,
        key: str | None = None,
        accepted: tuple[int, ...] = (),
    ) -> Answer:
        url = URL(f"{self.url}{path}", encoded=True).update_query(_given(query or {}))
        headers = {**self._authorization(), **({"Idempotency-Key": key} if key else {})}
        try:
            # A redirect would be followed with a GET.
            async with self._session().request(
                method, url, json=body, headers=headers, allow_redirects=False, proxy=self._proxy(url)
            ) as response:
                text = await response.text(errors="replace")
                answer = Answer(response.status, text, response.headers)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise transport_error(self.url, error) from error
        except ValueError as error:
            raise errors.InvalidHeader(f"The idempotency key or the token can't be sent: {error}.") from error
        if answer.status in accepted or answer.status // 100 == 2:
            return answer
        if answer.status // 100 == 3:
            raise errors.UnexpectedAnswer(
                f"{self.url} sends its callers on to {answer.headers.get('Location', 'nowhere')}: give that address.",
                answer.status,
            )
        problem = fields_of(answer.text)
        if "code" in problem and ("detail" in problem or "title" in problem):
            raise errors.refusal(answer.status, problem, seconds_of(answer.headers.get("Retry-After")))
        raise unexpected(self.url, answer)

    def _authorization(self) -> dict[str, str]:
        token = self._token() if callable(self._token) else self._token
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=self.patience.answer_seconds),
                # As many as there are callers.
                connector=aiohttp.TCPConnector(limit=0),
                json_serialize=json.dumps,
                raise_for_status=refuse_stream,
            )
        return self._http

    def _proxy(self, url: URL) -> str | None:
        """The environment's, except for this machine's own addresses. aiohttp's own way reads .netrc too."""
        host = url.host or ""
        if host.startswith(_LOOPBACK) or urllib.request.proxy_bypass(host):
            return None
        scheme = {"ws": "http", "wss": "https"}.get(url.scheme, url.scheme)
        return urllib.request.getproxies().get(scheme)


class _Over(Exception):
    """Nothing will follow any more."""


def checked(url: str) -> str:
    """The address without a slash at its end. Raises InvalidUrl."""
    refused = errors.InvalidUrl(f"The address is what stands before /api, such as http://localhost:3000, not {url!r}.")
    try:
        parsed = URL(url)
    except ValueError as error:
        raise refused from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query_string or parsed.fragment:
        raise refused
    return url.rstrip("/")


def _given(query: Query) -> dict[str, str]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else _sendable(str(value))
        for name, value in query.items()
        if value is not None
    }


def _sendable(text: str) -> str:
    """The text without halves of characters, as a shell makes them of bytes that are no UTF-8."""
    return text.encode("utf-8", "replace").decode()


def path_of(order_id: str) -> str:
    """The path of an order, whatever stands in its id."""
    return f"/api/orders/{urllib.parse.quote(order_id, safe='', errors='replace')}"


def _bare(error: Exception) -> str:
    return str(error).rstrip(".")
