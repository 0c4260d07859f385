"""Who may ask the front door, with the service behind it that must not hear of the others."""

import json
import sys

import pytest
from yarl import URL

from localstack.errors import UserError
from localstack.gateway.callers import Callers
from localstack.gateway.front_door import FrontDoor
from localstack.local_stack.exposure import CONSENT, refuse_open_to_network
from tests.unit.localstack.conftest import HANDSHAKE, Door
from tests.unit.localstack.test_front_door_requests import code

REFUSED_ORIGINS = [
    "https://evil.example", "null", "http://localhost:1", "http://localhost", "http://a@localhost:{port}", "", "x",
]  # fmt: skip
OWN_ORIGINS = ["http://localhost:{port}", "http://127.0.0.1:{port}", "http://[::1]:{port}", "https://localhost:{port}"]


def port_of(door: Door) -> int:
    port = URL(door.url).port
    assert port is not None
    return port


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:80", "LocalHost:3000", "127.0.0.1:3000", "[::1]:3000", "shop.example", "told.example:1"],
)
async def test_it_answers_by_its_names(door: Door, host: str) -> None:
    names = Callers(names=("shop.example", ""), public_url="https://told.example/x")
    async with FrontDoor(door.front_door.upstream, names) as second:
        url = f"http://127.0.0.1:{await second.start(('127.0.0.1',), 0)}/api/orders"
        async with door.http.get(url, headers={"Host": host}) as response:
            assert response.status == 200


@pytest.mark.parametrize("host", [
    "rebind.example", "rebind.example:{port}", "localhost.rebind.example", "xlocalhost", "127.0.0.1.nip.io",
    "192.0.2.1", "0.0.0.0:{port}", "[::2]",
])  # fmt: skip
@pytest.mark.parametrize("line", ["GET /api/orders", "POST /api/orders/execute", "OPTIONS /api/orders"])
async def test_a_name_that_was_made_to_lead_here_is_misdirected(door: Door, host: str, line: str) -> None:
    head = f"{line} HTTP/1.1\r\nHost: {host.format(port=port_of(door))}\r\nContent-Length: 0\r\n\r\n"
    assert await code(door, head.encode()) == (421, "misdirected_request")
    assert not door.service.requests


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", (400, "malformed_request")),
        (b"GET http://rebind.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", (421, "misdirected_request")),
        (b"GET / HTTP/1.1\r\nHost: \r\n\r\n", (421, "misdirected_request")),
        (b"GET / HTTP/1.1\r\nHost: localhost, rebind.example\r\n\r\n", (421, "misdirected_request")),
        (b"GET / HTTP/1.1\r\nHost: localhost@rebind.example\r\n\r\n", (421, "misdirected_request")),
    ],
)
async def test_there_is_one_name_and_it_is_ours(door: Door, head: bytes, problem: tuple[int, str]) -> None:
    assert await code(door, head) == problem
    assert not door.service.requests


@pytest.mark.parametrize("origin", REFUSED_ORIGINS)
@pytest.mark.parametrize("kind", ["GET", "POST", "DELETE", "handshake"])
async def test_a_page_of_another_origin_does_nothing(door: Door, origin: str, kind: str) -> None:
    headers = {"Origin": origin.format(port=port_of(door)), **(HANDSHAKE if kind == "handshake" else {})}
    method = "GET" if kind == "handshake" else kind
    async with door.http.request(method, f"{door.url}/api/orders/execute?orderId=1", headers=headers) as response:
        assert (response.status, json.loads(await response.read())["code"]) == (403, "origin_not_allowed")
        assert "Access-Control-Allow-Origin" not in response.headers
    assert not door.service.requests


@pytest.mark.parametrize("origin", OWN_ORIGINS)
async def test_our_own_pages_may_ask_by_whichever_name_they_were_opened(door: Door, origin: str) -> None:
    headers = {"Origin": origin.format(port=port_of(door))}
    async with door.http.post(f"{door.url}/api/orders", headers=headers) as response:
        assert response.status == 200
    async with door.http.ws_connect(f"{door.url}/api/orders/execute?orderId=1", headers=headers) as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "hello"


@pytest.mark.parametrize("origin", ["https://told.example", "https://app.example"])
async def test_the_pages_of_the_public_address_and_of_the_list_may_ask(door: Door, origin: str) -> None:
    callers = Callers(public_url="https://told.example", allowed_origins="https://app.example")
    async with FrontDoor(door.front_door.upstream, callers) as second:
        url = f"http://127.0.0.1:{await second.start(('127.0.0.1',), 0)}/"
        async with door.http.post(url, headers={"Origin": origin}) as response:
            assert response.status == 200


async def test_a_preflight_is_the_services_to_answer(door: Door) -> None:
    async with door.http.options(f"{door.url}/api/orders", headers={"Origin": "https://evil.example"}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (
            "/",
            {"Authorization": "AWS4-HMAC-SHA256 Credential=111122223333/20260101/us-east-1/execute-api/aws4_request"},
        ),
        ("/", {"Authorization": "AWS4-ECDSA-P256-SHA256 Credential=x/y"}),
        ("/", {"Authorization": "aws test:signature"}),
        ("/?X-Amz-Credential=111122223333/x", {}),
        ("/?x=1&x-amz-credential=", {}),
        ("/?X%2DAmz%2DCredential=1", {}),
        ("/?AWSAccessKeyId=test", {}),
    ],
)
async def test_aws_credentials_are_refused_in_our_words(door: Door, target: str, headers: dict[str, str]) -> None:
    async with door.http.get(URL(f"{door.url}{target}", encoded=True), headers=headers) as response:
        assert (response.status, json.loads(await response.read())["code"]) == (400, "aws_credentials")
    assert not door.service.requests


@pytest.mark.parametrize(
    "path", ["/@connections/abc", "/%40connections/abc", "/%2540connections/abc", "/api/@connections/x"]
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_nobody_posts_to_a_connection(door: Door, method: str, path: str) -> None:
    async with door.http.request(method, URL(f"{door.url}{path}", encoded=True)) as response:
        assert (response.status, json.loads(await response.read())["code"]) == (404, "not_found")
    assert not door.service.requests


async def test_what_a_client_says_of_itself_is_dropped_and_the_gate_is_shown_ours(door: Door) -> None:
    said = {
        "X-Forwarded-For": "6.6.6.6",
        "x-forwarded-host": "evil.example",
        "X-Forwarded-Server": "evil",
        "Forwarded": "for=6.6.6.6",
        "X-Order-Engine-Door": "a guess",
    }
    upstream = door.front_door.upstream
    assert upstream is not None
    door.front_door.upstream = type(upstream)(upstream.rest_url, upstream.websocket_url, "the secret")
    async with door.http.get(f"{door.url}/", headers=said):
        pass
    async with door.http.ws_connect(f"{door.url}/api/orders/execute?orderId=1", headers=said):
        pass
    for request in door.service.requests:
        seen = request.headers
        assert seen.getall("X-Forwarded-For") == ["127.0.0.1"]
        assert seen.getall("X-Order-Engine-Door") == ["the secret"]
        assert seen["X-Forwarded-Host"] == f"127.0.0.1:{port_of(door)}"
        assert not {"Forwarded", "X-Forwarded-Server"} & set(seen)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "no-such-name.invalid"])
def test_loopback_needs_no_authentication(host: str) -> None:
    refuse_open_to_network((host,), "open")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "fe80::1"])
def test_the_network_needs_authentication_or_a_word(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=rf"ORDER_ENGINE_HOST={host} .* --auth jwt, or say {CONSENT}=yes"):
        refuse_open_to_network(("127.0.0.1", host), "open")
    refuse_open_to_network((host,), "jwt")
    monkeypatch.setenv(CONSENT, "no")
    with pytest.raises(UserError):
        refuse_open_to_network((host,), "open")
    monkeypatch.setenv(CONSENT, "yes")
    refuse_open_to_network((host,), "open")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have 127.0.0.1 only")
async def test_the_address_that_a_client_came_to_is_a_name(door: Door) -> None:
    async with FrontDoor(door.front_door.upstream) as second:
        port = await second.start(("127.0.0.2",), 0)
        async with door.http.get(f"http://127.0.0.2:{port}/") as response:
            assert response.status == 200
