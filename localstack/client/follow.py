"""A client of the service: places one order and follows it over its WebSocket."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self, TypeAlias, cast

import aiohttp
from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.text import Text

from localstack.client import service
from localstack.client.service import Placed
from localstack.client.statuses import COLOURS, TERMINAL
from localstack.errors import NotOver

Body: TypeAlias = dict[str, str | int]
_ANSWER_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
# A stack that is started again takes some ten seconds.
_CONNECT_SECONDS = 30.0
_HEARTBEAT_SECONDS = 20.0
_META_LENGTH = 100


@dataclass(frozen=True)
class Status:
    """One status message of an order."""

    sequence: int
    status: str
    at: str
    message: str
    meta: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def from_message(cls, message: Mapping[str, object]) -> "Status":
        """Reads what the WebSocket sends."""
        meta = message.get("meta")
        return cls(
            sequence=int(str(message.get("sequence", 0))),
            status=str(message.get("status", "")),
            at=str(message.get("at", "")),
            message=str(message.get("message", "")),
            meta=cast("Mapping[str, object]", meta) if isinstance(meta, dict) else {},
        )


class Client:
    """Talks to the service at one address; an async context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def place(self, body: Body) -> Placed:
        """Places the order; raises UserError where it is refused or nobody answers."""
        return await service.place(self._http, self._url, body)

    async def statuses(self, placed: Placed) -> AsyncIterator[Status]:
        """Every status in order until the last; connects again behind the last one where the connection breaks.

        Raises NotOver where no connection comes about for half a minute.
        """
        last = 0
        connected_at = time.monotonic()
        while True:
            url = placed.websocket_url.update_query(after=str(last))
            try:
                async with self._http.ws_connect(url, heartbeat=_HEARTBEAT_SECONDS) as socket:
                    async for frame in socket:
                        connected_at = time.monotonic()
                        message = service.fields_of(str(frame.data))
                        status = Status.from_message(message)
                        if message.get("type", "status") != "status" or status.sequence <= last:
                            continue
                        last = status.sequence
                        yield status
                        if status.status in TERMINAL:
                            return
            except aiohttp.WSServerHandshakeError as error:
                if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise NotOver(
                        f"The order {placed.order_id} is placed, and its stream {placed.websocket_url} refuses to "
                        f"tell about it ({error.status})."
                    ) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                # The service may be restarting.
                if time.monotonic() - connected_at > _CONNECT_SECONDS:
                    raise service.stream_not_reached(placed, error) from error
            await asyncio.sleep(_PAUSE_SECONDS)


class View:
    """What the terminal shows of one order."""

    def __init__(self, order_id: str, body: Body) -> None:
        self._order_id = order_id
        self._body = body
        self._statuses: list[Status] = []

    @property
    def status(self) -> str:
        """The last one that was seen; empty before the first."""
        return self._statuses[-1].status if self._statuses else ""

    def add(self, status: Status) -> None:
        """Takes up a new status."""
        self._statuses.append(status)

    def title(self) -> Text:
        """What is being followed."""
        body = self._body
        return Text.assemble(
            ("Order ", "bold"),
            (self._order_id, "cyan"),
            f"  {body['side']} {body['amount']} {body['inputToken']} → {body['outputToken']}",
        )

    def line(self, status: Status) -> Text:
        """One status."""
        clock = status.at.partition("T")[2].removesuffix("Z")
        text = Text(f"  {clock:<12} ", style="dim")
        text.append(f"{status.status:<10} ", style=COLOURS.get(status.status, ""))
        text.append(status.message)
        for name, value in status.meta.items():
            if isinstance(value, str | int | float):
                text.append(f"\n{'':<26}{name} {_shortened(str(value))}", style="dim")
        return text

    def __rich__(self) -> RenderableType:
        lines: list[RenderableType] = [self.title(), *(self.line(status) for status in self._statuses)]
        if self.status not in TERMINAL:
            lines.append(Spinner("dots", style="dim"))
        return Group(*lines)


def _shortened(text: str) -> str:
    """A transaction's hash has 88 characters, and half of one is of no use."""
    return text if len(text) <= _META_LENGTH else f"{text[: _META_LENGTH - 1]}…"


def no_live() -> AbstractContextManager[None]:
    """Instead of a live view where the output is no terminal."""
    return nullcontext()
