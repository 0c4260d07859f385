"""A smaller fuzz than the one at the function's door: what HTTP and the gateway make of odd requests counts too."""

import asyncio
import gzip
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp
import psycopg
import pytest
from yarl import URL

from localstack.stack_for_tests import Stack
from tests.e2e.trader import ORDER
from tests.unit.http.junk import NASTY

AT_ONCE = 4
SEED = 4
JSON = {"Content-Type": "application/json"}
ODD: tuple[object, ...] = (None, True, 0, -1, 2**64, 10**400, 1e300, 1e-300, [], [[]], {}, {"a": {"b": []}}, *NASTY)
RAW = (
    b"",
    b"\x00",
    b"\xff\xfe\x00",
    b"{",
    b"[]",
    b"null",
    b"[" * 20_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"userId":"a","userId":"b"}',
    b'{"amount":1e99999999999999999999}',
    b'{"amount":NaN}',
    b'{"amount":' + b"9" * 60_000 + b"}",
    json.dumps(ORDER).encode("utf-16"),
    json.dumps(ORDER).encode("utf-8-sig"),
    json.dumps({**ORDER, "userId": "é"}, ensure_ascii=False).encode("latin-1"),
    json.dumps({**ORDER, "userId": "x" * 200_000}).encode(),
)
TYPES = ("text/plain", "application/xml", "application/json; charset=utf-16", "multipart/form-data", "*/*", ";")


@dataclass(frozen=True)
class Sent:
    """One request."""

    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


def encoded(value: object) -> str:
    """As it stands in a URL; a lone surrogate as the bytes that a careless client makes of it."""
    return quote(str(value).encode("utf-8", "surrogatepass"), safe="")


def requests() -> Iterator[Sent]:
    """Every odd value in every field of every call; none of them makes an order."""
    for path in ("/api/orders/execute", "/api/quotes"):
        for raw in RAW:
            yield Sent("POST", path, raw, JSON)
        for name in ORDER:
            # Seven of these could be a name of somebody; of an amount, a token or a side none could.
            odd = [value for value in ODD if name not in ("userId", "walletAddress") or not isinstance(value, str)]
            for value in odd:
                yield Sent("POST", path, json.dumps({**ORDER, name: value}).encode(), JSON)
    for kind in TYPES:
        yield Sent("POST", "/api/orders/execute", json.dumps(ORDER).encode(), {"Content-Type": kind})
    yield Sent("POST", "/api/orders/execute", json.dumps(ORDER).encode(), {**JSON, "Content-Encoding": "gzip"})
    yield Sent("POST", "/api/orders/execute", gzip.compress(b"{}"), {**JSON, "Content-Encoding": "gzip"})
    yield Sent("POST", "/api/orders/execute", json.dumps(ORDER).encode(), {**JSON, "Idempotency-Key": "x" * 256})
    for value in NASTY:
        for name in ("status", "venue", "inputToken", "placedFrom", "limit", "cursor", "userId", "clientOrderId", "x"):
            yield Sent("GET", f"/api/orders?{name}={encoded(value)}")
        if value and "/" not in value:
            yield Sent("GET", f"/api/orders/{encoded(value)}")
            yield Sent("POST", f"/api/orders/{encoded(value)}/cancel")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield session


def orders(stack: Stack) -> int:
    """How many orders there are."""
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM orders").fetchone()
    assert row is not None
    return int(row[0])


async def test_odd_requests_are_refused_and_write_nothing(
    stack: Stack, http: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    before = orders(stack)
    statuses: Counter[int] = Counter()
    waiting = list(requests())
    random.Random(SEED).shuffle(waiting)

    surprises: list[tuple[Sent, int, str]] = []

    async def worker() -> None:
        while waiting:
            sent = waiting.pop()
            # Already encoded: the client library would tidy the path up.
            url = URL(stack.base_url + sent.path, encoded=True)
            async with http.request(sent.method, url, data=sent.body, headers=sent.headers) as answer:
                text = await answer.text(errors="replace")
                statuses[answer.status] += 1
                listed = sent.method == "GET" and sent.path.startswith("/api/orders?") and answer.status == 200
                if not (400 <= answer.status < 500 or listed):
                    surprises.append((sent, answer.status, text[:500]))

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    assert not surprises, "\n".join(map(repr, surprises[:20]))
    with capsys.disabled():
        print(f"\nfuzz over the wire: {statuses.total()} requests, statuses {dict(sorted(statuses.items()))}")
    assert statuses.total() > 500
    assert orders(stack) == before
