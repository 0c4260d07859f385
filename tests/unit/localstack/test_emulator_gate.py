"""Who is let in to the emulator: every scope that may come, against an application that only notes what it sees."""

import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from ministack.core.router import extract_access_key_id

from localstack.local_stack.emulator_gate import DOOR_HEADER, Gate, Keys, credentials_of

KEYS = Keys(root="OEKroot", door="the door's secret", salt="salt")
SESSION = "ASIASESSION"
HOST = ("host", "127.0.0.1:4566")
DOOR = (DOOR_HEADER, KEYS.door)
API = "/_aws/execute-api/abc/live/api/orders"
Pair = tuple[str, str]


def signed(key: str) -> Pair:
    return ("authorization", f"AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sqs/aws4_request, Signature=0")


async def reaches(*headers: Pair, path: str = "/", query: str = "", method: str = "POST", kind: str = "http") -> bool:
    """Whether the application behind the gate hears of it, without what opened the gate; else whether it is refused."""
    seen: list[MutableMapping[str, Any]] = []
    sent: list[MutableMapping[str, Any]] = []

    async def app(scope: MutableMapping[str, Any], _receive: object, _send: object) -> None:
        seen.append(scope)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        **({"method": method} if kind == "http" else {}),
    }
    await Gate(app, KEYS, 4566, extract_access_key_id, {SESSION: {}})(scope, receive, send)
    if seen:
        assert not sent
        assert DOOR_HEADER.encode() not in dict(seen[0]["headers"])
        return True
    assert sent[0] == {"type": "websocket.close", "code": 1008} if kind == "websocket" else sent[0]["status"] == 403
    return False


PASSES: list[tuple[tuple[Pair, ...], dict[str, str]]] = [
    ((HOST, signed(KEYS.root)), {}),
    ((("host", "localhost:4566"), signed(KEYS.root)), {}),
    ((("host", "LOCALHOST:4566"), signed(KEYS.root)), {}),
    ((HOST,), {"query": f"X-Amz-Credential={KEYS.root}%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"}),
    ((HOST,), {"query": f"AWSAccessKeyId={KEYS.root}"}),
    # The key that MiniStack would use counts.
    ((HOST, signed(KEYS.root)), {"query": "X-Amz-Credential=test/x"}),
    ((HOST, signed(KEYS.root)), {"path": "/_ministack/reset"}),
    ((HOST, signed(SESSION)), {}),
    ((HOST, signed(SESSION)), {"path": "/_aws/execute-api/abc/live/@connections/x"}),
    ((HOST,), {"path": "/_ministack/health", "method": "GET"}),
    ((HOST,), {"path": "/_ministack/cfn-response/0b2cd7a6-7c3c-4b57-a4b4-1d3b6a2f5c11", "method": "PUT"}),
    ((HOST, DOOR), {"path": API}),
    ((HOST, DOOR), {"path": API, "method": "OPTIONS"}),
    ((HOST, DOOR, ("origin", "https://app.example"), ("sec-fetch-site", "cross-site")), {"path": API}),
    ((HOST, DOOR, ("authorization", "Bearer x.y.z")), {"path": API}),
    ((HOST, DOOR), {"path": API, "kind": "websocket"}),
]
REFUSED: list[tuple[tuple[Pair, ...], dict[str, str]]] = [
    # Keys that MiniStack takes for its root's, and others
    *(((HOST, signed(key)), {}) for key in ("test", "000000000000", "111122223333", "OEKroo")),
    ((HOST, signed("AKIASTRANGER00000000")), {}),  # pragma: allowlist secret
    ((HOST,), {}),
    ((HOST, ("authorization", "AWS test:x")), {}),
    ((HOST, ("authorization", "Bearer OEKroot")), {}),
    ((HOST,), {"query": "X-Amz-Credential=test/x"}),
    ((HOST,), {"query": "AWSAccessKeyId=test"}),
    ((HOST, signed("test")), {"query": f"X-Amz-Credential={KEYS.root}/x"}),
    ((HOST, signed("test"), signed(KEYS.root)), {}),
    ((HOST, signed(KEYS.root), signed("test")), {}),
    # What needs no key in MiniStack
    *(
        ((HOST,), {"path": path, "method": method})
        for method, path in (
            ("POST", "/_ministack/reset"),
            ("POST", "/_ministack/config"),
            ("GET", "/_ministack/lambda-code/x"),
            ("GET", "/_aws/sqs/messages"),
            ("GET", "/_localstack/health"),
            ("GET", "/health"),
            ("GET", "/_ministack/ready"),
            ("POST", "/_ministack/health/../reset"),
            ("POST", "/_ministack/cfn-response/0b2cd7a6-7c3c-4b57-a4b4-1d3b6a2f5c11"),
            ("PUT", "/_ministack/cfn-response/0b2cd7a6-7c3c-4b57-a4b4-1d3b6a2f5c11/.."),
            ("PUT", "/_ministack/cfn-response/"),
            ("PUT", "/deployment/code.zip"),
            ("GET", API),
        )
    ),
    ((HOST,), {"path": API, "kind": "websocket"}),
    # A function's session, where no signature is checked
    *(((HOST, signed(SESSION)), {"path": path}) for path in ("/_ministack/reset", "/_aws/sqs/messages")),
    # Another name for this address, or none, or two
    *(
        ((("host", host), signed(KEYS.root)), {})
        for host in ("rebind.example:4566", "127.0.0.1:1", "127.0.0.1", "127.0.0.1:4566.x", "bucket.localhost:4566", "")
    ),
    ((signed(KEYS.root),), {}),
    ((HOST, HOST, signed(KEYS.root)), {}),
    ((("host", "rebind.example:4566"), DOOR), {"path": API}),
    ((("host", "rebind.example:4566"),), {"path": "/_ministack/health", "method": "GET"}),
    # A browser, whatever key it was told
    *(
        ((HOST, signed(KEYS.root), header), {})
        for header in (
            ("origin", "http://127.0.0.1:4566"),
            ("origin", "null"),
            ("referer", "https://evil.example/"),
            ("sec-fetch-site", "none"),
            ("Sec-Fetch-Mode", "no-cors"),
        )
    ),
    ((HOST, signed(KEYS.root)), {"method": "OPTIONS"}),
    ((HOST, ("origin", "https://evil.example")), {"path": "/_ministack/health", "method": "GET"}),
    # The door's secret opens the APIs and nothing else
    *(
        ((HOST, DOOR), {"path": path})
        for path in (
            "/",
            "/_ministack/reset",
            "/_aws/sqs/messages",
            "/_aws/execute-api",
            "/_aws/execute-api/../../_ministack/reset",
            "/_aws/execute-api/abc/live/..\\x",
            "/_aws/execute-api/abc/live/%2e%2e/x",
            "/_aws/execute-api/abc/live/@connections/x",
            "/_aws/execute-api/abc/live/%40connections/x",
        )
    ),
    ((HOST, DOOR, signed("test")), {"path": API}),
    ((HOST, DOOR, signed(KEYS.root)), {"path": API}),
    ((HOST, DOOR, ("authorization", "aws x:y")), {"path": API}),
    ((HOST, DOOR), {"path": API, "query": "X-Amz-Credential=111122223333/x"}),
    ((HOST, DOOR), {"path": API, "query": "x-amz-credential=111122223333/x"}),
    ((HOST, DOOR), {"path": API, "query": "AWSAccessKeyId=x"}),
    ((HOST, (DOOR_HEADER, "a guess"), signed(KEYS.root)), {"path": API}),
    ((HOST, (DOOR_HEADER, "")), {"path": API}),
    ((HOST, DOOR, DOOR), {"path": API}),
]


@pytest.mark.parametrize(("headers", "rest"), PASSES)
async def test_what_may_pass_passes(headers: tuple[Pair, ...], rest: dict[str, str]) -> None:
    assert await reaches(*headers, **rest)


@pytest.mark.parametrize(("headers", "rest"), REFUSED)
async def test_everything_else_is_refused(headers: tuple[Pair, ...], rest: dict[str, str]) -> None:
    assert not await reaches(*headers, **rest)


@pytest.mark.parametrize(
    ("headers", "begins"),
    [
        ((("content-type", "application/x-amz-json-1.0"),), '{"__type"'),
        ((("content-type", "application/x-www-form-urlencoded; charset=utf-8"),), "<ErrorResponse><Error><Code>Acc"),
        ((("authorization", signed("test")[1].replace("/sqs/", "/s3/")),), "<Error><Code>AccessDenied</Code>"),
    ],
)
async def test_a_refusal_says_how_to_get_in_in_the_clients_own_form(headers: tuple[Pair, ...], begins: str) -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def nothing(*_: object) -> MutableMapping[str, Any]:
        raise AssertionError

    scope = {"type": "http", "path": "/", "method": "POST", "headers": [(n.encode(), v.encode()) for n, v in headers]}
    await Gate(nothing, KEYS, 4566, extract_access_key_id, {})(scope, nothing, send)  # type: ignore[arg-type]
    text = sent[1]["body"].decode()
    assert text.startswith(begins)
    assert "./dev env" in (json.loads(text)["message"] if text.startswith("{") else text)


def test_a_functions_credentials_are_its_own_and_need_the_salt() -> None:
    known = credentials_of("salt", "arn:aws:lambda:us-east-1:000000000000:function:f", "arn:aws:iam::0:role/r")
    assert known == credentials_of("salt", "arn:aws:lambda:us-east-1:000000000000:function:f", "arn:aws:iam::0:role/r")
    others = [
        credentials_of("other", "arn:aws:lambda:us-east-1:000000000000:function:f", "arn:aws:iam::0:role/r"),
        credentials_of("salt", "arn:aws:lambda:us-east-1:000000000000:function:g", "arn:aws:iam::0:role/r"),
        credentials_of("salt", "arn:aws:lambda:us-east-1:000000000000:function:f", "arn:aws:iam::0:role/s"),
    ]
    for name, value in known.items():
        assert value not in [other[name] for other in others]
