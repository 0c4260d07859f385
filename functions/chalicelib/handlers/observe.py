"""What every invocation logs and counts, whichever function it calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from chalicelib import bootstrap, correlation

Result = TypeVar("Result")


def observe(event: object, get_response: Callable[[object], Result]) -> Result:
    """Chalice's middleware: one log line of every invocation, with its metrics."""
    telemetry = bootstrap.telemetry()
    start = time.monotonic()
    correlation.bind(function_request_id=correlation.invocation_id(event))
    try:
        return get_response(event)
    except Exception as error:
        # Lambda would print the traceback as lines of text, which no query finds by their request.
        telemetry.exception("invocation_failed", error)
        raise
    finally:
        milliseconds = round((time.monotonic() - start) * 1000)
        telemetry.end_invocation(kind=type(event).__name__, milliseconds=milliseconds)
        correlation.clear()
