"""Posting to connections, against a management endpoint that answers what it is told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import get_session

from chalicelib.adapters.aws.clients import websocket_calls
from chalicelib.adapters.notifier import ApiGatewayNotifier
from chalicelib.ports.followers import Delivery
from tests.fakes.http_server import answer, body_of, serving
from tests.fakes.telemetry import RecordingTelemetry


@dataclass
class Gateway:
    """What the endpoint answers, and what it was sent."""

    url: str = ""
    status: int = 200
    answer: bytes = b""
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    state = Gateway()

    def reply(request: BaseHTTPRequestHandler) -> None:
        state.requests.append((request.command, request.path, body_of(request)))
        answer(request, state.answer, state.status)

    with serving(reply) as address:
        state.url = f"{address}/live"
        yield state


def a_notifier(endpoint: str, telemetry: RecordingTelemetry | None = None) -> ApiGatewayNotifier:
    return ApiGatewayNotifier(websocket_calls(), endpoint, telemetry or RecordingTelemetry())


def test_a_frame_goes_to_the_connection_behind_the_stage(gateway: Gateway) -> None:
    notifier = a_notifier(gateway.url)
    assert notifier.post("abc=", '{"text":"ü"}') is Delivery.DELIVERED
    assert gateway.requests == [("POST", "/live/@connections/abc%3D", '{"text":"ü"}'.encode())]


def test_what_is_signed_is_what_botocore_would_sign(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    signed: list[list[str]] = []
    real = SigV4Auth.canonical_request

    def noted(signer: Any, request: AWSRequest) -> str:
        text = real(signer, request)
        method, path, query, *_, body_hash = text.splitlines()
        signed.append([method, path, query, body_hash, signer._service_name])
        return text

    monkeypatch.setattr(SigV4Auth, "canonical_request", noted)
    theirs: Any = get_session().create_client("apigatewaymanagementapi", endpoint_url=gateway.url)
    theirs.post_to_connection(ConnectionId="a/b+c=", Data=b"{}")
    assert a_notifier(gateway.url).post("a/b+c=", "{}") is Delivery.DELIVERED
    assert gateway.requests[0] == gateway.requests[1]
    assert signed[0] == signed[1]


@pytest.mark.parametrize(
    ("status", "delivery"),
    [(410, Delivery.GONE), (429, Delivery.BUSY), (500, Delivery.BUSY), (503, Delivery.BUSY), (403, Delivery.BUSY)],
)
def test_what_a_refusal_means(gateway: Gateway, status: int, delivery: Delivery) -> None:
    gateway.status, telemetry = status, RecordingTelemetry()
    assert a_notifier(gateway.url, telemetry).post("abc", "{}") is delivery
    assert len(gateway.requests) == 1, "trying again is the pusher's business"
    # One that is gone is no reason to warn.
    assert len(telemetry.warnings) == (delivery is Delivery.BUSY)


def test_a_gateway_that_cannot_be_reached_is_busy() -> None:
    notifier = a_notifier("http://127.0.0.1:1/live")
    assert notifier.post("abc", "{}") is Delivery.BUSY
    assert notifier.close("abc") is False


@pytest.mark.parametrize(("status", "closed"), [(204, True), (410, False), (500, False)])
def test_closing(gateway: Gateway, status: int, closed: bool) -> None:
    gateway.status = status
    assert a_notifier(gateway.url).close("abc") is closed
    assert gateway.requests[0][:2] == ("DELETE", "/live/@connections/abc")


def test_a_refusal_is_logged_with_its_reason(gateway: Gateway) -> None:
    telemetry = RecordingTelemetry()
    notifier = a_notifier(gateway.url, telemetry)
    gateway.status, gateway.answer = 403, b'{"message": "not authorized"}'
    notifier.post("abc", "{}")
    notifier.close("abc")
    assert [(line.event, line.fields["connection_id"]) for line in telemetry.warnings] == [
        ("post_refused", "abc"),
        ("close_refused", "abc"),
    ]
    assert {line.fields["reason"] for line in telemetry.warnings} == {'403 {"message": "not authorized"}'}
