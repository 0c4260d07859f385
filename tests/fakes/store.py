"""The order store in memory: leases, fences, attention and keys as the real one has them, by the clock it is given."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from chalicelib.domain.errors import ClientOrderIdTaken, Fenced, IdempotencyKeyReused, OrderNotFound, Unavailable
from chalicelib.domain.events import OrderPlaced, RoutingStarted, apply
from chalicelib.domain.order import Failure, History, Order, OrderEvent, SignedTransaction
from chalicelib.domain.transitions import WORKABLE, OrderStatus
from chalicelib.ports.orders import Claimed, Held, Idempotency, Idle, Lease, Settled, Transition, UserSnapshot
from chalicelib.services.event_messages import Message, describe
from tests.fakes.clock import FakeClock

PICKED_UP_WITHIN = 15
AFTER_LEASE = 12
PUBLISHED_WITHIN = 5
BETWEEN_REPAIRS = 45
KEYS_KEPT_FOR = 48 * 3600
KEYS_A_BATCH = 10  # the real one's is larger
FOLLOWED_AT_LEAST = 2.25 * 3600
MARKED_FOR = 2.5 * 3600
WAKING = 3
PATH = (OrderStatus.PENDING, OrderStatus.ROUTING, OrderStatus.BUILDING, OrderStatus.SUBMITTED)


@dataclass
class Row:
    """What is stored of an order."""

    order: Order
    events: list[OrderEvent]
    lease_token: str | None = None
    lease_until: datetime | None = None
    next_attempt_at: datetime | None = None
    attention_at: datetime | None = None
    look_at: datetime | None = None
    fruitless_claims: int = 0
    followed_until: datetime | None = None
    user_followed_until: datetime | None = None

    def attend(self, moment: datetime, *, look: bool = False) -> None:
        """Attention is due at the moment; reconcile's look follows where there was none, or at the order's end."""
        if look or self.attention_at is None:
            self.look_at = moment
        self.attention_at = moment

    @property
    def history(self) -> History:
        return History(self.order, tuple(self.events))

    @property
    def is_only_told(self) -> bool:
        """Whether reconcile tells of it, and does not enqueue it."""
        return self.order.status.is_terminal or self.order.status is OrderStatus.WAITING


@dataclass(frozen=True)
class Key:
    """A used idempotency key."""

    fingerprint: str
    order_id: str
    created_at: datetime


@dataclass
class Outages:
    """Which calls fail: every one while `everything` is set, or the next of a name, before it does anything."""

    everything: bool = False
    next_calls: list[str] = field(default_factory=list)


class MemoryOrders:
    """`OrderStore`."""

    def __init__(self, clock: FakeClock, *, all_followed: bool = True) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        # Whether every order is followed from the first moment, as most tests want it.
        self.all_followed = all_followed
        self.rows: dict[str, Row] = {}
        self.keys: dict[tuple[str, str], Key] = {}
        self.followed_users: dict[str, datetime] = {}
        self.outages = Outages()
        self.writes = 0
        self.awake_until = clock.now()

    def insert(
        self,
        order: Order,
        idempotency: Idempotency | None,
        placed: OrderPlaced = OrderPlaced(),  # noqa: B008 - frozen
    ) -> Order | History | None:
        with self._lock:
            self.reach("insert")
            if idempotency is not None:
                used = self.keys.get((order.user_id, idempotency.key))
                if used is not None:
                    if used.fingerprint != idempotency.fingerprint:
                        raise IdempotencyKeyReused("The Idempotency-Key came with another order before.")
                    return self._told(order) if used.order_id == order.id else self.rows[used.order_id].order
            self._refuse_taken_client_order_id(order)
            if order.id not in self.rows:
                message, meta = describe(order, placed)
                event = OrderEvent(order.id, 1, order.status, order.attempt, message, meta, order.created_at)
                marked = self.followed_users.get(order.user_id)
                self.rows[order.id] = row = Row(
                    order, [event], followed_until=self._from_the_start() or marked, user_followed_until=marked
                )
                if order.status is not OrderStatus.WAITING:
                    row.attend(self._in(PICKED_UP_WITHIN))
                elif self._holds(marked):
                    row.attend(self._in(PUBLISHED_WITHIN))
                self.writes += 1
            if idempotency is not None:
                key = Key(idempotency.fingerprint, order.id, self._clock.now())
                self.keys[order.user_id, idempotency.key] = key
            return self._told(order)

    def _told(self, order: Order) -> History | None:
        row = self.rows[order.id]
        return row.history if self._holds(row.user_followed_until) else None

    def find_repeated(self, user_id: str, idempotency: Idempotency) -> Order | None:
        with self._lock:
            self.reach("find_repeated")
            used = self.keys.get((user_id, idempotency.key))
            if used is not None and used.fingerprint != idempotency.fingerprint:
                raise IdempotencyKeyReused("The Idempotency-Key came with another order before.")
            return self.rows[used.order_id].order if used else None

    def count_resting(self, user_id: str, most: int) -> int:
        with self._lock:
            self.reach("count_resting")
            resting = [row.order for row in self.rows.values() if row.order.status is OrderStatus.WAITING]
            return min(sum(order.user_id == user_id for order in resting), most)

    def wake_watcher(self) -> bool:
        with self._lock:
            self.reach("wake_watcher")
            asleep = self._past(self.awake_until)
            if asleep:
                self.awake_until = self._in(WAKING)
            return asleep

    def get(self, order_id: str) -> History:
        with self._lock:
            self.reach("get")
            return self._row(order_id).history

    def follow(self, order_id: str) -> History:
        with self._lock:
            self.reach("follow")
            row = self._row(order_id)
            if not row.order.status.is_terminal and (
                row.followed_until is None or row.followed_until < self._in(FOLLOWED_AT_LEAST)
            ):
                row.followed_until = self._in(MARKED_FOR)
                self.writes += 1
            return row.history

    def follow_user(self, user_id: str, since: datetime | None, *, most_open: int, most_events: int) -> UserSnapshot:
        with self._lock:
            self.reach("follow_user")
            rows = [row for row in self.rows.values() if row.order.user_id == user_id]
            until, least = self._in(MARKED_FOR), self._in(FOLLOWED_AT_LEAST)
            if self.followed_users.get(user_id, least) <= least:
                self.followed_users[user_id] = until
            still_open = [row for row in rows if not row.order.status.is_terminal]
            for row in still_open:
                if row.user_followed_until is None or row.user_followed_until < least:
                    row.user_followed_until, row.followed_until = until, max(row.followed_until or until, until)
            newest = sorted((row.order for row in still_open), key=lambda order: order.id, reverse=True)
            events = [event for row in rows for event in row.events if since and event.occurred_at > since]
            events.sort(key=lambda event: (event.occurred_at, event.order_id, event.sequence))
            if len(events) > most_events:
                since = events[-most_events - 1].occurred_at
            kept = tuple(events[-most_events:])
            return UserSnapshot(
                open=tuple(newest[:most_open]),
                more=len(newest) > most_open,
                events=kept,
                orders={event.order_id: self.rows[event.order_id].order for event in kept},
                since=since,
            )

    def _from_the_start(self) -> datetime | None:
        return datetime.max.replace(tzinfo=UTC) if self.all_followed else None

    def _is_followed(self, row: Row) -> bool:
        return self._holds(row.followed_until)

    def as_marked(self, row: Row) -> History:
        """The history, with who follows it."""
        user_followed = self._holds(row.user_followed_until)
        return replace(row.history, followed=self._is_followed(row), user_followed=user_followed)

    def _holds(self, mark: datetime | None) -> bool:
        return mark is not None and not self._past(mark)

    def claim(self, order_id: str, lease: Lease, start: RoutingStarted | None = None) -> Claimed | Held | Settled:
        with self._lock:
            self.reach("claim")
            row = self.rows.get(order_id)
            if row is None:
                return Settled(None)
            if row.order.status not in WORKABLE:
                return Settled(row.history, published=row.attention_at is None)
            leased = row.lease_until is not None and row.lease_token != lease.token and not self._past(row.lease_until)
            early = row.next_attempt_at is not None and not self._past(row.next_attempt_at)
            if leased or early:
                until = max(moment for moment in (row.lease_until, row.next_attempt_at) if moment is not None)
                return Held(max((until - self._clock.now()).total_seconds(), 0))
            row.fruitless_claims += row.lease_token != lease.token
            row.lease_token, row.lease_until = lease.token, self._in(lease.seconds)
            row.next_attempt_at = None
            row.attend(self._in(lease.seconds + AFTER_LEASE))
            self.writes += 1
            if start and row.order.status is OrderStatus.PENDING and not row.order.has_expired(self._clock.now()):
                moment = max(self._clock.now(), row.order.updated_at)
                row.order = replace(apply(row.order, start), failure=None, updated_at=moment)
                self._write_event(row, describe(row.order, start))
                row.fruitless_claims = 0
            history = self.as_marked(row)
            started = start is not None and row.order.status is OrderStatus.ROUTING and row.fruitless_claims == 0
            return Claimed(history, max(row.fruitless_claims - 1, 0), started)

    def advance(self, history: History, transition: Transition) -> History:
        with self._lock:
            self.reach("advance")
            before, after, lease = transition.before, transition.after, transition.lease
            message, meta = describe(before, transition.event)
            row = self._row(after.id)
            if not self._stands_as(row, before) or not self._may_write(row, lease):
                if self._was_written(row, transition):
                    after = replace(after, updated_at=row.order.updated_at)
                    events = (*history.events, row.events[-1])
                    return History(after, events, self._is_followed(row), self._holds(row.user_followed_until))
                raise Fenced
            moment = max(self._clock.now(), row.order.updated_at)
            row.order = replace(after, updated_at=moment)
            self._write_event(row, (message, meta))
            self._hand_on(row, transition)
            self.writes += 1
            return self.as_marked(row)

    @staticmethod
    def _write_event(row: Row, message: Message) -> None:
        order = row.order
        event = OrderEvent(order.id, order.sequence, order.status, order.attempt, *message, order.updated_at)
        row.events.append(event)

    def save_signed_transaction(self, order: Order, transaction: SignedTransaction, lease: Lease) -> Order:
        with self._lock:
            self.reach("save_signed_transaction")
            row = self._row(order.id)
            known = row.order.transaction
            if (
                row.order.status is not OrderStatus.BUILDING
                or row.order.sequence != order.sequence
                or row.lease_token != lease.token
                or (known is not None and known.signature != transaction.signature)
                or row.order.has_expired(self._clock.now())
            ):
                raise Fenced
            row.order = replace(row.order, transaction=transaction)
            row.lease_until = self._in(lease.seconds)
            row.attend(self._in(lease.seconds + AFTER_LEASE))
            self.writes += 1
            return replace(order, transaction=transaction)

    def release(self, order: Order, lease: Lease, retry_after_seconds: float) -> None:
        with self._lock:
            self.reach("release")
            row = self._row(order.id)
            if row.lease_token == lease.token:
                row.lease_token = row.lease_until = None
                row.next_attempt_at = self._in(retry_after_seconds)
                row.fruitless_claims = 0
                row.attend(self._in(retry_after_seconds + PICKED_UP_WITHIN))
                self.writes += 1

    def record_failure(self, order: Order, lease: Lease, failure: Failure) -> None:
        with self._lock:
            self.reach("record_failure")
            row = self._row(order.id)
            if row.lease_token == lease.token:
                row.order = replace(row.order, failure=failure)
                row.lease_token = row.lease_until = None
                self.writes += 1

    def mark_published(self, order: Order) -> None:
        with self._lock:
            self.reach("mark_published")
            row = self._row(order.id)
            if row.is_only_told and row.order.sequence == order.sequence:
                row.attention_at = row.look_at = None

    def delete_expired_idempotency_keys(self) -> int:
        with self._lock:
            self.reach("delete_expired_idempotency_keys")
            oldest = self._in(-KEYS_KEPT_FOR)
            old = [name for name, key in self.keys.items() if key.created_at < oldest][:KEYS_A_BATCH]
            for name in old:
                del self.keys[name]
            return len(old)

    def idle(self, limit: int, again_in: int) -> Idle:
        with self._lock:
            self.reach("idle")
            due = self._due(limit, over=False)
            idle = [row for row in due if row.attention_at is not None and self._past(row.attention_at)]
            for row in due:
                row.look_at = self._in(again_in) if row in idle else row.attention_at
            return Idle(tuple(row.order.id for row in idle), len(due))

    def unpublished(self, limit: int) -> Sequence[History]:
        with self._lock:
            self.reach("unpublished")
            due = self._due(limit, over=True)
            for row in due:
                row.look_at = self._in(BETWEEN_REPAIRS)
            return [row.history for row in due]

    def count_open(self) -> int:
        with self._lock:
            self.reach("count_open")
            return sum(row.look_at is not None and not row.is_only_told for row in self.rows.values())

    def _due(self, limit: int, *, over: bool) -> list[Row]:
        due = [
            (row.look_at, row)
            for row in self.rows.values()
            if row.look_at is not None and self._past(row.look_at) and row.is_only_told == over
        ]
        due.sort(key=lambda pair: pair[0])
        return [row for _, row in due[:limit]]

    def put(self, order: Order, *, lease: Lease | None = None) -> History:
        """Stores an order as it stands, with a made-up event for each sequence."""
        events = [
            OrderEvent(
                order.id,
                sequence,
                order.status if sequence == order.sequence else PATH[min(sequence, len(PATH)) - 1],
                order.attempt,
                f"Event {sequence}.",
                {},
                order.updated_at,
            )
            for sequence in range(1, order.sequence + 1)
        ]
        row = Row(order, events, followed_until=self._from_the_start())
        row.attend(self._in(PICKED_UP_WITHIN))
        if lease is not None:
            row.lease_token, row.lease_until = lease.token, self._in(lease.seconds)
        self.rows[order.id] = row
        return row.history

    def reach(self, call: str = "") -> None:
        """Raises `Unavailable` where an outage says so."""
        if call in self.outages.next_calls:
            self.outages.next_calls.remove(call)
            raise Unavailable(f"The database is down for {call}.")
        if self.outages.everything:
            raise Unavailable("The database is down.")

    def _row(self, order_id: str) -> Row:
        row = self.rows.get(order_id)
        if row is None:
            raise OrderNotFound(order_id)
        return row

    def _refuse_taken_client_order_id(self, order: Order) -> None:
        if order.client_order_id is None:
            return
        for row in self.rows.values():
            other = row.order
            same = (other.user_id, other.client_order_id) == (order.user_id, order.client_order_id)
            if same and other.id != order.id:
                raise ClientOrderIdTaken(other.id)

    def _hand_on(self, row: Row, transition: Transition) -> None:
        lease, retry_after_seconds = transition.lease, transition.retry_after_seconds
        seconds = lease.seconds if lease is not None else 0
        if transition.release:
            row.lease_token = row.lease_until = None
        else:
            row.lease_until = self._in(seconds)
        row.next_attempt_at = self._in(retry_after_seconds) if retry_after_seconds > 0 else None
        row.fruitless_claims = 0
        if row.is_only_told and not self._is_followed(row):
            row.attention_at = row.look_at = None
        elif row.is_only_told:
            row.attend(self._in(PUBLISHED_WITHIN), look=transition.before.status is not transition.after.status)
        elif transition.release:
            row.attend(self._in(retry_after_seconds + PICKED_UP_WITHIN))
        else:
            row.attend(self._in(seconds + AFTER_LEASE))

    @staticmethod
    def _stands_as(row: Row, before: Order) -> bool:
        stored = row.order
        return (stored.status, stored.sequence, _signature(stored)) == (
            before.status,
            before.sequence,
            _signature(before),
        )

    @staticmethod
    def _may_write(row: Row, lease: Lease | None) -> bool:
        return lease is None or row.lease_token == lease.token

    @staticmethod
    def _was_written(row: Row, transition: Transition) -> bool:
        """The very same move, already stored: nothing is written again."""
        newest, after, lease = row.events[-1], transition.after, transition.lease
        message, _ = describe(transition.before, transition.event)
        same = (newest.sequence, newest.status, newest.message) == (after.sequence, after.status, message)
        return same and lease is not None and row.lease_token in (None, lease.token)

    def _in(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)

    def _past(self, moment: datetime) -> bool:
        return moment <= self._clock.now()


def _signature(order: Order) -> str | None:
    return order.transaction.signature if order.transaction else None
