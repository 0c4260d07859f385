"""What a worker needs, how long it waits for what, and what it says of a message."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.ports.chain import ChainClient
from chalicelib.ports.orders import OrderStore
from chalicelib.ports.queues import StatusEvents, Ticks
from chalicelib.ports.runtime import Clock, CrashPoint, Telemetry
from chalicelib.ports.venues import Router, SwapBuilder


@dataclass(frozen=True, slots=True)
class Worker:
    """The ports that a worker needs."""

    store: OrderStore
    events: StatusEvents
    router: Router
    swaps: SwapBuilder
    chain: ChainClient
    clock: Clock
    telemetry: Telemetry
    crash_point: CrashPoint
    ticks: Ticks


@dataclass(frozen=True, slots=True)
class ExecutionTimings:
    """How long a worker waits for what."""

    # Outlasts the longest time between two writes (a quote, a build or a submit, about 2 s) many times over, and is
    # shorter than the queue's visibility timeout: when a killed worker's message returns, its lease has run out.
    lease_seconds: float = 18
    first_backoff_seconds: float = 1  # before the second attempt; twice as long before the third
    poll_seconds: float = 0.05  # between two looks at the chain, from the soonest moment at which it may confirm
    resend_seconds: float = 2  # between two submissions of the same bytes
    return_seconds: float = 1  # before an order's message comes again when the invocation's time is up
    # Past a transaction's last one: more than the second between two turns explains, 10 s on a chain of 400 ms a block.
    unwatched_blocks: int = 25


@dataclass(frozen=True, slots=True)
class Ack:
    """The message can go: the order is terminal, or somebody else's."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Deliver the message again in so many seconds."""

    seconds: float
