"""A client of the service: places one order and follows it over its WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self, TypeAlias, cast
from urllib.parse import quote

import aiohttp
from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.text import Text

from localstack.errors import LocalStackError

Body: TypeAlias = dict[str, str | int]
TERMINAL = frozenset({"confirmed", "failed"})
_COLOURS = {"confirmed": "green", "failed": "red"}
_ANSWER_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
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


def _object(text: str) -> Mapping[str, object]:
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}
    return cast("Mapping[str, object]", parsed) if isinstance(parsed, dict) else {}


def _refusal(status: int, text: str) -> str:
    """The sentence of a problem response, with every field that it names."""
    problem = _object(text)
    sentence = str(problem.get("detail") or problem.get("title") or text[:300])
    errors = problem.get("errors")
    fields = [json.dumps(error, ensure_ascii=False) for error in errors] if isinstance(errors, list) else []
    return "\n  ".join([f"The order was refused ({status}): {sentence}", *fields])


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

    async def place(self, body: Body) -> str:
        """Places the order and returns its id; raises LocalStackError where it is refused or nobody answers."""
        try:
            async with self._http.post(f"{self._url}/api/orders/execute", json=body) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LocalStackError(f"Nothing answers at {self._url} ({error}): start it with ./dev up.") from error
        order_id = _object(text).get("orderId")
        if answer.status >= HTTPStatus.BAD_REQUEST or not isinstance(order_id, str):
            raise LocalStackError(_refusal(answer.status, text))
        return order_id

    async def statuses(self, order_id: str) -> AsyncIterator[Status]:
        """Every status in order until the last; connects again behind the last one where the connection breaks."""
        last = 0
        while True:
            url = f"{self._url}/api/orders/execute?orderId={quote(order_id)}&after={last}"
            try:
                async with self._http.ws_connect(url.replace("http", "ws", 1)) as socket:
                    async for frame in socket:
                        message = _object(str(frame.data))
                        status = Status.from_message(message)
                        if message.get("type", "status") != "status" or status.sequence <= last:
                            continue
                        last = status.sequence
                        yield status
                        if status.status in TERMINAL:
                            return
            except aiohttp.WSServerHandshakeError as error:
                if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise LocalStackError(f"The stream of {order_id} was refused ({error.status}).") from error
            except aiohttp.ClientError:
                pass  # the service is restarting: the caller's limit ends this
            await asyncio.sleep(_PAUSE_SECONDS)


class View:
    """What the terminal shows of one order."""

    def __init__(self, order_id: str, body: Body) -> None:
        self._order_id = order_id
        self._body = body
        self._statuses: list[Status] = []

    @property
    def succeeded(self) -> bool:
        """Whether the order was confirmed."""
        return bool(self._statuses) and self._statuses[-1].status == "confirmed"

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
        text.append(f"{status.status:<10} ", style=_COLOURS.get(status.status, "yellow"))
        text.append(status.message)
        for name, value in status.meta.items():
            if isinstance(value, str | int | float):
                text.append(f"\n{'':<26}{name} {_shortened(str(value))}", style="dim")
        return text

    def __rich__(self) -> RenderableType:
        lines: list[RenderableType] = [self.title(), *(self.line(status) for status in self._statuses)]
        if not self._statuses or self._statuses[-1].status not in TERMINAL:
            lines.append(Spinner("dots", style="dim"))
        return Group(*lines)


def _shortened(text: str) -> str:
    """A transaction's hash has 88 characters, and half of one is of no use."""
    return text if len(text) <= _META_LENGTH else f"{text[: _META_LENGTH - 1]}…"


def no_live() -> AbstractContextManager[None]:
    """Instead of a live view where the output is no terminal."""
    return nullcontext()
