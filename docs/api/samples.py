"""How each call is made: with curl, with our Python client, in TypeScript. Its examples are the specification's own."""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

# Stands in the samples where the service's own address comes.
BASE = "http://localhost:3000"
Samples: TypeAlias = Mapping[str, str]
_ORDER_ID = "ord_019aad1c8f005f2b7c9d1e3a4b6c8d0f"
_NEW_ORDER = """\
order = NewOrder(
            user_id="user-1",
            wallet_address="wallet_12345",
            input_token="SOL",
            output_token="USDC",
            side="sell",
            amount="1.5",
            slippage_bps=50,
            client_order_id="my-order-1",
        )
        placed = await client.place(order)  # with the order's own Idempotency-Key
        async for event in client.follow(placed):
            print(event.status, event.message)"""
_SWAP = 'Swap(input_token="SOL", output_token="USDC", side="sell", amount="1.5", slippage_bps=50)'
# What is awaited or done inside `async with Client(…) as client`, and the names that it needs.
_PYTHON: Mapping[str, tuple[str, str]] = {
    "placeOrder": (_NEW_ORDER, "Client, NewOrder"),
    "openStream": (
        f'async for event in client.follow("{_ORDER_ID}"):\n            print(event.status, event.message)',
        "Client",
    ),
    "listOrders": (
        """\
async for order in client.orders(user_id="user-1", at_most=100):
            print(order.id, order.status, order.executed_price)""",
        "Client",
    ),
    "getOrder": (f'print(await client.get("{_ORDER_ID}"))', "Client"),
    "listUserEvents": (
        """\
async for frame in client.follow_user("user-1"):  # at once; `await client.feed("user-1", since=…)` is this call
            print(frame)""",
        "Client",
    ),
    "listOrderEvents": (f'print(await client.events("{_ORDER_ID}"))', "Client"),
    "cancelOrder": (f'print(await client.cancel("{_ORDER_ID}"))', "Client"),
    "makeStreamTicket": (f'print(await client.ticket("{_ORDER_ID}"))', "Client"),
    "quote": (f"print(await client.quote({_SWAP}))", "Client, Swap"),
    "listTokens": ("print(await client.tokens())", "Client"),
    "health": ("print(await client.health())", "Client"),
}


# A comment behind each sample of a call that asks whose it is.
_IN_JWT_MODE: Samples = {
    "curl": '\n# In jwt mode also: -H "Authorization: Bearer $ORDER_ENGINE_TOKEN"',
    "Python": f'\n# In jwt mode: Client("{BASE}", token=os.environ["ORDER_ENGINE_TOKEN"])',
    "TypeScript": "\n// In jwt mode also the header Authorization: `Bearer ${token}`",
}
# curl sends a GET, or a POST where there is a body.
_METHODS: Mapping[tuple[str, bool], str] = {("post", False): "-X POST ", ("patch", True): "-X PATCH "}


def samples(method: str, path: str, operation: Mapping[str, Any]) -> Samples:
    """The call in each language, by its name. Calls that only browsers make have curl's alone."""
    filled = path.replace("{order_id}", _ORDER_ID).replace("{name}", "desk.js")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    has_key = any(given.get("$ref", "").endswith("/Idempotency-Key") for given in operation["parameters"])
    if operation["operationId"] == "openStream":
        return {"Python": _python("openStream", filled, method), "TypeScript": _STREAM}
    shown = {
        "curl": _curl(method, filled, body, has_key=has_key),
        "Python": _python(operation["operationId"], filled, method),
        "TypeScript": _typescript(method, filled, body, has_key=has_key),
    }
    return {name: f"{text}{_IN_JWT_MODE[name] if 'security' in operation else ''}" for name, text in shown.items()}


def _curl(method: str, path: str, body: Mapping[str, object] | None, *, has_key: bool) -> str:
    lines = [f"curl -i {_METHODS.get((method, body is not None), '')}{BASE}{path}"]
    if has_key:
        lines.append("-H 'Idempotency-Key: 4f0d3c52-6c1e-4f0e-9f0a-0d6c4b8f2a11'")
    if body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(body)}'"]
    return " \\\n  ".join(lines)


def _python(name: str, path: str, method: str) -> str:
    call, names = _PYTHON.get(
        name, (f'answer = await client.request("{method.upper()}", "{path}")\n        print(answer.text)', "Client")
    )
    return f"""\
import asyncio

from order_engine import {names}


async def main() -> None:
    async with Client("{BASE}") as client:
        {call}


asyncio.run(main())"""


def _typescript(method: str, path: str, body: Mapping[str, object] | None, *, has_key: bool) -> str:
    headers = {"Content-Type": '"application/json"'} if body is not None else {}
    if has_key:
        headers["Idempotency-Key"] = "crypto.randomUUID()"
    lines = [f'const answer = await fetch("{BASE}{path}"']
    if method != "get":
        lines[0] += ", {"
        lines.append(f'  method: "{method.upper()}",')
        if headers:
            named = ", ".join(f'"{name}": {value}' for name, value in headers.items())
            lines.append(f"  headers: {{ {named} }},")
        if body is not None:
            lines.append(f"  body: JSON.stringify({json.dumps(body)}),")
        lines.append("});")
    else:
        lines[0] += ");"
    kind = "text" if path in ("/", "/docs") or path.startswith("/assets") else "json"
    return "\n".join([*lines, f"console.log(answer.status, await answer.{kind}());"])


_STREAM = """\
const socket = new WebSocket(placed.websocketUrl); // from the answer to the order
let seen = 0;
socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  if (message.type !== "status" || message.sequence <= seen) return;
  // To reconnect add `&after=${seen}`; in jwt mode POST /api/stream-tickets gives a new websocketUrl.
  seen = message.sequence;
  console.log(message.status, message.message, message.meta);
};"""
