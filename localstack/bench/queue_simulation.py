"""A queue with its workers and its database, simulated: what becomes of orders that come at a rate.

Orders arrive at random (Poisson). Each costs the REST function a call and is queued; worker invocations take up to ten
waiting orders as soon as one of them is free, and end with the last of theirs, because a worker waits with its orders
for venues and chain. Each step of an order is a statement, which one of the worker's few connections carries and one of
the database's cores serves. Everything is served in the order of its arrival. Every tenth order has a follower.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from localstack.bench.percentiles import percentile

SEED = 15
BATCH = 10
# What the venues and the chain take, as they are shipped (simulated/venue.py, chain/simulated.py): the slower of two
# quotes, the build, the venue's program, the block.
_WAITS = ((0.15, 0.25), (0.8, 1.2), (1.2, 1.8), (0.8, 1.2))
# Statements of a worker before, between and after those. In the last wait the chain is asked from its soonest answer
# on, twenty times a second.
_STATEMENTS = (1, 2, 1, 2, 1)
_POLL_SECONDS = 0.05
# A statement's processor time in Postgres (3.5 ms an order of ten without delays, measured: docs/performance.md), and
# how long it keeps its connection beyond that: network, and the commit's write.
STATEMENT_CPU = 0.00035
_STATEMENT_AWAY = 0.0015
# Some lifetimes of an order: the first half is left out, in which workers fill up.
_LEAST_SECONDS = 20.0
_MOST_ORDERS = 12_000


@dataclass(frozen=True, slots=True)
class StackSize:
    """What is deployed. `cores` is what the database may use for hours: a burstable class counts by its baseline."""

    workers: int
    cores: float
    api_connections: int
    instance: str
    proxy: bool = False
    parts: int = 1  # as many queues with workers and databases of their own, orders spread over them by their id
    rest_rate: int = 200  # ThrottleRate
    executions: int = 1_000  # the account's quotas: these, REST requests and new WebSocket connections a second
    rest_quota: int = 10_000
    websocket_quota: int = 500
    connections_each: int = 2

    @property
    def most_connections(self) -> int:
        """What the instance takes, as docs/deployment.md computes it."""
        return _CONNECTIONS[self.instance]


_CONNECTIONS = {
    "db.t4g.small": 157,
    "db.t4g.medium": 315,
    "db.m7g.xlarge": 1_260,
    "db.m7g.2xlarge": 2_521,
    "db.m7g.4xlarge": 5_000,
}


@dataclass(slots=True)
class Observed:
    """What a simulated run showed; counts are averages over its second half."""

    rate: float
    finished: float = 0  # orders a second that ended
    seconds: list[float] = field(default_factory=list)  # from arrival to end, of orders that ended in the second half
    in_hand: float = 0  # orders that workers had
    invocations: float = 0  # of workers at once
    cores: float = 0  # of the database that were busy

    @property
    def keeps_up(self) -> bool:
        """Whether orders ended as fast as they came."""
        return self.finished > self.rate * 0.9

    def rank(self, percent: float) -> float:
        """Seconds from arrival to end."""
        return percentile(self.seconds, percent) if self.seconds else float("inf")


class _Servers:
    """So many servers, each of which works on what comes in turn."""

    def __init__(self, count: float) -> None:
        # Less than one core is one that is so much slower.
        self._free = [0.0] * max(int(count), 1)
        self._pace = min(count, 1.0)
        self.busy = 0.0

    def serve(self, now: float, seconds: float) -> float:
        """When it is done."""
        start = max(now, heapq.heappop(self._free))
        end = start + seconds / self._pace
        heapq.heappush(self._free, end)
        self.busy += seconds
        return end


@dataclass(slots=True)
class _Order:
    arrived: float
    waits: deque[float]  # after each of its statements
    worker: "_Worker | None" = None


class _Worker:
    def __init__(self, connections: int, orders: int) -> None:
        self.connections = _Servers(connections)
        self.left = orders


class QueueSimulation:
    """One queue with its workers and its database."""

    def __init__(self, stack: StackSize, rate: float, seconds: float, seed: int = SEED) -> None:
        self._stack, self._rate, self._seconds = stack, rate, seconds
        self._chance = random.Random(seed)
        self._events: list[tuple[float, int, _Order]] = []
        self._number = itertools.count()
        self._waiting: deque[_Order] = deque()
        self._free = stack.workers
        self._cores = _Servers(stack.cores)
        self._in_hand = self._area_in_hand = self._area_invocations = self._then = 0.0
        self._half = seconds / 2
        self._busy_at_half = 0.0
        self.observed = Observed(rate)

    def run(self) -> Observed:
        """Orders arrive for so many seconds; what happens after those is not looked at."""
        now = self._chance.expovariate(self._rate)
        while now < self._seconds:
            waits = [self._chance.uniform(*wait) for wait in _WAITS]
            self._put(now, _Order(now, _waits_after_statements(waits)))
            now += self._chance.expovariate(self._rate)
        finished = 0
        while self._events and self._events[0][0] < self._seconds:
            now, _, order = heapq.heappop(self._events)
            self._count(now)
            if order.worker is None:
                self._waiting.append(order)
            elif order.waits:
                self._step(now, order, order.worker)
            else:
                finished += self._end(now, order, order.worker)
            self._start(now)
        measured = self._seconds - self._half
        found = self.observed
        found.finished = finished / measured
        found.in_hand, found.invocations = self._area_in_hand / measured, self._area_invocations / measured
        found.cores = (self._cores.busy - self._busy_at_half) / measured
        return found

    def _put(self, at: float, order: _Order) -> None:
        heapq.heappush(self._events, (at, next(self._number), order))

    def _count(self, now: float) -> None:
        if now < self._half:
            self._busy_at_half, self._then = self._cores.busy, self._half
            return
        self._area_in_hand += self._in_hand * (now - self._then)
        self._area_invocations += (self._stack.workers - self._free) * (now - self._then)
        self._then = now

    def _start(self, now: float) -> None:
        while self._waiting and self._free:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._free -= 1
            self._in_hand += len(batch)
            worker = _Worker(self._stack.connections_each, len(batch))
            for order in batch:
                order.worker = worker
                self._step(now, order, worker)

    def _step(self, now: float, order: _Order, worker: _Worker) -> None:
        answered = self._cores.serve(now, STATEMENT_CPU) - now
        done = worker.connections.serve(now, answered + _STATEMENT_AWAY)
        self._put(done + order.waits.popleft(), order)

    def _end(self, now: float, order: _Order, worker: _Worker) -> int:
        worker.left -= 1
        self._in_hand -= 1
        if not worker.left:
            self._free += 1
        if now < self._half:
            return 0
        self.observed.seconds.append(now - order.arrived)
        return 1


def _waits_after_statements(waits: Sequence[float]) -> deque[float]:
    """What an order waits for after each of its statements."""
    found: list[float] = []
    for statements, wait in zip(_STATEMENTS, (*waits, 0.0), strict=True):
        found += [*[0.0] * (statements - 1), wait]
    soonest, _ = _WAITS[-1]
    polls = int((waits[-1] - soonest) / _POLL_SECONDS)
    rest = waits[-1] - soonest - polls * _POLL_SECONDS
    at = len(found) - 1 - _STATEMENTS[-1]
    return deque([*found[:at], soonest, *[_POLL_SECONDS] * polls, rest, *found[at + 1 :]])


@cache
def simulate(stack: StackSize, rate: float, orders: int) -> Observed:
    """A run of at least so many orders and of some lifetimes of an order. With parts, one of them.

    At a rate that no such stack serves it ends before the first order does, which says the same.
    """
    part = rate / stack.parts
    return QueueSimulation(stack, part, min(max(orders / part, _LEAST_SECONDS), _MOST_ORDERS / part)).run()


def mean_lifetime() -> float:
    """Seconds from an order's start to its end where nothing is busy."""
    waits = sum((low + high) / 2 for low, high in _WAITS)
    return waits + mean_statements() * (STATEMENT_CPU + _STATEMENT_AWAY)


def mean_statements() -> float:
    """Of an order, with the looks at the chain."""
    soonest, latest = _WAITS[-1]
    return sum(_STATEMENTS) + 1 + (latest - soonest) / 2 / _POLL_SECONDS
