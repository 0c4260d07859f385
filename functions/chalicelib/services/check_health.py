"""Whether the engine can take orders: it asks, it does not guess."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.runtime import Telemetry


@dataclass(frozen=True, slots=True)
class Check:
    """One dependency's answer and how long it took; `error` is None where it is well."""

    name: str
    milliseconds: int
    error: str | None


def check_health(probes: Mapping[str, Callable[[], None]], telemetry: Telemetry) -> tuple[Check, ...]:
    """Asks every dependency at once. A probe returns, or raises `Unavailable`, whose reason only the log tells."""
    with ThreadPoolExecutor(max_workers=len(probes)) as threads:
        return tuple(threads.map(lambda name: _check(name, probes[name], telemetry), probes))


def _check(name: str, probe: Callable[[], None], telemetry: Telemetry) -> Check:
    start = time.monotonic()
    error = None
    try:
        probe()
    except Unavailable as reason:
        telemetry.warn("check_failed", check=name, reason=str(reason))
        error = "cannot be reached"
    return Check(name, round((time.monotonic() - start) * 1000), error)
