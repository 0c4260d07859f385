"""One WebSocket connection: frames out, a few messages in. `Client.follow` is what reconnects."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Final, TypeAlias

import aiohttp
import msgspec
from yarl import URL

from order_engine import errors
from order_engine.models import Event, Frame, Heartbeat, Snapshot, StreamProblem, Subscribed, Unsubscribed

# The service sends a heartbeat about every 20 seconds, every 30 at the latest.
SILENCE_SECONDS: Final = 65.0
_PING_SECONDS = 20.0
_CLOSE_SECONDS = 2.0
_MAX_FRAME_BYTES = 4 * 1024 * 1024
_MAX_REFUSAL_BYTES = 64 * 1024
FrameType: TypeAlias = (
    type[Event] | type[Snapshot] | type[Heartbeat] | type[Subscribed] | type[Unsubscribed] | type[StreamProblem]
)
# A kind that a newer service adds is passed over.
_KINDS: dict[str, FrameType] = {
    "status": Event,
    "snapshot": Snapshot,
    "heartbeat": Heartbeat,
    "subscribed": Subscribed,
    "unsubscribed": Unsubscribed,
    "error": StreamProblem,
}


class _Kind(msgspec.Struct):
    type: str = ""


class Stream:
    """An open connection: iterate over its frames until it is closed."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, url: URL, silence_seconds: float) -> None:
        self._socket = socket
        self._url = url
        self._silence_seconds = silence_seconds

    @property
    def close_code(self) -> int | None:
        """Why it was closed (RFC 6455); None while it is open."""
        return self._socket.close_code

    async def subscribe(self, order_id: str, *, after: int = 0, ticket: str | None = None) -> None:
        """Follows another order too; `Subscribed` or `StreamProblem` comes among the frames."""
        message: dict[str, object] = {"action": "subscribe", "orderId": order_id, "after": after}
        await self._send(message | ({"ticket": ticket} if ticket else {}))

    async def subscribe_to_user(
        self, user_id: str, *, since: datetime | None = None, ticket: str | None = None
    ) -> None:
        """Follows all orders of a user too: a `Snapshot` comes, what happened `since`, then every status."""
        given = {"since": since.isoformat() if since else None, "ticket": ticket}
        message: dict[str, object] = {"action": "subscribe", "userId": user_id}
        await self._send(message | {name: value for name, value in given.items() if value})

    async def unsubscribe(self, order_id: str) -> None:
        """Follows the order no more."""
        await self._send({"action": "unsubscribe", "orderId": order_id})

    async def _send(self, message: dict[str, object]) -> None:
        try:
            await self._socket.send_str(json.dumps(message))
        except (aiohttp.ClientError, OSError) as error:
            raise errors.StreamLost(f"The stream broke off: {error}.") from error

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self._frames()

    async def _frames(self) -> AsyncIterator[Frame]:
        while True:
            try:
                message = await self._socket.receive(timeout=self._silence_seconds)
            except TimeoutError as error:
                raise errors.StreamLost(f"The stream was silent for {self._silence_seconds:.0f} s.") from error
            except (aiohttp.ClientError, OSError) as error:
                raise errors.StreamLost(f"The stream broke off: {error}.") from error
            if message.type is not aiohttp.WSMsgType.TEXT:
                return  # closed, or broken: nothing else is sent
            frame = read_frame(str(message.data))
            if frame is not None:
                yield frame


def read_frame(text: str) -> Frame | None:
    """The frame in a message; None for a kind that is not known. Raises StreamLost for what is no frame."""
    try:
        kind = _KINDS.get(msgspec.json.decode(text, type=_Kind).type)
        return None if kind is None else msgspec.json.decode(text, type=kind, strict=False)
    except (msgspec.DecodeError, RecursionError) as error:
        raise errors.StreamLost(f"The stream says what is no frame: {text[:200]!r}.") from error


async def raise_refused_handshake(response: aiohttp.ClientResponse) -> None:
    """A session's `raise_for_status`: why a handshake is refused, which aiohttp itself does not read.

    Raises:
        StreamRefused: it is. Whatever else the session sends is left to its caller.
    """
    if response.status == HTTPStatus.SWITCHING_PROTOCOLS or "Sec-WebSocket-Key" not in response.request_info.headers:
        return
    url = response.request_info.url
    raise _refusal(f"{url.scheme}://{url.authority}", response.status, await response.content.read(_MAX_REFUSAL_BYTES))


class _Problem(msgspec.Struct):
    """Ours, or what API Gateway says by itself."""

    code: str = ""
    detail: str = ""
    title: str = ""
    message: str = ""


def _refusal(place: str, status: int, body: bytes) -> errors.StreamRefused:
    reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else "no WebSocket"
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        problem = _Problem()
    why = problem.detail or problem.title or problem.message
    said = f": {why}" if why and why != reason else ""
    return errors.StreamRefused(f"{place} refuses the stream ({status} {reason}){said}", status, problem.code)


@asynccontextmanager
async def open_stream(
    http: aiohttp.ClientSession, url: URL, proxy: str | None, silence_seconds: float
) -> AsyncIterator[Stream]:
    """An open stream. Its address has a ticket in it, so no error names more than its host."""
    place = f"{url.scheme}://{url.authority}"
    try:
        socket = await http.ws_connect(
            url,
            heartbeat=_PING_SECONDS,
            proxy=proxy,
            max_msg_size=_MAX_FRAME_BYTES,
            timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
        )
    except aiohttp.WSServerHandshakeError as error:
        raise _refusal(place, error.status, b"") from None  # it answers as to a handshake, and wrongly
    except TimeoutError:
        raise errors.StreamLost(f"{place} does not open the stream in time") from None
    except (aiohttp.ClientError, OSError) as error:
        raise errors.StreamLost(f"{place} does not open the stream: {error}") from error
    try:
        yield Stream(socket, url, silence_seconds)
    finally:
        await socket.close()
