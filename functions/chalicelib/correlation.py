"""What every log line of an invocation carries, so that a request can be found by the id that its client knows.

A container runs one invocation at a time and all of its threads work for it, so one mapping a process is enough for
what the whole invocation has in common. The messages of a batch come from different requests: each has a context.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_NOTHING: Mapping[str, str] = MappingProxyType({})
_bound: dict[str, object] = {}
_scoped: ContextVar[Mapping[str, str]] = ContextVar("scoped", default=_NOTHING)


def bind(**fields: object) -> None:
    """Adds fields to every log line until `clear`."""
    _bound.update(fields)


@contextmanager
def scoped(**fields: str | None) -> Iterator[None]:
    """Adds fields to the log lines of this thread for the time of the block; those without a value are left out."""
    token = _scoped.set({**_scoped.get(), **{name: value for name, value in fields.items() if value}})
    try:
        yield
    finally:
        _scoped.reset(token)


def current() -> Mapping[str, object]:
    """The fields of the present invocation, and of the blocks that this thread is in."""
    return MappingProxyType({**_bound, **_scoped.get()})


def clear() -> None:
    """Forgets the fields: the next invocation starts with none."""
    _bound.clear()


def invocation_id(event: object) -> str:
    """Lambda's own id of the invocation that a Chalice event belongs to, which its platform log lines have too."""
    # A request keeps API Gateway's context under the name that the other events use for Lambda's.
    context = getattr(event, "lambda_context", None) or getattr(event, "context", None)
    return str(getattr(context, "aws_request_id", ""))
