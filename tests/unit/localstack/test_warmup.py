"""Warming up: a busy machine gets its time, a broken service a sentence."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import cast

import pytest

from localstack.errors import UserError
from localstack.local_stack import warmup
from localstack.local_stack.runtime import Runtime
from tests.fakes.http_server import answer, serving

TIMED_OUT = b'{"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 20.00 seconds"}'
BROKEN = b'{"errorType": "Runtime.ImportModuleError", "errorMessage": "No module named app"}'


@contextmanager
def answering(statuses: list[int]) -> Iterator[str]:
    """A service with these answers, one after the other; 0 is none."""
    end = threading.Event()

    def reply(request: BaseHTTPRequestHandler) -> None:
        status = statuses.pop(0)
        if status:
            answer(request, status=status)
        else:
            end.wait(60)

    with serving(reply) as url:
        try:
            yield url
        finally:
            end.set()


class Functions:
    """The functions' side of AWS, which answers a call with each of these errors, one after the other."""

    def __init__(self, *errors: bytes) -> None:
        self._errors = list(errors)

    def invoke(self, **_: object) -> dict[str, object]:
        if self._errors:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(self._errors.pop(0))}
        return {"Payload": io.BytesIO(b"null")}

    def reconcile(self) -> None:
        """Calls the function of that name."""


def warm(url: str, *errors: bytes) -> None:
    functions = Functions(*errors)
    names = {"ExecuteOrders": "execute", "PushStatus": "push"}
    runtime = SimpleNamespace(
        is_stopping=False,
        reconcile=functions.reconcile,
        outputs=SimpleNamespace(function_names=names),
        clients=SimpleNamespace(functions=functions),
    )
    warmup.warm(cast("Runtime", runtime), url)


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_HEALTHY_SECONDS", "_REQUEST_SECONDS"):
        monkeypatch.setattr(warmup, name, 0.3)


def test_first_calls_that_take_longer_than_they_may_are_made_again() -> None:
    with answering([0, 0, 502, 200, 200]) as url:
        warm(url, TIMED_OUT, TIMED_OUT)


@pytest.mark.parametrize("status", [0, 503])
def test_a_service_that_never_gets_healthy(status: int) -> None:
    with (
        answering([status] * 100) as url,
        pytest.raises(UserError, match=rf"did not become healthy: GET {url}/.* says {status or 'timed out'}"),
    ):
        warm(url)


def test_a_function_that_is_broken_is_not_called_again() -> None:
    with answering([200, 200]) as url, pytest.raises(UserError, match=r"can't be called: .*No module named app"):
        warm(url, BROKEN)
