"""Whether the engine can take orders: it asks, it does not guess."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chalicelib.domain.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Check:
    """One dependency's answer and how long it took; `error` is None where it is well."""

    name: str
    milliseconds: int
    error: str | None


def check_health(probes: Mapping[str, Callable[[], None]]) -> tuple[Check, ...]:
    """Asks every dependency at once. A probe returns, or raises `Unavailable`."""
    with ThreadPoolExecutor(max_workers=len(probes)) as threads:
        return tuple(threads.map(lambda item: _check(*item), probes.items()))


def _check(name: str, probe: Callable[[], None]) -> Check:
    start = time.monotonic()
    error = None
    try:
        probe()
    except Unavailable:
        error = "cannot be reached"
    return Check(name, round((time.monotonic() - start) * 1000), error)
