"""What the tests of the template ask it and the app."""

import json
import os
import re
import sys
from functools import cache
from typing import Any

from tests.fakes.programs import ended
from tests.unit.infra.sam import ROOT, Stack

# Of an external issuer's tokens, so that every function exists.
AWS = {
    "AuthMode": "jwt",
    "AuthIssuer": "https://login.example.com/",
    "AuthJwksUrl": "https://login.example.com/jwks.json",
}
EMBEDDED = {
    "DatabaseUrl": "postgresql://someone@127.0.0.1:5432/orders",
    "GatewayBaseUrl": "http://127.0.0.1:4566/_aws/execute-api",
    "PublicUrl": "http://localhost:3000",
    "CursorSecret": "secret",
    **AWS,
}
# The queue names in the decorators, and what they are in the template.
QUEUES = {
    "orders": "OrdersQueue",
    "heartbeats": "HeartbeatsQueue",
    "ticks": "TicksQueue",
    "orders-dlq": "OrdersDeadLetterQueue",
    "status-events.fifo": "StatusEventsQueue",
    "issuer-keys": "IssuerKeysQueue",
}
# What each function knows beside the settings that all share.
DATABASE = {"DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "PGSSLMODE", "PGSSLROOTCERT"}
LOGIN = DATABASE | {"DATABASE_USER"}
# Whose connections to Postgres are the API's budget; the others' are the workers'.
ANSWER_CLIENTS = {"Api", "WebsocketConnect", "WebsocketMessage"}
SIMULATION = {
    "SIMULATED_DELAY_SCALE",
    "SIMULATED_FAULTS",
    "SIMULATED_MARKET_SEED",
    "SIMULATED_VOLATILITY",
    "SIMULATED_LAUNCH_SECONDS",
}
# What stream tickets are checked with.
TICKETS = {"AUTH_MODE", "CURSOR_SECRET", "SIGNING_GENERATION"}
SHARED = {"LOG_LEVEL", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"}
SETTINGS = {
    "Api": LOGIN
    | SIMULATION
    | TICKETS
    | {"ORDERS_QUEUE_URL", "STATUS_EVENTS_QUEUE_URL", "TICKS_QUEUE_URL", "PUBLIC_WEBSOCKET_URL", "STRICT_WALLETS"}
    | {"ALLOWED_ORIGINS", "AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_KEYS", "AUTH_KEYS_ISSUER", "AUTH_JWKS_URL"}
    | {"AUTH_REVOKED", "ORDERS_PER_MINUTE", "MAX_OPEN_ORDERS"},
    "ExecuteOrders": LOGIN
    | SIMULATION
    | {"DATABASE_CONNECTIONS", "ORDERS_QUEUE_URL", "STATUS_EVENTS_QUEUE_URL"}
    | {"TICKS_QUEUE_URL"},
    "PushStatus": {"STATUS_EVENTS_QUEUE_URL", "CONNECTIONS_TABLE", "WEBSOCKET_MANAGEMENT_URL"},
    "Heartbeat": {"HEARTBEATS_QUEUE_URL", "CONNECTIONS_TABLE", "WEBSOCKET_MANAGEMENT_URL"},
    "WebsocketConnect": LOGIN | TICKETS | {"ALLOWED_ORIGINS", "STATUS_EVENTS_QUEUE_URL", "CONNECTIONS_TABLE"},
    "WebsocketMessage": LOGIN | TICKETS | {"STATUS_EVENTS_QUEUE_URL", "CONNECTIONS_TABLE"},
    "WebsocketDisconnect": {"CONNECTIONS_TABLE"},
    "Watch": LOGIN
    | SIMULATION
    | {"ORDERS_QUEUE_URL", "STATUS_EVENTS_QUEUE_URL", "TICKS_QUEUE_URL", "WATCH_INTERVAL_SECONDS"},
    "Reconcile": LOGIN | {"ORDERS_QUEUE_URL", "STATUS_EVENTS_QUEUE_URL"},
    "DeadLetter": LOGIN | SIMULATION | {"STATUS_EVENTS_QUEUE_URL", "ORDERS_DEAD_LETTER_QUEUE_URL", "TICKS_QUEUE_URL"},
    "FetchKeys": {"AUTH_ISSUER", "AUTH_JWKS_URL", "AUTH_JWKS_OVER_HTTP", "ISSUER_KEYS_QUEUE_URL"},
    "StoreKeys": LOGIN,
    "Migrate": DATABASE | {"DATABASE_ROLES", "DATABASE_OWNER", "DATABASE_OWNER_PASSWORD"},
}
# As the functions are called, in snake case.
HANDLERS = {
    name: "app" if name == "Api" else re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    for name in SETTINGS
    if name != "Migrate"
}


def facts(question: str, given: object = None) -> Any:
    """What the app says about itself, asked in a process of its own."""
    done = ended(
        *(sys.executable, ROOT / "tests" / "unit" / "infra" / "app_facts.py", ROOT / "functions", question),
        input=json.dumps(given),
        env={"PATH": os.defpath, "AWS_DEFAULT_REGION": "us-east-1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@cache
def chalice() -> dict[str, Any]:
    """The resources that `chalice package` generates."""
    resources: dict[str, Any] = facts("template")["Resources"]
    return resources


def function_name(logical: str) -> str:
    return logical.removesuffix("Function")


def functions(stack: Stack) -> dict[str, Any]:
    return {function_name(logical): value for logical, value in stack.of_type("AWS::Lambda::Function").items()}


def routes(paths: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in paths.items() for method in methods if method != "options"}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(stack: Stack, role: str) -> list[dict[str, Any]]:
    """What a role allows or denies, its attached policies included."""
    properties = stack.resources[role]["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    documents += [
        stack.resources[attached.strip("<>")]["Properties"]["PolicyDocument"]
        for attached in properties.get("ManagedPolicyArns", [])
    ]
    return [statement for document in documents for statement in document["Statement"]]
