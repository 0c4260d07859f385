"""Following one order over any number of connections, without a gap."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from order_engine import errors
from order_engine.models import Event, Placed
from order_engine.patience import Reconnection

if TYPE_CHECKING:
    from order_engine.client import Client


class _NothingFollows(Exception):
    """The order is over, and its last event is known."""


async def follow_order(client: Client, order: Placed | str, after: int) -> AsyncGenerator[Event]:
    """`Client.follow`."""
    order_id, url = (order, "") if isinstance(order, str) else (order.order_id, order.websocket_url)
    last = after
    is_new = bool(url) and after == 0
    reconnection = Reconnection(client.patience, f"The order {order_id} goes on, and there was no sign of it")
    while True:
        try:
            async with aclosing(_events_after(client, order_id, last, url, has_missed_some=not is_new)) as events:
                async for event in events:
                    reconnection.note(is_news=event is not None)
                    if event is not None:
                        last = event.sequence
                        yield event
                        if event.is_last:
                            return
            failure: errors.OrderEngineError = errors.StreamLost("the stream was closed")
        except _NothingFollows:
            return
        except errors.OrderEngineError as error:
            failure = error
        is_new, url = False, ""  # the ticket in it may have run out
        await reconnection.pause(failure)


async def _events_after(
    client: Client, order_id: str, last: int, url: str, *, has_missed_some: bool
) -> AsyncGenerator[Event | None]:
    """The events behind `last` without a gap, as long as the stream goes; None where something else was heard.

    Raises _NothingFollows where there are none and will be none.
    """
    if has_missed_some:
        events = await client.events(order_id)
        yield None
        for event in events:
            if event.sequence > last:
                last = event.sequence
                yield event
        if events and events[-1].is_last:
            raise _NothingFollows
    async with client.stream(order_id, after=last, url=url) as stream:
        async for frame in stream:
            is_ours = isinstance(frame, Event) and frame.order_id == order_id
            if not isinstance(frame, Event) or not is_ours or frame.sequence <= last:
                yield None
            elif frame.sequence == last + 1:
                last = frame.sequence
                yield frame
            else:
                return  # what is missing is read first
