"""`./dev order` and `./dev bench` as a person calls them, before a stub of the service at another address."""

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from localstack.paths import ROOT
from tests.fakes.certificates import Authority

LIMIT_SECONDS = 60
ID = "ord_1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Stub:
    """Two servers, as on AWS: REST below /live at one, the order's stream anywhere at the other."""

    ends_as: str = "confirmed"
    connections: list[str] = field(default_factory=list)
    placed: list[str] = field(default_factory=list)
    url: str = ""
    stream: str = ""
    breaks_off_once: bool = False
    answer: Handler | None = None

    async def place(self, request: web.Request) -> web.StreamResponse:
        self.placed.append(await request.text())
        if self.answer is not None:
            return await self.answer(request)
        return web.json_response({"orderId": ID, "status": "pending", "websocketUrl": self.stream}, status=202)

    async def page(self, request: web.Request) -> web.StreamResponse:
        orders = [{"id": ID}] * len(self.placed) if request.query["status"] == self.ends_as else []
        return web.json_response({"orders": orders, "nextCursor": None})

    async def follow(self, request: web.Request) -> web.StreamResponse:
        self.connections.append(request.query_string)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for sequence, status in enumerate(("pending", self.ends_as), 1):
            if sequence > int(request.query.get("after", "0")):
                await socket.send_json(
                    {"type": "status", "sequence": sequence, "status": status, "at": "2026-01-01T00:00:00Z"}
                )
            if self.breaks_off_once and len(self.connections) == 1:
                return socket
        async for _ in socket:
            pass
        return socket


async def served(stub: Stub, context: ssl.SSLContext | None = None) -> AsyncIterator[Stub]:
    rest, streams = web.Application(), web.Application()
    rest.router.add_post("/live/api/orders/execute", stub.place)
    rest.router.add_get("/live/api/orders", stub.page)
    streams.router.add_get("/elsewhere", stub.follow)
    scheme = "https" if context else "http"
    servers: Sequence[BaseTestServer] = [TestServer(app, host="127.0.0.9", scheme=scheme) for app in (rest, streams)]
    for server in servers:
        await server.start_server(ssl=context)
    stub.url = f"{scheme}://127.0.0.9:{servers[0].port}/live"
    stub.stream = f"{scheme.replace('http', 'ws')}://127.0.0.9:{servers[1].port}/elsewhere?orderId={ID}"
    yield stub
    for server in servers:
        await server.close()


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async for each in served(Stub()):
        yield each


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """Its one line on standard error."""
        assert self.err.startswith("dev: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.strip()


async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "localstack", *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def end(process: asyncio.subprocess.Process) -> Ended:
    async with asyncio.timeout(LIMIT_SECONDS):
        out, err = await process.communicate()
    out = out or b""
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def run(*arguments: str, **environment: str) -> Ended:
    return await end(await start(*arguments, **environment))


@pytest.mark.parametrize(("ends_as", "status"), [("confirmed", 0), ("failed", 1), ("cancelled", 3)])
async def test_it_follows_where_the_answer_says_and_its_status_tells_the_end(
    stub: Stub, ends_as: str, status: int
) -> None:
    stub.ends_as = ends_as
    ended = await run("order", "--url", f"{stub.url}/")
    assert (ended.status, ended.err) == (status, "")
    assert [line.split()[1] for line in ended.out.splitlines()[1:]] == ["pending", ends_as] or ends_as in ended.out
    assert stub.connections == [f"orderId={ID}&after=0"]


async def test_a_broken_stream_goes_on_behind_the_last_status(stub: Stub) -> None:
    stub.breaks_off_once = True
    assert (await run("order", "--url", stub.url)).status == 0
    assert stub.connections == [f"orderId={ID}&after=0", f"orderId={ID}&after=1"]


async def test_https_and_wss_with_a_trusted_certificate_only(tmp_path: Path) -> None:
    authority = Authority.new("Authority of a test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server("service.example", tmp_path / "server.pem"))
    trusted = str(authority.write(tmp_path / "authority.pem"))
    async for stub in served(Stub(), context):
        assert (await run("order", "--url", stub.url, SSL_CERT_FILE=trusted)).status == 0
        refused = await run("order", "--url", stub.url)
        assert refused.status == 4
        assert "its certificate is not trusted" in refused.sentence
        assert len(stub.placed) == 1


async def test_bench_follows_where_the_answer_says(stub: Stub) -> None:
    ended = await run("bench", "--orders", "3", "--follow", "2", "--connections", "1", "--url", stub.url)
    assert (ended.status, ended.err) == (0, "")
    assert "3 confirmed" in ended.out
    assert stub.connections == [f"orderId={ID}"] * 2


async def test_nothing_at_the_address_is_one_sentence() -> None:
    for command in ("order", "bench"):
        ended = await run(command, "--url", "http://127.0.0.1:1")
        assert (ended.status, ended.out) == (4, "")
        assert "http://127.0.0.1:1 can't be reached: nothing listens there." in ended.sentence


async def test_a_refusal_is_one_sentence(stub: Stub) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        problem = {"title": "No such token", "status": 422, "code": "unknown_token", "detail": "XYZ is not traded."}
        return web.json_response(problem, status=422)

    stub.answer = refuse
    for command in ("order", "bench"):
        ended = await run(command, "--url", stub.url)
        assert ended.status == 1
        assert ended.sentence == "dev: The order was refused (422): XYZ is not traded."


async def test_a_lost_answer_may_be_a_placed_order(stub: Stub) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    stub.answer = cut
    ended = await run("order", "--url", stub.url)
    assert ended.status == 5
    assert "Look your orders up" in ended.sentence
    assert len(stub.placed) == 1


async def test_an_order_that_does_not_end_is_left_to_itself(stub: Stub) -> None:
    stub.ends_as = "submitted"
    ended = await run("order", "--url", stub.url, "--timeout", "1")
    assert ended.status == 5
    assert f"GET {stub.url}/api/orders/{ID} tells how it stands" in ended.sentence


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_signal_ends_the_command_and_says_that_the_order_goes_on(
    stub: Stub, number: signal.Signals, status: int
) -> None:
    stub.ends_as = "submitted"
    process = await start("order", "--url", stub.url)
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_SECONDS):
        while b"submitted" not in await process.stdout.readline():
            pass
    process.send_signal(number)
    ended = await end(process)
    assert ended.status == status
    assert f"GET {stub.url}/api/orders/{ID} tells how it stands" in ended.sentence


async def test_a_reader_that_has_gone_ends_the_command_as_in_a_shell(stub: Stub) -> None:
    stub.ends_as = "submitted"
    read, write = os.pipe()
    os.close(read)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "localstack", "order", "--url", stub.url),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=write,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(write)
    assert await end(process) == Ended(141, "", "")
