"""What every log line of an invocation carries, so that a request can be found by the id that its client knows.

A container runs one invocation at a time and all of its threads work for it, so one mapping a process is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_bound: dict[str, str] = {}


def bind(**fields: str) -> None:
    """Adds fields to every log line until `release`."""
    _bound.update(fields)


def bound() -> Mapping[str, str]:
    """The fields of the present invocation."""
    return MappingProxyType(_bound)


def release() -> None:
    """Forgets the fields: the next invocation starts with none."""
    _bound.clear()
