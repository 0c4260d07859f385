"""The engine's ports in memory and virtual time: orders at rest and under way, the chain's ledger, queues.

They have what a replay needs: one thread, no outage, no follower and nobody who dies, so nothing has to be repaired.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.chain.ledger import Entry, Found, Outcome
from chalicelib.config import BLOCK_MS
from chalicelib.domain.errors import Fenced, OrderNotFound
from chalicelib.domain.events import Move, OrderPlaced, RoutingStarted, apply
from chalicelib.domain.launches import Launch
from chalicelib.domain.order import Failure, History, Meta, Order, OrderEvent, OrderType, SignedTransaction
from chalicelib.domain.transitions import WORKABLE, OrderStatus
from chalicelib.ports.orders import Claimed, Held, Idempotency, Idle, Lease, Settled, Transition
from chalicelib.services.event_messages import describe
from localstack.replay.clock import VirtualClock

_Pair = tuple[str, str]


class Orders:
    """`OrderStore` and `RestingOrders`. What rests stands sorted as the database's partial indexes have it."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._orders: dict[str, Order] = {}
        self._due: dict[str, datetime] = {}
        self._by_bound: dict[_Pair, list[tuple[Decimal, str]]] = {}
        self._by_launch: dict[str, list[str]] = {}
        self._by_expiry: list[tuple[datetime, str]] = []
        self._fired: set[str] = set()
        self._resting_of: Counter[str] = Counter()
        self._beat_at: datetime | None = None
        self._events: dict[str, list[OrderEvent]] = {}
        self._untold: list[OrderEvent] = []

    def take_new_events(self) -> list[OrderEvent]:
        """The events since the last call."""
        told, self._untold = self._untold, []
        return told

    # What clients and workers do.

    def insert(
        self,
        order: Order,
        idempotency: Idempotency | None,
        placed: OrderPlaced = OrderPlaced(),  # noqa: B008 - frozen
    ) -> Order | None:
        del idempotency  # a replay places each order once
        self._events[order.id] = []
        self._store(order, *describe(order, placed), order.created_at)
        return None

    def find_repeated(self, user_id: str, idempotency: Idempotency) -> Order | None:
        del user_id, idempotency
        return None

    def count_resting(self, user_id: str, most: int) -> int:
        return min(self._resting_of[user_id], most)

    def wake_watcher(self) -> bool:
        return False  # it looks every second anyway

    def get(self, order_id: str) -> History:
        if order_id not in self._orders:
            raise OrderNotFound(order_id)
        return History(self._orders[order_id], tuple(self._events[order_id]), followed=False)

    follow = get

    def claim(self, order_id: str, lease: Lease, start: RoutingStarted | None = None) -> Claimed | Held | Settled:
        del lease  # one worker at a time
        history = self.get(order_id)
        if history.order.status not in WORKABLE:
            return Settled(history)
        wait = (self._due.pop(order_id, self._clock.now()) - self._clock.now()).total_seconds()
        if wait > 0:
            return Held(wait)
        if (
            start is None
            or history.order.status is not OrderStatus.PENDING
            or history.order.has_expired(self._clock.now())
        ):
            return Claimed(history)
        self._store(apply(history.order, start), *describe(history.order, start), self._clock.now())
        return Claimed(self.get(order_id), started=True)

    def advance(self, history: History, transition: Transition) -> History:
        before = transition.before
        if self._orders[before.id].sequence != before.sequence:
            raise Fenced
        self._store(transition.after, *describe(before, transition.event), self._clock.now())
        if transition.retry_after_seconds:
            self._due[before.id] = self._clock.now() + timedelta(seconds=transition.retry_after_seconds)
        del history
        return self.get(before.id)

    def save_signed_transaction(self, order: Order, transaction: SignedTransaction, lease: Lease) -> Order:
        del lease
        if order.has_expired(self._clock.now()):
            raise Fenced
        self._orders[order.id] = replace(self._orders[order.id], transaction=transaction)
        return replace(order, transaction=transaction)

    def release(self, order: Order, lease: Lease, retry_after_seconds: float) -> None:
        del lease
        self._due[order.id] = self._clock.now() + timedelta(seconds=retry_after_seconds)

    def record_failure(self, order: Order, lease: Lease, failure: Failure) -> None:
        """A worker's defect goes on to whoever runs the replay."""

    def mark_published(self, order: Order) -> None:
        """Nobody is told."""

    def delete_expired_idempotency_keys(self) -> int:
        return 0

    def idle(self, limit: int, again_in: int) -> Idle:
        del limit, again_in
        return Idle((), 0)

    def unpublished(self, limit: int) -> Sequence[History]:
        del limit
        return ()

    def count_open(self) -> int:
        return sum(order.status in WORKABLE for order in self._orders.values())

    # What the watcher reads and moves.

    def any_resting(self) -> bool:
        return bool(self._by_expiry)

    def count(self, most: int) -> int:
        return min(len(self._by_expiry), most)

    def count_fired(self, most: int) -> int:
        return min(len(self._fired), most)

    def pairs(self) -> Sequence[_Pair]:
        return sorted(pair for pair, resting in self._by_bound.items() if resting)

    def expired(self, limit: int) -> Sequence[Order]:
        over = bisect_left(self._by_expiry, (self._clock.now() + timedelta.resolution, ""))
        return [self._orders[order_id] for _, order_id in self._by_expiry[: min(over, limit)]]

    def crossing(self, touches: Sequence[tuple[str, str, Decimal]], limit: int) -> Sequence[Order]:
        found: list[Order] = []
        for one, other, touch in touches:
            for bound, order_id in self._by_bound.get((one, other), ()):
                if bound > touch or len(found) >= limit:
                    break
                if self._may_fire(self._orders[order_id]):
                    found.append(self._orders[order_id])
        return found

    def tokens_with_snipers(self, symbols: Sequence[str]) -> Collection[str]:
        return {symbol for symbol in symbols if self._by_launch.get(symbol)}

    def snipers_of(self, symbol: str, after: str, limit: int) -> Sequence[Order]:
        resting = (self._orders[order_id] for order_id in self._by_launch.get(symbol, ()) if order_id > after)
        return [order for order in resting if self._may_fire(order)][:limit]

    def postpone(self, orders: Sequence[Order], seconds: int) -> None:
        fires_from = self._clock.now() + timedelta(seconds=seconds)
        for order in orders:
            self._orders[order.id] = replace(self._orders[order.id], fires_from=fires_from)

    def move(self, moves: Sequence[tuple[Order, Move]], most_fired: int | None = None) -> Sequence[str]:
        room = len(moves) if most_fired is None else max(most_fired - len(self._fired), 0)
        moved = []
        for order, event in moves[:room]:
            now = self._orders[order.id]
            if (now.status, now.sequence) == (OrderStatus.WAITING, order.sequence):
                self._store(apply(now, event), *describe(now, event), self._clock.now())
                moved.append(order.id)
        return moved

    def followed(self, order_ids: Sequence[str]) -> Sequence[History]:
        del order_ids
        return ()

    def save_launches(self, launches: Sequence[Launch]) -> None:
        """The market knows them."""

    def awake_until(self) -> datetime:
        return self._clock.now()

    def stay_awake(self, until: datetime) -> None:
        """The replay beats each second."""

    def last_beat(self) -> datetime | None:
        return self._beat_at

    def note_beat(self, at: datetime) -> None:
        self._beat_at = at

    def _may_fire(self, order: Order) -> bool:
        return order.fires_from is None or order.fires_from <= self._clock.now()

    def _store(self, order: Order, message: str, meta: Meta, at: datetime) -> None:
        before = self._orders.get(order.id)
        if before is not None and before.status is OrderStatus.WAITING:
            self._remove_resting(before)
        order = replace(order, updated_at=at)
        self._orders[order.id] = order
        if order.status is OrderStatus.WAITING:
            self._insert_resting(order)
        (self._fired.add if order.status is OrderStatus.PENDING and order.fires else self._fired.discard)(order.id)
        event = OrderEvent(order.id, order.sequence, order.status, order.attempt, message, meta, at)
        self._events[order.id].append(event)
        self._untold.append(event)

    def _insert_resting(self, order: Order) -> None:
        self._resting_of[order.user_id] += 1
        for entries, entry in self._places(order):
            insort(entries, entry)

    def _remove_resting(self, order: Order) -> None:
        self._resting_of[order.user_id] -= 1
        for entries, entry in self._places(order):
            del entries[bisect_left(entries, entry)]

    def _places(self, order: Order) -> list[tuple[list[Any], Any]]:
        """Where an order stands while it rests."""
        pair = order.input_token.symbol, order.output_token.symbol
        places: list[tuple[list[Any], Any]] = [(self._by_expiry, (order.expires_at, order.id))]
        if order.order_type is OrderType.LIMIT:
            places.append((self._by_bound.setdefault(pair, []), (order.bound, order.id)))
        else:
            places.append((self._by_launch.setdefault(pair[1], []), order.id))
        return places


class MemoryLedger:
    """`Ledger` of the simulated chain."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[Entry, Outcome, datetime]] = {}

    def height(self) -> int:
        return int(self._clock.now().timestamp() * 1000) // BLOCK_MS

    def submit(self, entry: Entry) -> bool:
        if self.height() > entry.last_valid_height:
            return False
        known = self._known.get(entry.signature)
        outcome = Outcome.DROPPED if entry.dropped_once and known is None else entry.outcome
        if known is None or known[1] is Outcome.DROPPED:
            lands_at = self._clock.now() + timedelta(seconds=entry.lands_in)
            self._known[entry.signature] = (entry, outcome, lands_at)
        return True

    def find(self, signature: str, last_valid_height: int) -> Found:
        height = self.height()
        if signature not in self._known:
            return Found(height=height, outcome=None)
        entry, outcome, lands_at = self._known[signature]
        if outcome is Outcome.DROPPED and height > last_valid_height:
            return Found(height=height, outcome=Outcome.EXPIRED, landed=True)
        landed = lands_at <= self._clock.now()
        return Found(height=height, outcome=outcome, landed=landed, reason=entry.reason, fill=entry.fill)


class Queue:
    """`OrdersQueue`: the messages that nobody has taken yet."""

    def __init__(self) -> None:
        self.waiting: list[str] = []

    def send(self, order_id: str) -> None:
        self.waiting.append(order_id)

    def send_many(self, order_ids: Sequence[str]) -> None:
        self.waiting += order_ids

    def depth(self) -> int:
        return len(self.waiting)

    def take(self) -> list[str]:
        """All of them."""
        taken, self.waiting = self.waiting, []
        return taken


class NoTicks:
    """`Ticks`: the replay beats by itself."""

    def wake(self) -> None:
        """Nobody sleeps."""

    def schedule(self, delays: Sequence[int]) -> None:
        """Each second comes."""


class NoFollowers:
    """`StatusEvents`: nobody is told."""

    def send(self, history: History, *, connection_id: str | None = None, repeat: bool = False) -> None:
        """Nobody is told."""


class SilentTelemetry:
    """`Telemetry` of a replay: its events say what happened. A defect goes on to whoever runs it."""

    def debug(self, event: str, **fields: object) -> None:
        """Says nothing."""

    log = warn = debug

    def exception(self, event: str, error: Exception, **fields: object) -> None:
        del event, fields
        raise error

    def add_metric(self, metric: str, value: float = 1, **dimensions: str) -> None:
        """Counts nothing."""
