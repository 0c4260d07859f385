"""The HTTP contract over the wire: what HTTP, the front door and API Gateway can break of it.

What single fields may say is tested at the function's door, in tests/unit/http.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import aiohttp
import psycopg
import pytest
from yarl import URL

from docs.api.operations import OPERATIONS
from localstack.local_stack.stack_for_tests import Stack
from tests.e2e.bruno import Runner, read, variables
from tests.e2e.trader import ORDER, Trader
from tests.unit.http.specification import check_answer, check_frame

COLLECTION = Path(__file__).resolve().parents[2] / "docs" / "api" / "bruno"
# No JSON: another test reads them.
PAGES = ("/", "/docs", "/assets/{name}")
POST = "/api/orders/execute"
JSON = {"Content-Type": "application/json"}
LIMIT_SECONDS = 90
LIFECYCLE = ["pending", "routing", "building", "submitted", "confirmed"]


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(base_url=stack.base_url, timeout=timeout) as session:
        yield session


async def test_every_request_of_the_collection_is_answered_as_it_says_and_as_specified(stack: Stack) -> None:
    requests = sorted((read(path) for path in COLLECTION.glob("*.bru")), key=lambda request: request.order)
    assert all(any(name == "res.status" for name, _ in request.asserts) for request in requests)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        known = {**variables(COLLECTION / "environments" / "local.bru"), "baseUrl": stack.base_url}
        runner = Runner(http, known)
        for request in requests:
            await runner.run(request)
    assert not runner.failures, "\n".join(runner.failures)
    assert runner.called >= {(each.method, each.path) for each in OPERATIONS if each.path not in PAGES}


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/asyncapi.json"])
async def test_a_page_passes_with_its_policy_and_once(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as answer:
        assert (answer.status, len(await answer.text()) > 500) == (200, True)
        assert path.endswith(".json") or "default-src 'none'" in answer.headers["Content-Security-Policy"]
        tag = answer.headers["ETag"]
    async with http.get(path, headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.text()) == (304, "")


RAW: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "nothing": (400, b"", JSON),
    "NUL": (400, b"\x00", JSON),
    "no UTF-8": (400, b'{"userId":"\xff\xfe"}', JSON),
    "Latin-1": (400, json.dumps({**ORDER, "userId": "é"}, ensure_ascii=False).encode("latin-1"), JSON),
    "UTF-16": (400, json.dumps(ORDER).encode("utf-16"), JSON),
    "a byte order mark": (400, json.dumps(ORDER).encode("utf-8-sig"), JSON),
    "half a surrogate": (400, json.dumps({**ORDER, "userId": "\ud800"}).encode(), JSON),
    "200 kB": (413, json.dumps({**ORDER, "userId": "x" * 200_000}).encode(), JSON),
    "text": (415, json.dumps(ORDER).encode(), {"Content-Type": "text/plain"}),
    "said to be compressed": (415, json.dumps(ORDER).encode(), {**JSON, "Content-Encoding": "gzip"}),
}
PATHS = [
    "a%00b",
    "%ff",
    "%ed%a0%80",
    "%C3%BC",
    "x" * 5000,
    quote("'; DROP TABLE orders"),
    "%25s",
    "%F0%9F%92%A5",
]


async def test_what_only_a_wire_can_carry_is_refused_as_specified_and_writes_nothing(
    stack: Stack, http: aiohttp.ClientSession
) -> None:
    def orders() -> object:
        with psycopg.connect(stack.database_url) as connection:
            return connection.execute("SELECT count(*) FROM orders").fetchone()

    async def refused(method: str, pattern: str, path: str, **options: object) -> int:
        # Already encoded: the client library would tidy the path up.
        async with http.request(method, URL(stack.base_url + path, encoded=True), **options) as answer:  # type: ignore[arg-type]
            check_answer(method, pattern, answer.status, answer.content_type, json.loads(await answer.text()))
            return answer.status

    before = orders()
    for name, (status, body, headers) in RAW.items():
        assert await refused("POST", POST, POST, data=body, headers=headers) == status, name
    for path in PATHS:
        assert await refused("GET", "/api/orders/{order_id}", f"/api/orders/{path}") == 404, path
        assert await refused("POST", "/api/orders/{order_id}/cancel", f"/api/orders/{path}/cancel") == 404, path
        assert await refused("GET", "/api/orders", f"/api/orders?status={path}") == 400, path
    assert await refused("GET", "/api/orders", "/api/orders?limit=1&limit=2") == 400
    assert orders() == before


async def test_sql_in_any_text_is_text(stack: Stack, http: aiohttp.ClientSession) -> None:
    """Everywhere that a client's words reach a statement."""
    text = f"'; DROP TABLE orders; -- %(id)s {{}} {time.time_ns()}"
    order = {**ORDER, "userId": text, "walletAddress": text, "clientOrderId": text}
    async with http.post(POST, json=order, headers={"Idempotency-Key": "' OR ''='"}) as answer:
        placed = await answer.json()
        assert answer.status == 202, placed
        # Its letters as the function wrote them: some clients look for just these.
        assert "X-Request-ID" in dict(answer.headers)
    for query in ({"userId": text}, {"userId": text, "clientOrderId": text}, {"userId": text, "limit": "1"}):
        async with http.get("/api/orders", params=query) as answer:
            (found,) = (await answer.json())["orders"]
            assert [found[name] for name in ("userId", "walletAddress", "clientOrderId")] == [text] * 3
    for path in ("/api/events", "/api/stats"):
        async with http.get(path, params={"userId": text}) as answer:
            assert answer.status == 200
    for name, wrong in {"cursor": text, "status": text, "inputToken": text, "placedFrom": text}.items():
        async with http.get("/api/orders", params={name: wrong}) as answer:
            assert answer.status == 400, name
    async with http.ws_connect(POST, params={"userId": text}) as socket, asyncio.timeout(LIMIT_SECONDS):
        assert (await socket.receive_json())["userId"] == text
    with psycopg.connect(stack.database_url) as connection:
        stored = connection.execute("SELECT user_id FROM orders WHERE id = %s", (placed["orderId"],)).fetchone()
    assert stored == (text,)


async def test_every_frame_of_the_stream_is_as_specified(http: aiohttp.ClientSession) -> None:
    trader = Trader(http)
    order_id = await trader.place()
    seen: list[str] = []
    async with trader.socket(order_id) as socket:
        for message in ({"action": "ping"}, {"action": "subscribe", "orderId": order_id}, {"action": "nothing"}):
            await socket.send_json(message)
        replies = 0
        while replies < 3 or seen[-1:] != ["confirmed"]:
            frame = await socket.receive_json()
            check_frame(frame)
            if frame["type"] == "status" and frame["status"] not in seen:
                seen.append(frame["status"])
            replies += frame["type"] not in ("status", "heartbeat")
    assert seen == LIFECYCLE


async def test_a_heartbeat_reaches_every_follower(stack: Stack, http: aiohttp.ClientSession) -> None:
    trader = Trader(http)
    order_id = await trader.place()
    await trader.follow(order_id)
    async with trader.socket(order_id, after=5) as first, trader.socket(order_id, after=5) as second:
        # As the schedule does each minute.
        stack.clients.sqs.send_message(QueueUrl=stack.outputs["HeartbeatsQueueUrl"], MessageBody='{"beat": 1}')
        for socket in (first, second):
            async with asyncio.timeout(LIMIT_SECONDS):
                while (frame := await socket.receive_json())["type"] != "heartbeat":
                    pass
            check_frame(frame)


async def test_too_many_requests_say_when_to_come_back(stack: Stack, http: aiohttp.ClientSession) -> None:
    with stack.deployed_with(ThrottleRate="1", ThrottleBurst="1"):
        for _ in range(50):
            async with http.get("/api/tokens") as answer:
                body = await answer.json(content_type=None)
                if answer.status == 429:
                    break
        assert answer.status == 429
        check_answer("GET", "/api/tokens", 429, answer.content_type, body)
        assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/api/tokens", 200), ("/api/orders/none", 404), ("/docs", 200)]
)
async def test_head_is_answered_as_get_without_a_body(stack: Stack, path: str, status: int) -> None:
    # Over one connection: whoever sent a body would break the answer behind it.
    # As it is: how long a compressed answer gets, HEAD cannot know.
    plain = {"Accept-Encoding": "identity"}
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(stack.base_url, connector=connector, headers=plain) as http:
        async with http.head(path) as head:
            assert (head.status, await head.read()) == (status, b"")
        async with http.get(path) as get:
            assert (get.status, get.content_type) == (status, head.content_type)
            assert head.headers["Content-Length"] == get.headers["Content-Length"]


async def test_a_slash_behind_docs_leads_to_the_page(http: aiohttp.ClientSession) -> None:
    async with http.get("/docs/") as answer:
        assert (answer.status, answer.url.path) == (200, "/docs")
