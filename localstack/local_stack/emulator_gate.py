"""The gate before the emulator: who may ask it for anything.

MiniStack takes whoever names the key `test`, or twelve digits, for its root, answers a browser's requests with a
wildcard origin, and resets itself for anybody: two plain POSTs of a web page that is open in a developer's browser run
code as the developer. So nothing reaches it but what names a key that only this run knows. Standard library only:
ministack_process.py loads it by its path into the emulator's process.
"""

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
# MiniStack's own reading of the access key, from headers (lower case) and query: what it does not see, nobody can use.
ReadAccessKey: TypeAlias = Callable[[dict[str, str], dict[str, list[str]]], str]

DOOR_HEADER = "x-order-engine-door"
# What MiniStack reads an access key from, in lower case: with one it would look into that key's account.
KEY_PARAMETERS = frozenset({"x-amz-credential", "awsaccesskeyid"})
_DOOR = DOOR_HEADER.encode()
_APIS = "/_aws/execute-api/"
_HEALTH = "/_ministack/health"
_CFN_RESPONSE = re.compile(r"/_ministack/cfn-response/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Where MiniStack checks no signature. The APIs' functions are called without one as well, with IAM's leave.
_UNSIGNED = ("/_ministack/", "/_localstack/", "/_aws/", "/health")
_SEPARATORS = re.compile(r"[/\\]")
_REFUSAL = (
    'This emulator takes only the key of the ./dev up that runs it: eval "$(./dev env)" puts it into your shell\'s '
    "environment."
)


@dataclass(frozen=True)
class Keys:
    """What only one run knows: the emulator's root key, what the front door shows, and what functions' keys are of."""

    root: str
    door: str
    salt: str


def credentials_of(salt: str, function_arn: str, role_arn: str) -> dict[str, str]:
    """A function's credentials: the same for each of its processes, and not to be computed from its names alone."""

    def derived(what: str) -> str:
        return hmac.new(salt.encode(), f"{what}\n{function_arn}\n{role_arn}".encode(), sha256).hexdigest()

    return {
        "AWS_ACCESS_KEY_ID": f"ASIA{derived('key')[:32].upper()}",
        "AWS_SECRET_ACCESS_KEY": derived("secret"),
        "AWS_SESSION_TOKEN": derived("token"),
    }


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """As MiniStack reads them: one that comes twice is joined."""
    found: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def has_dot_segments(path: str) -> bool:
    """Whether a path, or what it is decoded once more, names another one than it seems to."""
    return any({".", ".."} & set(_SEPARATORS.split(each)) for each in (path, unquote(path)))


class Gate:
    """An ASGI application that passes on what may pass, and answers everything else itself.

    `sessions` holds the keys of live sessions, functions' above all.
    """

    def __init__(
        self, app: App, keys: Keys, port: int, read_access_key: ReadAccessKey, sessions: Mapping[str, object]
    ) -> None:
        self._app = app
        self._root = keys.root.encode()
        self._door = keys.door.encode()
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        self._read_access_key = read_access_key
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        raw: list[tuple[bytes, bytes]] = [(name.lower(), value) for name, value in scope.get("headers", ())]
        if self._lets_in(scope, raw):
            kept = [(name, value) for name, value in raw if name != _DOOR]
            await self._app({**scope, "headers": kept}, receive, send)
        elif scope["type"] == "http":
            await _refuse(raw, send)
        else:
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": 1008})

    def _lets_in(self, scope: Scope, raw: Sequence[tuple[bytes, bytes]]) -> bool:
        names = [name for name, _ in raw]
        headers = _headers(raw)
        # One name for one address: a page whose own name leads here is another origin's.
        if names.count(b"host") != 1 or headers["host"].lower() not in self._hosts:
            return False
        path = scope["path"]
        query = parse_qs(scope.get("query_string", b"").decode("utf-8", "replace"), keep_blank_values=True)
        key = self._read_access_key(headers, query)
        if _DOOR in names:
            return self._is_the_doors(raw) and _is_for_an_api(path) and not _names_a_key(headers, query)
        if scope.get("method") == "OPTIONS" or any(
            name in (b"origin", b"referer") or name.startswith(b"sec-fetch-") for name in names
        ):
            return False
        if path == _HEALTH or (scope.get("method") == "PUT" and _CFN_RESPONSE.fullmatch(path)):
            return True
        # In two places it could be one key for the gate and another for what is behind it.
        if names.count(b"authorization") > 1 or not key:
            return False
        if hmac.compare_digest(key.encode(), self._root):
            return True
        return key in self._sessions and (path.startswith(_APIS) or not path.startswith(_UNSIGNED))

    def _is_the_doors(self, raw: Sequence[tuple[bytes, bytes]]) -> bool:
        shown = [value for name, value in raw if name == _DOOR]
        return len(shown) == 1 and hmac.compare_digest(shown[0], self._door)


def _is_for_an_api(path: str) -> bool:
    """Whether the path calls an API, and not what posts to its connections."""
    return path.startswith(_APIS) and not has_dot_segments(path) and "/@connections" not in unquote(path)


def _names_a_key(headers: Mapping[str, str], query: Mapping[str, object]) -> bool:
    """Whether there are AWS credentials in any form: with them MiniStack looks into their account."""
    return headers.get("authorization", "").lstrip().upper().startswith("AWS") or any(
        name.lower() in KEY_PARAMETERS for name in query
    )


async def _refuse(raw: Sequence[tuple[bytes, bytes]], send: Send) -> None:
    """403 in the form that the AWS client which asked reads."""
    headers = _headers(raw)
    is_query = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if is_query or "/s3/" in headers.get("authorization", ""):
        error = f"<Error><Code>AccessDenied</Code><Message>{_REFUSAL}</Message></Error>"
        body = f"<ErrorResponse>{error}</ErrorResponse>" if is_query else error
        kind = "text/xml"
    else:
        body = json.dumps({"__type": "AccessDeniedException", "message": _REFUSAL})
        kind = "application/json"
    content = body.encode()
    await send(
        {
            "type": "http.response.start",
            "status": 403,
            "headers": [
                (b"content-type", kind.encode()),
                (b"content-length", str(len(content)).encode()),
                (b"x-content-type-options", b"nosniff"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": content})
