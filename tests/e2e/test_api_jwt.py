"""The deployed stack in jwt mode, over the wire: who may call, what a ticket opens, and what stands in no log."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chalicelib.http.responses import SECURITY_HEADERS
from localstack.client import issuer
from localstack.local_stack.stack_for_tests import Stack
from order_engine import OVER
from tests.e2e.token_proxy import token_proxy
from tests.e2e.trader import ORDER, Trader, column
from tests.fakes.aws import websocket_event
from tests.fakes.tokens import ED, ISSUER, Token, b64, jwks
from tests.unit.client.commands import Ended, invoke, run

# The first of them waits for the stack.
pytestmark = pytest.mark.timeout(600)

BODY = {name: value for name, value in ORDER.items() if name != "userId"}
PATH = "/api/orders/execute"
PARAMETERS = {
    "AuthMode": "jwt",
    "AuthIssuer": ISSUER,
    "AuthAudience": issuer.AUDIENCE,
    "AuthKeys": jwks(ED),
    "AuthRevoked": "stolen",
}
LIMIT_SECONDS = 60
# Every token and ticket that was used: none may stand in any log.
USED: set[str] = set()


def token(subject: str = "alice", **claims: object) -> str:
    now = int(time.time())
    times = {"iat": now - 7200, "exp": now - 3600} if claims.pop("is_expired", False) else {}
    made = str(replace(Token(ED), now=now, claims={"sub": subject, **times, **claims}))
    USED.add(made)
    return made


class User:
    """One user's client."""

    def __init__(self, http: aiohttp.ClientSession, name: str, **claims: object) -> None:
        self.http = http
        self.name = f"{name}-{time.time_ns()}"
        self.token = token(self.name, **claims)
        self.headers = {"Authorization": f"Bearer {self.token}"}

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, Any]]:
        async with self.http.request(method, path, json=body, headers={**self.headers, **headers}) as answer:
            return answer.status, await answer.json(content_type=None)

    async def place(self, **changes: object) -> dict[str, Any]:
        status, placed = await self.call("POST", PATH, {**BODY, **changes})
        assert status == HTTPStatus.ACCEPTED, placed
        USED.add(placed["websocketUrl"].partition("&ticket=")[2])
        return placed

    async def ticket(self, order_id: str | None = None) -> str:
        status, made = await self.call("POST", "/api/stream-tickets", {"orderId": order_id} if order_id else {})
        assert status == HTTPStatus.CREATED, made
        USED.add(made["ticket"])
        return str(made["ticket"])


@pytest.fixture(scope="module")
def owned(stack: Stack) -> Iterator[Stack]:
    """The stack, asking for tokens."""
    with stack.deployed_with(**PARAMETERS):
        yield stack


@pytest.fixture
async def http(owned: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=owned.base_url, connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


async def status_of(http: aiohttp.ClientSession, path: str, bearer: str | None, body: object = None) -> int:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    method = "GET" if body is None else "POST"
    async with http.request(method, path, json=body, headers=headers) as answer:
        assert answer.headers.items() >= SECURITY_HEADERS.items()
        return answer.status


async def test_seven_identities_against_the_deployed_stack(http: aiohttp.ClientSession) -> None:
    alice = User(http, "alice")
    owner, right = alice.name, alice.token
    order_id = (await alice.place())["orderId"]
    identities: dict[str, tuple[str | None, int, int]] = {
        "none": (None, 401, 401),
        "broken": (token()[:-8] + "AAAAAAAA", 401, 401),
        "expired": (token(owner, is_expired=True), 401, 401),
        "wrong audience": (token(owner, aud="another"), 401, 401),
        "revoked": (token(owner, jti="stolen"), 401, 401),
        "other user": (token("bob"), 404, 202),
        "read only": (token(owner, scope="orders:read"), 200, 403),
        "right": (right, 200, 202),
    }
    for name, (bearer, read, write) in identities.items():
        assert await status_of(http, f"/api/orders/{order_id}", bearer) == read, name
        assert await status_of(http, PATH, bearer, BODY) == write, name
        assert await status_of(http, "/api/tokens", bearer) == 200, name
    bob = User(http, "bob")
    await bob.place()
    status, page = await bob.call("GET", "/api/orders")
    assert (status, len(page["orders"])) == (200, 1)
    assert (await bob.call("GET", f"/api/orders?userId={owner}"))[0] == 403
    # What API Gateway answers by itself.
    assert await status_of(http, "/api/nothing", right) == 404


async def frames_until_over(socket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    """Every status, until the order is over."""
    frames: list[dict[str, Any]] = []
    async with asyncio.timeout(LIMIT_SECONDS):
        async for frame in socket:
            frames.append(frame.json())
            if frames[-1].get("status") in OVER:
                break
    return [frame for frame in frames if frame["type"] == "status"]


async def refusal(http: aiohttp.ClientSession, query: str) -> int:
    """The status of a refused handshake."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(f"{PATH}?{query}")
    return refused.value.status


async def test_a_ticket_opens_the_stream_of_its_user_and_nothing_else(http: aiohttp.ClientSession) -> None:
    ann, bob = User(http, "ann"), User(http, "bob")
    key = {"Idempotency-Key": f"key-{time.time_ns()}"}
    (_, placed), (_, again) = [await ann.call("POST", PATH, BODY, **key) for _ in range(2)]
    order_id = placed["orderId"]
    assert again["orderId"] == order_id
    for url in (placed["websocketUrl"], placed["websocketUrl"], again["websocketUrl"]):
        USED.add(url.partition("&ticket=")[2])
        async with http.ws_connect(url) as socket:  # the whole history each time, in order, once
            assert [frame["sequence"] for frame in await frames_until_over(socket)] == [1, 2, 3, 4, 5]
    mine = await ann.ticket(order_id)
    other = (await ann.place())["orderId"]
    changed = mine[:-2] + ("A" if mine[-2] != "A" else "B") + mine[-1]
    for status, query in [
        (401, f"orderId={order_id}"),
        (403, f"orderId={order_id}&ticket={changed}"),
        (403, f"orderId={order_id}&ticket={await bob.ticket()}"),
        (400, f"orderId={order_id}&ticket={mine}&ticket={mine}"),
        (401, f"userId={ann.name}&ticket={await bob.ticket()}"),
    ]:
        assert await refusal(http, query) == status, query.partition("&")[2][:12]
    assert (await bob.call("POST", "/api/stream-tickets", {"orderId": order_id}))[0] == 404
    _, all_of_hers = await ann.call("POST", "/api/stream-tickets", {})
    USED.add(all_of_hers["ticket"])
    async with asyncio.timeout(LIMIT_SECONDS), http.ws_connect(all_of_hers["websocketUrl"]) as socket:
        assert (await socket.receive_json())["userId"] == ann.name
        await bob.place()
        anns = (await ann.place())["orderId"]
        assert {frame["orderId"] for frame in await frames_until_over(socket) if frame["type"] == "status"} <= {
            other,
            anns,
        }


async def test_what_the_original_promises_holds_behind_who_sends_a_token_along(
    owned: Stack, http: aiohttp.ClientSession
) -> None:
    """A client that knows of no tokens: placing, following by the order's id alone, reading, and what is refused."""
    user = User(http, "original")
    async with (
        token_proxy(owned.base_url, user.token) as url,
        aiohttp.ClientSession(base_url=url) as unaware,
        asyncio.timeout(LIMIT_SECONDS),
    ):
        trader = Trader(unaware)
        order_id = await trader.place(userId=user.name)
        for _ in range(2):  # the second comes late
            told = await trader.follow(order_id)
            assert column(told, "status") == ["pending", "routing", "building", "submitted", "confirmed"]
        assert (await trader.get(f"/api/orders/{order_id}"))["txHash"] == told[-1]["txHash"]
        for changes in ({"amount": -10}, {"side": "hold"}, {"outputToken": "SOL"}, {"amount": {"a": 1}}):
            async with unaware.post(PATH, json={**ORDER, "userId": user.name, **changes}) as refused:
                assert refused.status == HTTPStatus.BAD_REQUEST, changes
        async with unaware.get("/api/orders/ord_does_not_exist") as unknown:
            assert unknown.status == HTTPStatus.NOT_FOUND


async def test_every_command_works_with_a_token_and_says_what_it_lacks_without_one(
    owned: Stack, http: aiohttp.ClientSession
) -> None:
    user = User(http, "terminal")

    async def said(*arguments: str, sent: str = user.token) -> Ended:
        return await invoke(*arguments, "--url", owned.base_url, ORDER_ENGINE_TOKEN=sent)

    placed = await said("order", "place", "--quiet")
    resting = await said("order", "place", "--quiet", "--no-wait", "--limit", "1000")
    assert (placed.status, resting.status) == (0, 0)
    order_id, rests = placed.out.strip(), resting.out.strip()
    of_a_user = [
        ("order", "get", order_id, "--verbose"),
        ("order", "watch", order_id),
        ("order", "list"),
        ("order", "amend", rests, "--limit", "900"),
        ("order", "cancel", rests),
        ("quote",),
    ]
    for command in (*of_a_user, ("tokens",), ("health",)):
        ended = await said(*command)
        assert ended.status == 0, (command, ended.err)
    for command in (*of_a_user, ("order", "place")):
        ended = await said(*command, sent="")
        assert ended.status == 6, command
        assert "token" in ended.sentence
    bench = await run("bench", "--orders", "3", "--url", owned.base_url, ORDER_ENGINE_TOKEN=user.token)
    assert bench.status == 0, bench.err
    status, page = await user.call("GET", "/api/orders")
    assert (status, len(page["orders"])) == (200, 5)


async def test_twenty_follow_an_order_and_the_next_is_refused(http: aiohttp.ClientSession) -> None:
    user = User(http, "crowd")
    # It rests until all are there.
    placed = await user.place(orderType="limit", limitPrice="1000")
    sockets = []
    try:

        async def follow() -> int:
            try:
                sockets.append(await http.ws_connect(placed["websocketUrl"]))
            except aiohttp.WSServerHandshakeError as error:
                return error.status
            return 101

        statuses = await asyncio.gather(*(follow() for _ in range(25)))
        assert (statuses.count(101), statuses.count(403)) == (20, 5)
        assert (await user.call("POST", f"/api/orders/{placed['orderId']}/cancel"))[0] == 200
        for frames in await asyncio.gather(*map(frames_until_over, sockets)):
            assert frames[-1]["status"] == "cancelled"
    finally:
        await asyncio.gather(*(socket.close() for socket in sockets))


def test_no_function_s_setting_holds_a_secret_that_is_not_its_own(owned: Stack) -> None:
    keys = owned.runtime.keys
    secrets = {keys.root, keys.door, keys.salt, b64(ED.private.private_bytes_raw())}
    signing = set()
    for name, function in owned.function_names.items():
        configuration = owned.clients.functions.get_function_configuration(FunctionName=function)
        values = json.dumps(configuration)
        assert not [secret for secret in secrets if secret in values], name
        if owned.runtime.parameters["CursorSecret"] in values:
            signing.add(name)
    assert signing <= {"Api", "WebsocketConnect", "WebsocketMessage"}


def files_of(folder: Path) -> str:
    """All that the stack's processes wrote."""
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


async def test_no_token_ticket_or_secret_stands_in_any_log(owned: Stack, http: aiohttp.ClientSession) -> None:
    """Last, of all that went before."""
    assert await status_of(http, "/api/orders", "eyJ.junk.token") == 401
    # The emulator keeps no log of what it calls for a WebSocket: called once more, as API Gateway does it.
    user = User(http, "logged")
    order_id, right = (await user.place())["orderId"], await user.ticket()
    USED.add(f"{right[:-8]}AAAAAAAA")
    for ticket in (right, f"{right[:-8]}AAAAAAAA"):
        message = json.dumps({"action": "subscribe", "orderId": order_id, "ticket": ticket})
        for name, event in (
            ("WebsocketConnect", websocket_event("$connect", query={"orderId": order_id, "ticket": ticket})),
            ("WebsocketMessage", websocket_event("$default", body=message)),
            ("WebsocketMessage", websocket_event("$default", body=ticket)),
        ):
            await asyncio.to_thread(
                owned.clients.functions.invoke,
                FunctionName=owned.function_names[name],
                Payload=json.dumps(event).encode(),
            )
    logged = files_of(owned.logs)
    for group in owned.clients.logs.describe_log_groups()["logGroups"]:
        pages = owned.clients.logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        logged += "".join(event["message"] for page in pages for event in page["events"])
    assert "handshake_refused" in logged
    keys = owned.runtime.keys
    own = {keys.root, keys.door, keys.salt, owned.runtime.parameters["CursorSecret"], "eyJ.junk.token"}
    assert len(USED) > 20
    assert {secret for secret in USED | own if secret in logged} == set()
