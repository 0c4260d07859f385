"""Starts a process of each function before the first order needs it."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from botocore.exceptions import BotoCoreError, ClientError

from localstack.errors import LocalStackError
from localstack.runtime import Runtime

_HEALTHY_SECONDS = 30.0
_REQUEST_SECONDS = 30.0
_PAUSE_SECONDS = 0.2
# What a queue's poller would hand over, with nothing in it.
_NO_RECORDS = json.dumps({"Records": []}).encode()
_BY_QUEUE = ("ExecuteOrders", "PushStatus")


def _healthy(url: str) -> None:
    """Waits for a healthy answer of the REST API; raises LocalStackError with the last one past the limit."""
    deadline = time.monotonic() + _HEALTHY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=_REQUEST_SECONDS):  # noqa: S310  # http, ours
                return
        except urllib.error.HTTPError as error:
            seen = f"{error.code} {error.read().decode(errors='replace')[:500]}"
        except OSError as error:
            seen = str(error)
        if time.monotonic() > deadline:
            raise LocalStackError(f"The service did not become healthy: GET {url}/health says {seen}")
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
            raise LocalStackError(f"The WebSocket API answers {refusal.code} to a handshake.") from refusal


def _call(runtime: Runtime, name: str) -> None:
    answer = runtime.clients.functions.invoke(FunctionName=runtime.outputs.function_names[name], Payload=_NO_RECORDS)
    if "FunctionError" in answer:
        reason = answer["Payload"].read().decode(errors="replace")
        raise LocalStackError(f"The function {name} can't be called: {reason}")


def warm(runtime: Runtime, url: str, *, requests: int = 1) -> None:
    """Waits until the service behind `url` is healthy, and calls what the first order will need.

    So many `requests` at once start as many processes of the REST API, each of which takes most of a second of
    processor time. The reconcile function does its work: orders that a crash interrupted go on. Raises LocalStackError
    where a function fails.
    """
    with ThreadPoolExecutor(requests + 4) as pool:
        calls = [
            *(pool.submit(_healthy, url) for _ in range(requests)),
            pool.submit(runtime.reconcile),
            *(pool.submit(_call, runtime, name) for name in _BY_QUEUE),
            pool.submit(_handshake, url),
        ]
    for each in calls:
        each.result()


def warm_for_a_burst(runtime: Runtime, workers: int, failed: Callable[[Exception], None]) -> None:
    """Begins to start so many workers, as a burst of orders needs, and returns at once.

    On a laptop each takes most of a second of processor time. `failed` is called, in another thread, for each that
    can't be started: the first burst is slower then, and nothing else.
    """

    def attempt() -> None:
        try:
            _call(runtime, "ExecuteOrders")
        except (BotoCoreError, ClientError, LocalStackError) as error:
            failed(error)

    for _ in range(workers):
        # All at once: a call that finds a free process starts none. Daemons: stopping does not wait for them.
        threading.Thread(target=attempt, name="warm", daemon=True).start()
