"""Starts a process of each function before the first order needs it."""

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from localstack.errors import UserError
from localstack.local_stack.runtime import Runtime

_HEALTHY_SECONDS = 30.0
_REQUEST_SECONDS = 30.0
_PAUSE_SECONDS = 0.2
# What a queue's poller would hand over, with nothing in it.
_NO_RECORDS = json.dumps({"Records": []}).encode()


def _healthy(runtime: Runtime, url: str) -> None:
    """Waits for a healthy answer of the REST API; raises UserError with the last one past the limit."""
    deadline = time.monotonic() + _HEALTHY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=_REQUEST_SECONDS):  # noqa: S310  # http, ours
                return
        except urllib.error.HTTPError as error:
            seen = f"{error.code} {error.read().decode(errors='replace')[:500]}"
        except OSError as error:
            seen = str(error)
        if runtime.is_stopping or time.monotonic() > deadline:
            raise UserError(f"The service did not become healthy: GET {url}/health says {seen}")
        time.sleep(_PAUSE_SECONDS)


def _handshake(url: str) -> None:
    """Has the WebSocket API's connect function start, with an order that does not exist."""
    request = urllib.request.Request(  # noqa: S310  # http, ours
        f"{url}/api/orders/execute?orderId=none",
        headers={
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        },
    )
    try:
        urllib.request.urlopen(request, timeout=_REQUEST_SECONDS).close()  # noqa: S310  # http, ours
    except urllib.error.HTTPError as refusal:
        if refusal.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise UserError(f"The WebSocket API answers {refusal.code} to a handshake.") from refusal


def _call(runtime: Runtime, name: str) -> None:
    answer = runtime.clients.functions.invoke(FunctionName=runtime.outputs.function_names[name], Payload=_NO_RECORDS)
    if "FunctionError" in answer:
        reason = answer["Payload"].read().decode(errors="replace")
        raise UserError(f"The function {name} can't be called: {reason}")


def warm(runtime: Runtime, url: str, *, requests: int = 1, workers: int = 1, pushers: int = 1) -> None:
    """Waits until the service behind `url` is healthy, and calls what the first orders will need.

    So many `requests`, `workers` and `pushers` at once start as many processes of the REST API, the worker and what
    sends statuses, each of which takes some 0.2 s of processor time that the first burst would have to wait for. The
    reconcile function does its work: orders that a crash interrupted go on. Raises UserError where a function
    fails.
    """
    with ThreadPoolExecutor(requests + workers + pushers + 2) as pool:
        calls = [
            *(pool.submit(_healthy, runtime, url) for _ in range(requests)),
            pool.submit(runtime.reconcile),
            # All at once: a call that finds a free process starts none.
            *(pool.submit(_call, runtime, "ExecuteOrders") for _ in range(workers)),
            *(pool.submit(_call, runtime, "PushStatus") for _ in range(pushers)),
            pool.submit(_handshake, url),
        ]
    for each in calls:
        each.result()
