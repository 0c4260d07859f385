"""Starts a process of each function before the first order needs it."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus

from botocore.exceptions import BotoCoreError, ClientError

from localstack.errors import LocalStackError
from localstack.runtime import Runtime

_HEALTHY_SECONDS = 30.0
_REQUEST_SECONDS = 30.0
_PAUSE_SECONDS = 0.2
# What a queue's poller would hand over, with nothing in it.
_NO_RECORDS = json.dumps({"Records": []}).encode()
# The worker's MaximumConcurrency in template.yaml and the front door's own limit; more keep the first order waiting.
_BURST_WORKERS = 10
_BURST_REQUESTS = 6
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


def warm(runtime: Runtime, url: str) -> None:
    """Waits until the service behind `url` is healthy, and calls what the first order will need.

    The reconcile function does its work: orders that a crash interrupted go on. Raises LocalStackError where
    a function fails.
    """
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(_healthy, url),
            pool.submit(runtime.reconcile),
            *(pool.submit(_call, runtime, name) for name in _BY_QUEUE),
            pool.submit(_handshake, url),
        ]
    for each in calls:
        each.result()


def warm_for_a_burst(runtime: Runtime, url: str, failed: Callable[[Exception], None]) -> None:
    """Begins to start as many processes as a burst of orders needs, and returns at once.

    On a laptop each takes most of a second of processor time. `failed` is called, in another thread, for each that
    can't be started: the first burst is slower then, and nothing else.
    """

    def attempt(call: Callable[[], None]) -> None:
        try:
            call()
        except (BotoCoreError, ClientError, LocalStackError) as error:
            failed(error)

    calls = [partial(_call, runtime, "ExecuteOrders")] * _BURST_WORKERS + [partial(_healthy, url)] * _BURST_REQUESTS
    for call in calls:
        # All at once: a call that finds a free process starts none. Daemons: stopping does not wait for them.
        threading.Thread(target=attempt, args=(call,), name="warm", daemon=True).start()
