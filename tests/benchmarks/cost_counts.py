"""Counts what an order really uses: every AWS call of the functions, their invocations, frames and log lines.

The usual stack with the shipped delays, and a proxy between the functions and the emulator that counts. Orders go
through one after the other, each with one follower from its first to its last status.
"""

import asyncio
import json
import statistics
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import boto3

from localstack.client import follow
from localstack.environment import adopt_composed
from localstack.errors import UserError
from localstack.gateway.front_door_thread import FrontDoorThread
from localstack.local_stack.ports import LOOPBACK, free_port
from localstack.local_stack.runtime import Runtime, Settings
from localstack.local_stack.warmup import warm
from localstack.logs.log_lines import Line
from localstack.logs.log_reader import LogReader
from tests.benchmarks.cost import Measured

_SECONDS_AN_ORDER = 60.0
_SETTLE_SECONDS = 3.0
_UPSTREAM_SECONDS = 30.0
BODY: follow.Body = {
    "userId": "cost",
    "walletAddress": "wallet_of_cost",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": "1.5",
    "side": "sell",
}


class Handler(BaseHTTPRequestHandler):
    """Passes a call on to the emulator and counts it by service, action and queue."""

    upstream = ""
    calls: "Counter[str]"
    lock: threading.Lock
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with self.lock:
            self.calls[_name_of(self.headers.get("X-Amz-Target", ""), body)] += 1
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        request = urllib.request.Request(self.upstream + self.path, body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=_UPSTREAM_SECONDS) as answer:
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

    def pass_on_to(self, upstream: str) -> None:
        """From now on calls go there."""
        self._handler.upstream = upstream  # type: ignore[attr-defined]


class _CountedRuntime(Runtime):
    def __init__(self, settings: Settings, proxy: CountingProxy) -> None:
        super().__init__(settings)
        self._proxy = proxy

    def start_emulator(self) -> None:
        super().start_emulator()
        self._proxy.pass_on_to(self.emulator_url)


@contextmanager
def _counted_stack(folder: Path, parameters: Mapping[str, str]) -> Iterator[tuple[Runtime, CountingProxy, str]]:
    adopt_composed()
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    with CountingProxy() as proxy:
        settings = Settings(
            public_url=url,
            data=folder / "postgres",
            logs=folder / "logs",
            durable=False,
            parameters={"CursorSecret": "a secret of the cost page", **parameters},
            # A signature names the host that it was made for, and the proxy's is another.
            emulator_environment={"AUTH": "false", "AWS_ENDPOINT_URL": proxy.url},
        )
        with _CountedRuntime(settings, proxy) as runtime:
            runtime.start()
            with FrontDoorThread(runtime.upstream, port):
                warm(runtime, url)
                yield runtime, proxy, url


@dataclass(frozen=True)
class Followed:
    """An order that was followed to its end over one connection, and the frames that came."""

    order_id: str
    frames: int


async def _one_order(url: str) -> Followed:
    """Places an order and follows it to its end. Raises TimeoutError past the limit."""
    async with follow.Client(url) as client, asyncio.timeout(_SECONDS_AN_ORDER):
        placed = await client.place(BODY)
        return Followed(placed.order_id, len([status async for status in client.statuses(placed)]))


def _handshake_lines(runtime: Runtime, reader: LogReader, orders: list[Followed]) -> list[Line]:
    """What connecting and disconnecting log; called here, for the emulator keeps no log of what a WebSocket calls."""
    for number, order in enumerate(orders):
        context = {"connectionId": f"nobody-{number}", "requestId": "cost", "apiId": "cost", "stage": "live"}
        event = {"requestContext": {**context, "domainName": "localhost"}, "isBase64Encoded": False}
        query = {"queryStringParameters": {"orderId": order.order_id}}
        for name, payload in (("WebsocketConnect", {**event, **query}), ("WebsocketDisconnect", event)):
            answer = runtime.clients.functions.invoke(
                FunctionName=runtime.outputs.function_names[name], Payload=json.dumps(payload).encode()
            )
            if "FunctionError" in answer:
                raise UserError(f"{name} failed: {answer['Payload'].read().decode(errors='replace')}")
    asyncio.run(asyncio.sleep(_SETTLE_SECONDS))
    return [line for line in reader.read() if line.function in ("websocket-connect", "websocket-disconnect")]


def _invocations(lines: list[Line]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for line in lines:
        record = json.loads(line.text) if line.text.startswith("{") else {}
        if record.get("message") == "invocation":
            found.setdefault(line.function, []).append(int(record["milliseconds"]))
    return found


def _metrics(lines: list[Line]) -> int:
    """Different metrics, each with its dimensions: CloudWatch charges them one by one."""
    found = set()
    for line in lines:
        record = json.loads(line.text) if line.text.startswith("{") else {}
        for directive in record.get("_aws", {}).get("CloudWatchMetrics", []):
            for keys in directive["Dimensions"]:
                dimensions = tuple((key, str(record[key])) for key in sorted(keys))
                found |= {(metric["Name"], dimensions) for metric in directive["Metrics"]}
    return len(found)


def _stop_schedules(runtime: Runtime) -> None:
    """What runs every minute is no part of an order."""
    events = boto3.client(
        "events",
        endpoint_url=runtime.emulator_url,
        region_name=runtime.clients.target.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    try:
        for rule in events.list_rules()["Rules"]:
            events.disable_rule(Name=rule["Name"])
    finally:
        events.close()


def measure(folder: Path, orders: int, **parameters: str) -> Measured:
    """What `orders` orders used, by order. Raises UserError where the stack does not come up."""
    with _counted_stack(folder, parameters) as (runtime, proxy, url):
        _stop_schedules(runtime)
        reader = LogReader(runtime.clients, runtime.settings.stack_name)
        asyncio.run(_one_order(url))  # what only a first order does
        asyncio.run(asyncio.sleep(_SETTLE_SECONDS))
        reader.read()
        before = Counter(proxy.calls)
        followed = [asyncio.run(_one_order(url)) for _ in range(orders)]
        asyncio.run(asyncio.sleep(_SETTLE_SECONDS))
        calls = Counter(proxy.calls)
        calls.subtract(before)
        lines = reader.read()
        lines += _handshake_lines(runtime, reader, followed)
    invocations = _invocations(lines)
    return Measured(
        orders=orders,
        calls={name: count / orders for name, count in sorted(calls.items()) if count},
        invocations={name: len(found) / orders for name, found in sorted(invocations.items())},
        milliseconds={name: statistics.median(found) for name, found in sorted(invocations.items())},
        frames=sum(order.frames for order in followed) / orders,
        log_bytes=round(sum(len(line.text.encode()) for line in lines) / orders),
        metrics=_metrics(lines),
    )
