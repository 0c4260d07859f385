"""Calls every function in a process of its own, as Lambda starts it, with a stand-in for the AWS services."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.fakes.aws import SCHEDULED, sqs_event, sqs_record, websocket_event
from tests.fakes.http_server import answer, body_of, serving

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("first_call_script.py")
ORDER = {
    "userId": "ann",
    "walletAddress": "wallet_12345",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": "1.5",
    "side": "sell",
}


@dataclass
class Aws:
    """Takes every call of SQS, DynamoDB and the management API; keeps the bodies of messages by queue."""

    url: str = ""
    sent: dict[str, list[str]] = field(default_factory=dict)

    def answer(self, target: str, asked: Mapping[str, Any]) -> dict[str, object]:
        """What the service says, as far as functions read it."""
        if target.endswith("SendMessage"):
            self.sent.setdefault(asked["QueueUrl"].rpartition("/")[2], []).append(asked["MessageBody"])
            return {"MessageId": "1", "MD5OfMessageBody": ""}
        if target.endswith("GetQueueAttributes"):
            return {"Attributes": dict.fromkeys(asked["AttributeNames"], "0")}
        if target.endswith("UpdateItem"):
            return {"Attributes": {}}
        return {"Items": [], "Count": 0, "ScannedCount": 0} if target.endswith(("Query", "Scan")) else {}


@contextmanager
def aws() -> Iterator[Aws]:
    """The stand-in, on a port of its own."""
    state = Aws()

    def reply(request: BaseHTTPRequestHandler) -> None:
        asked = json.loads(body_of(request) or b"{}")
        said = json.dumps(state.answer(request.headers.get("X-Amz-Target", ""), asked)).encode()
        answer(request, said, Content_Type="application/x-amz-json-1.0")

    with serving(reply) as state.url:
        yield state


@dataclass(frozen=True)
class FirstCall:
    """What a handler answered, which modules its call imported, and the processor seconds of start and call."""

    answer: Any
    late: list[str]
    import_seconds: float
    call_seconds: float


@dataclass
class Functions:
    """`prepared` says whether Lambda names the handler while the process starts."""

    environment: dict[str, str]
    prepared: bool = True
    calls: dict[str, FirstCall] = field(default_factory=dict)

    def call(self, handler: str, event: Mapping[str, object]) -> Any:
        """The answer; the rest is kept in `calls`."""
        name = "_HANDLER" if self.prepared else "MEASURED_HANDLER"
        done = subprocess.run(
            [sys.executable, str(SCRIPT)],
            input=json.dumps(event),
            cwd=ROOT / "functions",
            env={**self.environment, name: f"app.{handler}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        self.calls[handler] = FirstCall(**json.loads(done.stdout.splitlines()[-1]))
        return self.calls[handler].answer

    def follow_an_order(self, services: Aws) -> None:
        """The first call of every function: an order from its placing to its end, and what else there is to call."""
        services.sent.clear()
        accepted = self.call("app", post("/api/orders/execute", ORDER))
        order_id = json.loads(accepted["body"])["orderId"]
        self.call("websocket_connect", websocket_event("$connect", query={"orderId": order_id}))
        (message,) = services.sent["orders"]
        self.call("execute_orders", sqs_event([sqs_record(message)]))
        self.call("push_status", sqs_event([sqs_record(body, group=order_id) for body in services.sent["events.fifo"]]))
        subscribe = json.dumps({"action": "subscribe", "orderId": order_id})
        self.call("websocket_message", websocket_event("$default", body=subscribe))
        self.call("websocket_disconnect", websocket_event("$disconnect"))
        self.call("dead_letter", sqs_event([sqs_record(message)]))
        self.call("reconcile", SCHEDULED)
        self.call("heartbeat", sqs_event([sqs_record(json.dumps({"beat": 1}))]))
        self.call("watch", sqs_event([sqs_record(json.dumps({"tick": "beat"}))]))
        self.call("fetch_keys", SCHEDULED)
        keys = {"issuer": "https://issuer.example", "document": "{}", "fetchedAt": "2026-11-26T12:00:00Z"}
        self.call("store_keys", sqs_event([sqs_record(json.dumps(keys))]))


def environment(services: Aws, database_url: str) -> dict[str, str]:
    """What the template gives to the functions, all in one."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(ROOT / "functions"),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": services.url,
        "DATABASE_URL": database_url,
        "ORDERS_QUEUE_URL": f"{services.url}/0/orders",
        "ORDERS_DEAD_LETTER_QUEUE_URL": f"{services.url}/0/dead",
        "STATUS_EVENTS_QUEUE_URL": f"{services.url}/0/events.fifo",
        "HEARTBEATS_QUEUE_URL": f"{services.url}/0/heartbeats",
        "TICKS_QUEUE_URL": f"{services.url}/0/ticks",
        "CONNECTIONS_TABLE": "connections",
        "WEBSOCKET_MANAGEMENT_URL": services.url,
        "PUBLIC_WEBSOCKET_URL": "ws://localhost:3000/api/orders/execute",
        "CURSOR_SECRET": "secret",
        "AUTH_MODE": "open",
        "AUTH_ISSUER": "https://issuer.example",
        "AUTH_JWKS_URL": f"{services.url}/keys",
        "AUTH_JWKS_OVER_HTTP": "true",
        "ISSUER_KEYS_QUEUE_URL": f"{services.url}/0/keys",
        "SIMULATED_DELAY_SCALE": "0",
        "POWERTOOLS_SERVICE_NAME": "order-engine",
        "POWERTOOLS_METRICS_NAMESPACE": "OrderEngine",
    }


def post(path: str, body: object) -> dict[str, object]:
    """A POST as API Gateway hands it over."""
    return request("POST", path, json.dumps(body))


def request(method: str, path: str, body: str | None = None) -> dict[str, object]:
    """A request as API Gateway hands it over."""
    headers = {"Content-Type": "application/json", "Host": "localhost"}
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": body,
        "isBase64Encoded": False,
        "requestContext": {"httpMethod": method, "resourcePath": path, "path": path, "requestId": "a-request"},
    }
