"""Stands before a service that asks for access tokens and sends one along, for clients that know of none.

`PYTHONPATH=functions:. python -m tests.e2e.token_proxy http://localhost:3000 alice 3001`: what is asked of port 3001 is
asked as alice, by a token of this clone's issuer. Whoever reaches the port is alice: it is for tests, on loopback only.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

from localstack.client import issuer

LOOPBACK = "127.0.0.1"
OF_ONE_CONNECTION = {"host", "connection", "upgrade", "content-length", "transfer-encoding"}
LIFETIME_SECONDS = 12 * 3600


class TokenProxy:
    """Asks `service` with `token`; an `http` session of its own belongs to whoever makes it."""

    def __init__(self, service: str, token: str, http: aiohttp.ClientSession) -> None:
        self._service = URL(service)
        self._token = token
        self._http = http

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The service's answer, or its stream."""
        if request.url.host not in ("localhost", LOOPBACK):
            return web.Response(status=421)  # a page whose name was made to lead here
        # `Origin` goes along: the service refuses other pages.
        headers = {name: value for name, value in request.headers.items() if name.lower() not in OF_ONE_CONNECTION}
        headers["Authorization"] = f"Bearer {self._token}"
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._stream(request, headers)
        url = self._service.join(request.rel_url)
        async with self._http.request(
            request.method, url, data=await request.read(), headers=headers, allow_redirects=False
        ) as answer:
            passed = {name: value for name, value in answer.headers.items() if name.lower() not in OF_ONE_CONNECTION}
            return web.Response(status=answer.status, body=await answer.read(), headers=passed)

    async def _stream(self, request: web.BaseRequest, headers: dict[str, str]) -> web.StreamResponse:
        """Frames of the service only: a client's `subscribe` would need a ticket in the message."""
        named = {"orderId": request.query["orderId"]} if "orderId" in request.query else {}
        async with self._http.post(
            self._service / "api/stream-tickets", json=named, headers={"Authorization": headers["Authorization"]}
        ) as made:
            if made.status != 201:
                return web.Response(status=made.status, body=await made.read(), content_type=made.content_type)
            ticket = (await made.json())["ticket"]
        url = self._service.join(request.rel_url).update_query(ticket=ticket)
        origin = {"Origin": headers["Origin"]} if "Origin" in headers else {}
        async with self._http.ws_connect(url, headers=origin) as upstream:
            client = web.WebSocketResponse()
            await client.prepare(request)
            listening = asyncio.create_task(client.receive())  # until it is closed
            frames = asyncio.create_task(_copy(upstream, client))
            await asyncio.wait((listening, frames), return_when=asyncio.FIRST_COMPLETED)
            for task in (listening, frames):
                task.cancel()
            await asyncio.gather(listening, frames, return_exceptions=True)
            await client.close()
        return client


async def _copy(upstream: aiohttp.ClientWebSocketResponse, client: web.WebSocketResponse) -> None:
    async for message in upstream:
        await client.send_str(message.data)


@asynccontextmanager
async def token_proxy(service: str, token: str, port: int = 0) -> AsyncIterator[str]:
    """Its address, while the context is open; port 0 takes a free one."""
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        runner = web.ServerRunner(web.Server(TokenProxy(service, token, http).handle))
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, port).start()
        try:
            yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


async def main(service: str, user: str, port: str = "0") -> None:
    """Serves until it is ended."""
    async with token_proxy(service, issuer.read_issuer().sign(user, LIFETIME_SECONDS), int(port)) as url:
        print(f"{url} asks {service} as {user}.", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
