"""Starts a process of each function before the first order needs it."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from localstack.errors import UserError
from localstack.local_stack.runtime import Runtime

_HEALTHY_SECONDS = 30.0
_REQUEST_SECONDS = 30.0
_PAUSE_SECONDS = 0.2
_TRIES = 4
# What a queue's poller would hand over, with nothing in it.
_NO_RECORDS = json.dumps({"Records": []}).encode()


def _ask(request: urllib.request.Request) -> tuple[int, str]:
    """The answer's status and text; 0 and the reason where there was none."""
    try:
        with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS) as answer:  # noqa: S310  # http, ours
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")[:500]
    except OSError as error:
        return 0, str(error)


def _wait(runtime: Runtime, request: urllib.request.Request, is_fine: Callable[[int], bool]) -> None:
    """Asks until the answer's status is fine; raises UserError with the last answer past the limit.

    Not before some tries: on a busy machine each may last as long as the function may take, its first call above all.
    """
    deadline = time.monotonic() + _HEALTHY_SECONDS
    tries = 0
    while True:
        status, said = _ask(request)
        if is_fine(status):
            return
        tries += 1
        if runtime.is_stopping or (tries >= _TRIES and time.monotonic() > deadline):
            seen = f"{status} {said}" if status else said
            raise UserError(f"The service did not become healthy: GET {request.full_url} says {seen}")
        time.sleep(_PAUSE_SECONDS)


def _wait_until_healthy(runtime: Runtime, url: str) -> None:
    """Waits for a healthy answer of the REST API."""
    _wait(runtime, urllib.request.Request(f"{url}/health"), lambda status: status == HTTPStatus.OK)  # noqa: S310  # http


def _open_websocket(runtime: Runtime, url: str) -> None:
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
    _wait(runtime, request, lambda status: 0 < status < HTTPStatus.INTERNAL_SERVER_ERROR)


def _call(runtime: Runtime, name: str) -> None:
    function = runtime.outputs.function_names[name]
    tries = 0
    while "FunctionError" in (answer := runtime.clients.functions.invoke(FunctionName=function, Payload=_NO_RECORDS)):
        tries += 1
        reason = answer["Payload"].read().decode(errors="replace")
        if tries == _TRIES or "timed out" not in reason or runtime.is_stopping:
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
            *(pool.submit(_wait_until_healthy, runtime, url) for _ in range(requests)),
            pool.submit(runtime.reconcile),
            # All at once: a call that finds a free process starts none.
            *(pool.submit(_call, runtime, "ExecuteOrders") for _ in range(workers)),
            *(pool.submit(_call, runtime, "PushStatus") for _ in range(pushers)),
            pool.submit(_open_websocket, runtime, url),
        ]
    for each in calls:
        each.result()
