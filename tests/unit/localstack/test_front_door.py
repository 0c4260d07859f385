"""HTTP through the front door."""

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from chalicelib.http.responses import SECURITY_HEADERS
from localstack.gateway.admission import MAX_BODY_BYTES
from localstack.gateway.callers import Callers
from localstack.gateway.front_door import FrontDoor
from tests.unit.localstack.conftest import STAGE, Door

LIMIT_SECONDS = 20


async def test_method_path_query_and_body_arrive_as_sent(door: Door) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"method": request.method, "path": request.raw_path, "body": await request.text()})

    door.service.rest = answer
    url = URL(f"{door.url}/api/orders%2Fx?q=a%20b&q=%7B&empty=", encoded=True)
    async with door.http.patch(url, data="payload") as response:
        seen = await response.json()
    assert seen == {"method": "PATCH", "path": f"{STAGE}/api/orders%2Fx?q=a%20b&q=%7B&empty=", "body": "payload"}


async def test_the_service_learns_who_asked_for_what(door: Door) -> None:
    headers = {"X-Custom": "1", "Host": "localhost:8443", "Accept": "text/x"}
    async with door.http.get(f"{door.url}/", headers=headers):
        pass
    seen = door.service.requests[0].headers
    assert (seen["X-Custom"], seen["Accept"]) == ("1", "text/x")
    forwarded = {"For": "127.0.0.1", "Host": "localhost:8443", "Port": "8443", "Proto": "http"}
    assert {name: seen[f"X-Forwarded-{name}"] for name in forwarded} == forwarded
    assert seen["Host"].startswith("127.0.0.1")


async def test_headers_of_one_connection_stay_behind(door: Door) -> None:
    door.service.rest = lambda _: web.Response(headers={"Keep-Alive": "timeout=5", "X-Kept": "1"})
    private = {"X-Private": "1", "Authorization": "Bearer x.y.z", "TE": "trailers", "Upgrade": "h2c"}
    headers = {"Connection": "close, X-Private, authorization", **private}
    async with door.http.get(f"{door.url}/", headers=headers) as response:
        assert "Keep-Alive" not in response.headers
        assert response.headers["X-Kept"] == "1"
    assert not private.keys() & set(door.service.requests[0].headers)


async def test_an_upgrade_that_is_required_is_named(door: Door) -> None:
    door.service.rest = lambda _: web.Response(status=426, headers={"Upgrade": "websocket"})
    async with door.http.get(f"{door.url}/api/orders/execute") as response:
        assert (response.status, response.headers["Upgrade"]) == (426, "websocket")
        assert response.headers["Connection"] == "Upgrade"


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (418, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Encoding", "gzip")], gzip.compress(b"x" * 5000)),
        (302, [("Location", "/elsewhere")], b""),
        (204, [], b""),
        (304, [], b""),
        (200, [("Content-Length", "2097152")], bytes(range(256)) * 8192),
    ],
    ids=[
        "with two cookies, packed",
        "that leads elsewhere",
        "without a body",
        "that is known already",
        "that is large",
    ],
)
async def test_an_answer_comes_back_as_it_is(
    door: Door, status: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    given = CIMultiDict(headers)
    door.service.rest = lambda _: web.Response(status=status, reason="A reason", body=body, headers=given)
    async with door.http.get(f"{door.url}/", allow_redirects=False) as response:
        assert (response.status, response.reason, await response.read()) == (status, "A reason", body)
        for name in given:
            assert response.headers.getall(name) == given.getall(name)


async def test_head_tells_the_length_without_the_body(door: Door) -> None:
    door.service.rest = lambda _: web.Response(body=b"x" * 1234)
    async with door.http.head(f"{door.url}/") as response:
        assert response.headers["Content-Length"] == "1234"


async def test_a_long_answer_arrives_while_it_is_written(door: Door) -> None:
    first_was_read = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await first_was_read.wait()
        await response.write(b"second")
        return response

    door.service.rest = answer
    async with asyncio.timeout(LIMIT_SECONDS), door.http.get(f"{door.url}/") as response:
        assert await response.content.readany() == b"first"
        first_was_read.set()
        assert await response.content.read() == b"second"


async def measured(request: web.Request) -> web.StreamResponse:
    """How long the body was that arrived."""
    return web.json_response(len(await request.read()))


async def chunks(number: int) -> AsyncIterator[bytes]:
    """A body whose length nobody says beforehand."""
    for _ in range(number):
        yield b"x" * 10_000


@pytest.mark.parametrize("size", [0, 1, 200_000, MAX_BODY_BYTES])
async def test_bodies_up_to_the_limit_arrive_whole(door: Door, size: int) -> None:
    door.service.rest = measured
    async with door.http.post(f"{door.url}/", data=io.BytesIO(b"x" * size)) as response:
        assert await response.json() == size


async def test_a_body_of_unknown_length_arrives_whole(door: Door) -> None:
    door.service.rest = measured
    async with door.http.post(f"{door.url}/", data=chunks(20), expect100=True) as response:
        assert await response.json() == 200_000


async def test_a_larger_body_of_unknown_length_is_refused(door: Door) -> None:
    door.service.rest = measured
    async with door.http.post(f"{door.url}/", data=chunks(MAX_BODY_BYTES // 10_000 + 2)) as response:
        assert response.status == 413
        assert (await response.json(content_type="application/problem+json"))["code"] == "body_too_large"


@pytest.mark.parametrize("length", [MAX_BODY_BYTES + 1, 10 * 1024 * 1024 + 1, 10**15])
async def test_a_larger_body_of_known_length_is_refused_unread(door: Door, length: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(door.url).port)
    writer.write(f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())
    status = await asyncio.wait_for(reader.readline(), LIMIT_SECONDS)
    writer.close()
    await writer.wait_closed()
    assert b" 413 " in status
    assert not door.service.requests


async def problem_of(response: aiohttp.ClientResponse) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers.items() >= {**SECURITY_HEADERS, "Cache-Control": "no-store"}.items()
    body = json.loads(await response.read())
    assert body["status"] == response.status
    assert body["detail"]
    assert body["title"]
    assert body["type"] == f"urn:order-engine:problem:{body['code']}"
    return response.status, body["code"]


@pytest.mark.parametrize("deployed", [True, False], ids=["gone", "not there yet"])
async def test_nothing_behind_the_door(door: Door, deployed: bool) -> None:
    await door.server.close()
    if not deployed:
        door.front_door.upstream = None
    async with door.http.get(f"{door.url}/") as response:
        assert await problem_of(response) == (503, "upstream_unavailable")


async def test_a_service_that_breaks_off_before_answering(door: Door) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    door.service.rest = answer
    async with door.http.post(f"{door.url}/", data=b"x") as response:
        assert await problem_of(response) == (502, "upstream_failed")


async def test_what_a_gateway_says_of_a_dead_process_stays_inside(door: Door) -> None:
    door.service.rest = lambda _: web.json_response({"message": "Worker process died in /tmp/x"}, status=502)
    async with door.http.get(f"{door.url}/api/quotes") as response:
        assert response.status == 502
        assert response.content_type == "application/problem+json"
        assert json.loads(await response.read())["code"] == "upstream_failed"


async def test_a_service_that_breaks_off_within_its_answer(door: Door) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 1_000_000
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    door.service.rest = answer
    async with door.http.get(f"{door.url}/") as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


NOTHING = {"status": 404, "code": "not_found", "detail": "No route has this method and path.", "requestId": "gateway-1"}


@pytest.mark.parametrize(
    ("sent", "named"), [({}, "gateway-1"), ({"X-Request-Id": "mine"}, "mine"), ({"X-Request-Id": "a b"}, "gateway-1")]
)
async def test_the_gateway_s_own_problem_says_which_request_it_answers(
    door: Door, sent: dict[str, str], named: str
) -> None:
    door.service.rest = lambda _: web.json_response(NOTHING, status=404, content_type="application/problem+json")
    async with door.http.get(f"{door.url}/api/nothing?q=1", headers=sent) as response:
        assert response.headers["X-Request-Id"] == named
        assert json.loads(await response.read()) == {**NOTHING, "instance": "/api/nothing", "requestId": named}
    async with door.http.head(f"{door.url}/api/nothing") as response:
        assert response.status == 404


async def test_the_door_s_own_problem_says_which_request_it_answers(door: Door) -> None:
    door.front_door.upstream = None
    async with door.http.get(f"{door.url}/api/orders", headers={"X-Request-Id": "mine"}) as response:
        view = json.loads(await response.read())
        assert (view["instance"], view["requestId"]) == ("/api/orders", response.headers["X-Request-Id"])
        assert view["requestId"] == "mine"


async def test_the_service_s_own_problem_passes_as_it_is(door: Door) -> None:
    said = {"code": "order_not_found", "instance": "/live/api/orders/x", "requestId": "r"}
    door.service.rest = lambda _: web.json_response(
        said, status=404, content_type="application/problem+json", headers={"X-Request-Id": "r"}
    )
    async with door.http.get(f"{door.url}/api/orders/x") as response:
        assert json.loads(await response.read()) == said


@pytest.mark.parametrize(
    ("allowed", "origin", "named"),
    [
        ("https://a.example,https://b.example", "https://b.example", "https://b.example"),
        ("*", "https://b.example", "*"),
    ],
)
async def test_pages_that_may_read_answers_may_read_the_doors_own(
    door: Door, allowed: str, origin: str, named: str
) -> None:
    async with FrontDoor(None, Callers(allowed_origins=allowed)) as second:
        port = await second.start(("127.0.0.1",), 0)
        async with door.http.get(f"http://127.0.0.1:{port}/", headers={"Origin": origin}) as response:
            assert response.status == 503
            assert response.headers.get("Access-Control-Allow-Origin") == named


async def test_what_the_gateway_answers_to_any_page_names_the_one_that_asks(door: Door) -> None:
    door.service.rest = lambda _: web.Response(
        status=404,
        content_type="application/problem+json",
        headers={"Access-Control-Allow-Origin": "https://a.example"},
    )
    callers = Callers(allowed_origins="https://a.example,https://b.example")
    async with FrontDoor(door.front_door.upstream, callers) as second:
        port = await second.start(("127.0.0.1",), 0)
        async with door.http.get(f"http://127.0.0.1:{port}/", headers={"Origin": "https://b.example"}) as response:
            assert response.headers.getall("Access-Control-Allow-Origin") == ["https://b.example"]


async def test_a_taken_port_is_an_error_of_the_start(door: Door) -> None:
    async with FrontDoor(None) as second:
        with pytest.raises(OSError, match="in use"):
            await second.start(("127.0.0.1",), URL(door.url).port or 0)
