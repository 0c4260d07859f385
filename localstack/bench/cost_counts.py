"""Counts what an order really uses: every AWS call of the functions, their invocations, frames and log lines.

The usual stack with the shipped delays, and a proxy between the functions and the emulator that counts. Orders go
through one after the other or ten at once, each with one follower from its first to its last status or none.
"""

import asyncio
import json
import statistics
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import psycopg

from localstack.bench.bill import Measured
from localstack.errors import UserError
from localstack.local_stack.ports import LOOPBACK
from localstack.local_stack.stack_for_tests import Stack, boot
from localstack.logs.log_lines import Line
from localstack.logs.log_reader import LogReader
from order_engine import OVER, Client, NewOrder, Placed

_SECONDS_A_ROUND = 90.0
_SETTLE_SECONDS = 3.0
_LOOK_SECONDS = 0.1
_OPEN = "SELECT count(*) FROM orders WHERE id = ANY(%(ids)s) AND NOT status = ANY(%(over)s)"
# What SQS charges as one request.
_SQS_UNIT = 64 * 1024
_UPSTREAM_SECONDS = 30.0


class Handler(BaseHTTPRequestHandler):
    """Passes a call on to the emulator and counts it by service, action and queue."""

    upstream = ""
    calls: "Counter[str]"
    lock: threading.Lock
    protocol_version = "HTTP/1.1"
    # Headers and body leave apart; together with a client that acknowledges late each answer would take 40 ms.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        target = self.headers.get("X-Amz-Target", "")
        with self.lock:
            self.calls[_name_of(target, body)] += _units(target, body)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        request = urllib.request.Request(  # noqa: S310  # http, ours
            self.upstream + self.path, body, headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=_UPSTREAM_SECONDS) as answer:  # noqa: S310
                self._answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as refusal:
            self._answer(refusal.code, dict(refusal.headers), refusal.read())

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it
        pass


def _units(target: str, body: bytes) -> int:
    """What AWS charges the call as: SQS by its size, a batch of DynamoDB by its items."""
    if target.startswith("AmazonSQS"):
        return -(-len(body) // _SQS_UNIT)
    return sum(map(len, json.loads(body)["RequestItems"].values())) if target.endswith("BatchWriteItem") else 1


def _name_of(target: str, body: bytes) -> str:
    """Such as `sqs StatusEventsQueue SendMessage` or `dynamodb PutItem`."""
    service, _, action = target.partition(".")
    if service == "AmazonSQS":
        queue = str(json.loads(body).get("QueueUrl", "")).rsplit("/", 1)[-1]
        return f"sqs {'status-events' if queue.endswith('.fifo') else 'orders'} {action}"
    return f"{service.partition('_')[0].lower()} {action}"


class CountingProxy:
    """The proxy in a thread; its address stands before it is told where to pass calls on to."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._handler = type("Counting", (Handler,), {"calls": self.calls, "lock": threading.Lock()})
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler)
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def forward_to(self, upstream: str) -> None:
        """From now on calls go there."""
        self._handler.upstream = upstream  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Case:
    """How orders come: `batch` at once, which one worker gets together; each with a follower, or nobody follows."""

    name: str
    batch: int
    followed: bool

    def rounds(self, orders: int) -> int:
        """How often, for at least so many orders."""
        return max(-(-orders // self.batch), 1)


ONE_FOLLOWED = Case("followed, one at a time", 1, followed=True)
TEN_FOLLOWED = Case("followed, ten at once", 10, followed=True)
ONE_UNWATCHED = Case("nobody follows, one at a time", 1, followed=False)
TEN_UNWATCHED = Case("nobody follows, ten at once", 10, followed=False)
CASES = (ONE_FOLLOWED, TEN_FOLLOWED, ONE_UNWATCHED, TEN_UNWATCHED)


@dataclass(frozen=True)
class Followed:
    """An order that is over, and the frames that came of it."""

    order_id: str
    frames: int


def _new_order() -> NewOrder:
    return NewOrder(
        user_id="cost",
        wallet_address="wallet_of_cost",
        input_token="SOL",
        output_token="USDC",
        amount="1.5",
        side="sell",
    )


async def _run_round(stack: Stack, case: Case) -> list[Followed]:
    """Places the orders of one round and sees them to their ends. Raises TimeoutError past the limit."""
    async with Client(stack.base_url) as client, asyncio.timeout(_SECONDS_A_ROUND):
        with _hold_back(stack) if case.batch > 1 else nullcontext():
            placed = [await client.place(_new_order()) for _ in range(case.batch)]
            following = [asyncio.create_task(_follow(client, each)) for each in placed] if case.followed else []
            # Until the first frames are there: a follower is one from the start.
            await asyncio.sleep(_SETTLE_SECONDS if case.followed and case.batch > 1 else 0)
        frames = await asyncio.gather(*following) if case.followed else [0] * case.batch
        await _wait_for_ends(stack.database_url, [each.order_id for each in placed])
    return [Followed(each.order_id, count) for each, count in zip(placed, frames, strict=True)]


async def _follow(client: Client, placed: Placed) -> int:
    return len([event async for event in client.follow(placed)])


async def _wait_for_ends(database_url: str, order_ids: list[str]) -> None:
    """Asks the database: a question to the API would be an invocation more."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        while True:
            found = await connection.execute(_OPEN, {"ids": order_ids, "over": sorted(OVER)})
            if await found.fetchone() == (0,):
                return
            await asyncio.sleep(_LOOK_SECONDS)


@contextmanager
def _hold_back(stack: Stack) -> Iterator[None]:
    """Orders wait in their queue while the context is open; the worker then gets them as one batch."""
    functions, name = stack.clients.functions, stack.function_names["ExecuteOrders"]
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def _handshake_lines(stack: Stack, reader: LogReader, orders: list[Followed]) -> list[Line]:
    """What connecting and disconnecting log; called here, for the emulator keeps no log of what a WebSocket calls."""
    for number, order in enumerate(orders):
        context = {"connectionId": f"nobody-{number}", "requestId": "cost", "apiId": "cost", "stage": "live"}
        event = {"requestContext": {**context, "domainName": "localhost"}, "isBase64Encoded": False}
        query = {"queryStringParameters": {"orderId": order.order_id}}
        for name, payload in (("WebsocketConnect", {**event, **query}), ("WebsocketDisconnect", event)):
            answer = stack.clients.functions.invoke(
                FunctionName=stack.function_names[name], Payload=json.dumps(payload).encode()
            )
            if "FunctionError" in answer:
                raise UserError(f"{name} failed: {answer['Payload'].read().decode(errors='replace')}")
    time.sleep(_SETTLE_SECONDS)
    return [line for line in reader.added() if line.function in ("websocket-connect", "websocket-disconnect")]


def _records(lines: Iterable[Line]) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in lines:
        if line.text.startswith("{"):
            yield line.function, json.loads(line.text)


def _invocations(lines: list[Line]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for function, record in _records(lines):
        if record.get("message") == "invocation":
            found.setdefault(function, []).append(int(record["milliseconds"]))
    return found


def _metrics(lines: list[Line]) -> int:
    """Different metrics, each with its dimensions: CloudWatch charges them one by one."""
    found = set()
    for _, record in _records(lines):
        for directive in record.get("_aws", {}).get("CloudWatchMetrics", []):
            for keys in directive["Dimensions"]:
                dimensions = tuple((key, str(record[key])) for key in sorted(keys))
                found |= {(metric["Name"], dimensions) for metric in directive["Metrics"]}
    return len(found)


def _stop_schedules(stack: Stack) -> None:
    """What runs every minute is no part of an order."""
    events = stack.clients.other("events")
    try:
        for rule in events.list_rules()["Rules"]:
            events.disable_rule(Name=rule["Name"])
    finally:
        events.close()


def measure(
    folder: Path, orders: int, cases: Sequence[Case] = CASES, report: Callable[[str], object] = lambda _: None
) -> dict[str, Measured]:
    """What so many orders used in each case, by order. Raises UserError where the stack does not come up."""
    measured = {}
    with ExitStack() as parts:
        proxy = parts.enter_context(CountingProxy())
        # A signature names the host that it was made for, and the proxy's is another.
        variables = {"AUTH": "false", "AWS_ENDPOINT_URL": proxy.url}
        stack = parts.enter_context(boot(folder, parameters={}, environment=variables, on_emulator=proxy.forward_to))
        reader = parts.enter_context(LogReader(stack.runtime.settings.function_log))
        reader.skip()
        _stop_schedules(stack)
        asyncio.run(_run_round(stack, ONE_FOLLOWED))  # what only a first order does
        for case in cases:
            report(f"counting what orders use: {case.name}")
            measured[case.name] = _measure(stack, proxy, reader, case, orders)
    return measured


def _measure(stack: Stack, proxy: CountingProxy, reader: LogReader, case: Case, orders: int) -> Measured:
    time.sleep(_SETTLE_SECONDS)
    reader.added()
    before = Counter(proxy.calls)
    seen = [order for _ in range(case.rounds(orders)) for order in asyncio.run(_run_round(stack, case))]
    time.sleep(_SETTLE_SECONDS)
    calls = Counter(proxy.calls)
    calls.subtract(before)
    lines = reader.added()
    if case.followed:
        lines += _handshake_lines(stack, reader, seen)
    count, invocations = len(seen), _invocations(lines)
    return Measured(
        orders=count,
        calls={name: calls[name] / count for name in sorted(calls) if calls[name]},
        invocations={name: len(found) / count for name, found in sorted(invocations.items())},
        milliseconds={name: statistics.mean(found) for name, found in sorted(invocations.items())},
        frames=sum(order.frames for order in seen) / count,
        log_bytes=round(sum(len(line.text.encode()) for line in lines) / count),
        metrics=_metrics(lines),
    )
