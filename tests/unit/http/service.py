"""The API function over ports in memory, called with the events that API Gateway makes.

Every answer is held against the specification: a test only says what is special about its own.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import app
from chalicelib.http.api import Api
from chalicelib.http.responses import SECURITY_HEADERS
from chalicelib.http.signing import SigningKeys
from chalicelib.ports.access import Allowances
from chalicelib.ports.market import Market
from chalicelib.ports.venues import Router
from chalicelib.services.anyone import AnyonesHistory, AnyonesOrders, NoLimits
from tests.fakes import (
    CrashAt,
    FakeClock,
    FakeRouter,
    MemoryHistory,
    MemoryOrders,
    MemoryQueue,
    MemoryStatusEvents,
    MemoryTicks,
)
from tests.fakes import RecordingTelemetry as Telemetry
from tests.fakes.market import ScriptedMarket
from tests.fakes.owned import MemoryOwnedHistory, MemoryOwnedOrders
from tests.unit.http.specification import check_answer

WEBSOCKET_URL = "ws://localhost:3000/api/orders/execute"
ORDER: Mapping[str, object] = {
    "userId": "user-1",
    "walletAddress": "wallet_12345",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": "1.5",
    "side": "sell",
}
SWAP = {name: value for name, value in ORDER.items() if name not in ("userId", "walletAddress")}


FILES = ("/", "/docs", "/openapi.json", "/asyncapi.json")


@dataclass(frozen=True)
class Got:
    """An answer of the API function."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> dict[str, Any]:
        """The answer's JSON object."""
        body: dict[str, Any] = json.loads(self.text)
        return body

    @property
    def fields(self) -> dict[str, str]:
        """Every invalid field and what is wrong with it."""
        return {error["field"]: error["message"] for error in self.body["errors"]}


@dataclass
class Service:
    """The API function's ports, and a way to call it."""

    clock: FakeClock = field(default_factory=FakeClock)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    events: MemoryStatusEvents = field(default_factory=MemoryStatusEvents)
    ticks: MemoryTicks = field(default_factory=MemoryTicks)
    telemetry: Telemetry = field(default_factory=Telemetry)
    websocket_url: str = WEBSOCKET_URL
    strict_wallets: bool = False
    signing_keys: SigningKeys = field(default_factory=lambda: SigningKeys("secret"))
    probes: dict[str, Callable[[], None]] = field(default_factory=dict)
    allowances: Allowances = field(default_factory=NoLimits)
    # Whether a test broke something behind the function: only then may it answer with a 5xx.
    has_trouble: bool = False
    # jwt mode: orders have owners.
    is_owned: bool = False

    def __post_init__(self) -> None:
        self.store = MemoryOrders(self.clock)
        self.router: Router = FakeRouter(self.clock)
        self.market: Market = ScriptedMarket()

    @property
    def api(self) -> Api:
        """The calls over these ports."""
        return Api(
            orders=MemoryOwnedOrders(self.store) if self.is_owned else AnyonesOrders(self.store),
            history=MemoryOwnedHistory(self.store) if self.is_owned else AnyonesHistory(MemoryHistory(self.store)),
            allowances=self.allowances,
            queue=self.queue,
            events=self.events,
            router=self.router,
            market=self.market,
            ticks=self.ticks,
            clock=self.clock,
            telemetry=self.telemetry,
            probes=self.probes or {"queue": self.queue.check},
            websocket_url=self.websocket_url,
            signing_keys=self.signing_keys,
            crash_point=CrashAt(),
            strict_wallets=self.strict_wallets,
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        raw: str | bytes | None = None,
        headers: Mapping[str, str | list[str]] | None = None,
        query: Mapping[str, str | list[str]] | None = None,
        stage: str = "/live",
    ) -> Got:
        """Sends a request as API Gateway does; `raw` is the body's own text instead of JSON."""
        content = raw if raw is not None else (json.dumps(body) if body is not None else None)
        sent = {"Content-Type": "application/json", **(headers or {})} if content is not None else dict(headers or {})
        return self.send(an_event(method, path, content, sent, query or {}, stage))

    def send(self, event: Mapping[str, Any]) -> Got:
        """Hands an event to the function."""
        answered = app.app(event, None)
        got = Got(answered["statusCode"], answered["headers"], answered["body"])
        assert got.headers["X-Request-Id"]
        is_file = event["resource"] in FILES and got.status in (200, 304)
        is_asset = event["resource"] == "/assets/{name}" and got.status in (200, 304)
        is_page = is_file and not event["resource"].endswith(".json")
        assert {name for name, value in SECURITY_HEADERS.items() if got.headers[name] != value} == (
            {"Content-Security-Policy"} if is_page else set()
        )
        assert "Set-Cookie" not in got.headers
        assert got.headers["Vary"] == ("Origin" if is_file or is_asset else "Authorization, Origin")
        kept = "public, max-age=31536000, immutable" if is_asset else "max-age=300" if is_file else "no-store"
        assert got.headers["Cache-Control"] == kept
        if got.status >= 500:
            assert self.has_trouble, got.text
        if got.status in (429, 503):
            assert int(got.headers["Retry-After"]) > 0
        media_type = got.headers["Content-Type"].partition(";")[0]
        body = got.body if media_type.endswith("json") and got.text else got.text
        check_answer(event["httpMethod"], event["resource"], got.status, media_type, body)
        return got

    def place(self, headers: Mapping[str, str | list[str]] | None = None, /, **changes: object) -> Got:
        """Places an order; a change to None leaves the field out."""
        body = {name: value for name, value in {**ORDER, **changes}.items() if value is not None}
        return self.call("POST", "/api/orders/execute", body=body, headers=headers)


def an_event(
    method: str,
    path: str,
    content: str | bytes | None,
    headers: Mapping[str, str | list[str]],
    query: Mapping[str, str | list[str]],
    stage: str,
) -> dict[str, Any]:
    """The event of API Gateway's proxy integration."""
    route, parameters = _match(path)
    several = {name: values if isinstance(values, list) else [values] for name, values in query.items()}
    return {
        "resource": route,
        "path": path,
        "httpMethod": method,
        "headers": {name: value if isinstance(value, str) else value[-1] for name, value in headers.items()},
        "multiValueHeaders": {name: [value] if isinstance(value, str) else value for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in several.items()} or None,
        "multiValueQueryStringParameters": several or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": route,
            "path": stage + path,
            "httpMethod": method,
            "requestId": "gateway-1",
            "identity": {"sourceIp": "127.0.0.1"},
        },
        "body": content,
        "isBase64Encoded": False,
    }


def _match(path: str) -> tuple[str, dict[str, str]]:
    """The resource of a path: literal segments first, as the gateway matches."""
    given = path.split("/")
    for pattern in sorted(app.app.routes, key=lambda route: "{" in route):
        parts = pattern.split("/")
        if len(parts) == len(given) and all(
            part == value or part.startswith("{") for part, value in zip(parts, given, strict=True)
        ):
            return pattern, {
                part[1:-1]: value for part, value in zip(parts, given, strict=True) if part.startswith("{")
            }
    raise AssertionError(f"no route has the path {path}")
