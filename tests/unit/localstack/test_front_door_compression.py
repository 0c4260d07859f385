"""Answers that the front door compresses for clients who ask for it."""

import gzip
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from localstack.gateway.compression import MIN_BYTES
from localstack.gateway.connections import IDLE_SECONDS
from localstack.packaging import template
from localstack.paths import ROOT
from tests.unit.localstack.conftest import Door

GZIP = {"Accept-Encoding": "gzip, deflate, br"}


def answers(door: Door, body: bytes, **headers: str) -> None:
    """Has the service answer every request with this."""

    async def answer(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, headers={"Content-Type": "application/json", **named})

    door.service.rest = answer


def test_aws_compresses_from_the_same_size_on() -> None:
    properties: Any = template.read(ROOT / "template.yaml")["Resources"]
    assert properties["RestApi"]["Properties"]["MinimumCompressionSize"] == MIN_BYTES


@pytest.mark.parametrize("size", [MIN_BYTES, 60_000, 2_000_000])
async def test_a_large_answer_is_compressed_for_who_asks(door: Door, size: int) -> None:
    body = b"x" * size
    answers(door, body)
    async with door.http.get(f"{door.url}/", headers=GZIP) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Vary"] == "Accept-Encoding"
        packed = await response.read()
    assert len(packed) < size / 10
    assert gzip.decompress(packed) == body


@pytest.mark.parametrize(
    "accepted", ["", "identity", "br", "gzip;q=0", "*;q=0", "gzip;q=0.0, *", "gzip;q=x", "x-gzipped"]
)
async def test_who_does_not_ask_gets_it_as_it_is_and_caches_know(door: Door, accepted: str) -> None:
    answers(door, b"x" * MIN_BYTES, ETag='"a"')
    async with door.http.get(f"{door.url}/", headers={"Accept-Encoding": accepted}) as response:
        assert "Content-Encoding" not in response.headers
        assert response.headers["Vary"] == "Accept-Encoding"
        assert response.headers["ETag"] == '"a"'
        assert await response.read() == b"x" * MIN_BYTES


@pytest.mark.parametrize("accepted", ["gzip", "GZIP", "br;q=1.0, gzip;q=0.8, *;q=0.1", "*", "deflate, x-gzip"])
async def test_every_way_to_ask_is_understood(door: Door, accepted: str) -> None:
    answers(door, b"x" * MIN_BYTES)
    async with door.http.get(f"{door.url}/", headers={"Accept-Encoding": accepted}) as response:
        assert gzip.decompress(await response.read()) == b"x" * MIN_BYTES


@pytest.mark.parametrize(
    ("size", "headers"),
    [
        (MIN_BYTES - 1, {}),
        (5000, {"Content_Type": "image/png"}),
        (5000, {"Content_Encoding": "br"}),
        (5000, {"Cache_Control": "no-transform"}),
    ],
)
async def test_what_is_small_or_packed_passes_as_it_is(door: Door, size: int, headers: dict[str, str]) -> None:
    answers(door, b"x" * size, **headers)
    async with door.http.get(f"{door.url}/", headers=GZIP) as response:
        assert response.headers.get("Content-Encoding") == headers.get("Content_Encoding")
        assert "Vary" not in response.headers
        assert await response.read() == b"x" * size


async def test_a_strong_etag_becomes_weak_and_vary_keeps_what_it_has(door: Door) -> None:
    answers(door, b"x" * MIN_BYTES, ETag='"a"', Vary="Origin")
    async with door.http.get(f"{door.url}/", headers=GZIP) as response:
        assert response.headers["ETag"] == 'W/"a"'
        assert response.headers["Vary"] == "Origin, Accept-Encoding"
    answers(door, b"x" * MIN_BYTES, ETag='W/"a"', Vary="accept-encoding")
    async with door.http.get(f"{door.url}/", headers=GZIP) as response:
        assert response.headers["ETag"] == 'W/"a"'
        assert response.headers["Vary"] == "accept-encoding"


async def test_head_tells_what_get_would(door: Door) -> None:
    answers(door, b"x" * MIN_BYTES, ETag='"a"')
    async with door.http.get(f"{door.url}/", headers=GZIP) as response:
        got = response.headers
    async with door.http.head(f"{door.url}/", headers=GZIP) as response:
        told = response.headers
    for name in ("Content-Encoding", "Content-Type", "ETag", "Vary"):
        assert told[name] == got[name]
    # The packed length is unknown without the body; the plain one would be wrong.
    assert "Content-Length" not in told


async def test_an_old_client_gets_a_long_answer_until_the_connection_ends(door: Door) -> None:
    answers(door, b"x" * 2_000_000)
    async with (
        aiohttp.ClientSession(version=aiohttp.HttpVersion10, auto_decompress=False) as old,
        old.get(f"{door.url}/", headers=GZIP, timeout=aiohttp.ClientTimeout(IDLE_SECONDS / 2)) as response,
    ):
        assert "Transfer-Encoding" not in response.headers
        assert gzip.decompress(await response.read()) == b"x" * 2_000_000
