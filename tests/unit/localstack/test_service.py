"""What the service's address, its answers and its silence mean to the commands."""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from localstack.client import service
from localstack.errors import NotOver, Unreachable, UserError
from localstack.local_stack import state_file
from tests.fakes.certificates import Authority

ORDER = {"amount": "1"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


def test_the_answer_says_where_to_follow() -> None:
    assert service.read_placed("u", 202, '{"orderId": "o", "websocketUrl": "wss://x.example/live?orderId=o"}') == (
        service.Placed("o", URL("wss://x.example/live?orderId=o"))
    )


@pytest.mark.parametrize(
    "given",
    ["localhost:3000", "ftp://localhost", "http://", "http://localhost:none", "http://a/?b", "http://a/#b", "/"],
)
def test_what_is_no_address_is_told_so(given: str) -> None:
    with pytest.raises(UserError, match="--url takes the address in front of /api") as told:
        service.url_of(given)
    assert told.value.exit_status == 1


@pytest.mark.parametrize("given", ["http://localhost:3000", "https://x.example/live/", "http://[::1]:3000"])
def test_an_address_is_taken_as_it_is(given: str) -> None:
    assert service.url_of(given) == given.rstrip("/")


def test_without_a_stack_here_no_other_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> state_file.Running:
        raise UserError("Nothing runs in this clone: start it with ./dev up.")

    monkeypatch.setattr(state_file, "find", find)
    monkeypatch.setenv("PORT", "3000")
    with pytest.raises(Unreachable, match=r"Nothing runs in this clone.*--url"):
        service.url_of("")


PROBLEM = '{"title": "t", "status": 422, "code": "unknown_token", "detail": "XYZ is not traded.", "errors": [{"a": 1}]}'


@pytest.mark.parametrize(
    ("status", "text", "kind", "said"),
    [
        (422, PROBLEM, UserError, r'^The order was refused \(422\): XYZ is not traded\.\n  {"a": 1}$'),
        (503, PROBLEM, UserError, "refused"),
        (502, PROBLEM, NotOver, "refused"),
        (504, PROBLEM, NotOver, "refused"),
        (403, '{"message": "Missing Authentication Token"}', Unreachable, "on AWS it ends with the stage, /live"),
        (404, "<html>\n<h1>nginx</h1></html>", Unreachable, "404: <html> <h1>nginx"),
        (500, "", Unreachable, "500: an empty answer"),
        (200, "hello", Unreachable, "200: hello"),
        (202, '{"orderId": "o"}', Unreachable, "not as this service does"),
        (202, '{"orderId": "o", "websocketUrl": "https://x.example"}', Unreachable, "not as this service does"),
        (202, "[1]", Unreachable, "not as this service does"),
    ],
)
def test_what_is_no_accepted_order_is_one_sentence(status: int, text: str, kind: type[UserError], said: str) -> None:
    with pytest.raises(UserError, match=said) as told:
        service.read_placed("http://x.example", status, text)
    assert type(told.value) is kind


async def answered(http: aiohttp.ClientSession, handler: Handler, scheme: str) -> None:
    app = web.Application()
    app.router.add_post("/api/orders/execute", handler)
    async with TestServer(app, host="127.0.0.1") as server:
        await service.place(http, f"{scheme}://127.0.0.1:{server.port}", ORDER)


async def test_a_redirect_is_not_followed_with_a_get(http: aiohttp.ClientSession) -> None:
    async def moved(_: web.Request) -> web.StreamResponse:
        return web.Response(status=301, headers={"Location": "https://x.example/live"})

    with pytest.raises(Unreachable, match=r"on to https://x\.example/live: give that address"):
        await answered(http, moved, "http")


async def test_a_lost_answer_may_be_a_placed_order(http: aiohttp.ClientSession) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    with pytest.raises(NotOver, match="Look your orders up"):
        await answered(http, cut, "http")


async def unanswered(_: web.Request) -> web.StreamResponse:
    raise AssertionError


async def test_tls_to_a_service_without_it(http: aiohttp.ClientSession) -> None:
    with pytest.raises(Unreachable, match="it does not speak TLS"):
        await answered(http, unanswered, "https")


async def test_no_tls_to_a_service_with_it(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Authority.new("A").server("service.example", tmp_path / "server.pem"))
    server = TestServer(web.Application(), host="127.0.0.1", scheme="https")
    await server.start_server(ssl=context)
    with pytest.raises(UserError, match=r"127\.0\.0\.1"):
        await service.place(http, f"http://127.0.0.1:{server.port}", ORDER)
    await server.close()


async def test_nobody_there(http: aiohttp.ClientSession) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        with pytest.raises(Unreachable, match="nothing listens there"):
            await service.place(http, f"http://127.0.0.1:{taken.getsockname()[1]}", ORDER)
    with pytest.raises(Unreachable, match=r"nobody knows the name nobody\.invalid"):
        await service.place(http, "http://nobody.invalid", ORDER)
