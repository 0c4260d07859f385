"""Orders: the store as workers, as clients' calls and as followers need it, and what its calls come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.domain.events import Move, OrderPlaced, RoutingStarted, apply
from chalicelib.domain.identity import Owner
from chalicelib.domain.order import Failure, History, Order, OrderEvent, SignedTransaction


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on an order: every write names the token and finds nothing once another worker has it."""

    token: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Claimed:
    """The order is ours until the lease runs out.

    `fruitless_claims` counts those in a row before this one that ended neither in a move nor in a release: their
    workers died or met an error. Throttled deliveries never get as far as a claim, and who merely waits releases.
    `started` where the claim itself made the first move, of which nobody was told yet.
    """

    history: History
    fruitless_claims: int = 0
    started: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """Another worker has it, or its next attempt is not due; worth asking again in so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing is left to execute: the order is terminal, or there is no such order.

    `published` is false where its end was committed and not yet queued for its followers.
    """

    history: History | None
    published: bool = True


@dataclass(frozen=True, slots=True)
class Idle:
    """Open orders that nobody moved in time, among the `looked_at` whose look was due."""

    order_ids: tuple[str, ...]
    looked_at: int


@dataclass(frozen=True, slots=True)
class Transition:
    """What happened to an order, and under which lease it is written.

    With a lease only its holder can write; `release` gives the lease up with the same statement, and the order's next
    attempt is due in `retry_after_seconds` seconds.
    """

    before: Order
    event: Move
    lease: Lease | None
    release: bool = False
    retry_after_seconds: float = 0

    @property
    def after(self) -> Order:
        """The order as the event leaves it. Raises `IllegalTransition`."""
        return apply(self.before, self.event)


@dataclass(frozen=True, slots=True)
class UserSnapshot:
    """What a user's orders are when somebody begins to follow them all.

    `open` are the newest of those that are not over, newest first, and `more` whether there are others. `events` is
    what happened after `since`, oldest first, and `orders` the orders of these events as they are now. `since` is later
    than what was asked for where that was too much; None where nothing was.
    """

    open: tuple[Order, ...]
    more: bool
    events: tuple[OrderEvent, ...]
    orders: Mapping[str, Order]
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A client's promise that the same key means the same order; `fingerprint` tells whether it does."""

    key: str
    fingerprint: str


class ClientOrders(Protocol):
    """Orders as a client's calls need them. Every method raises `Unavailable` when the database cannot be reached."""

    def insert(
        self,
        order: Order,
        idempotency: Idempotency | None,
        placed: OrderPlaced = OrderPlaced(),  # noqa: B008 - frozen
    ) -> Order | History | None:
        """Stores the order, its first event and the key in one transaction.

        Gives None for an order just stored; its history where somebody follows all orders of its user, and has to be
        told; or the earlier order that the same key and fingerprint made.

        Raises:
            IdempotencyKeyReused: the key stands for another order.
            ClientOrderIdTaken: the user has an order with this client order id.
        """

    def find_repeated(self, user_id: str, idempotency: Idempotency) -> Order | None:
        """The order that the key made, if it made one.

        Raises:
            IdempotencyKeyReused: the key stands for another order.
        """

    def count_resting(self, user_id: str, most: int) -> int:
        """How many orders of the user rest, counted up to `most`."""

    def wake_watcher(self) -> bool:
        """Whether nobody watches and the caller is the one who should send for the watcher."""

    def get(self, order_id: str) -> History:
        """The order and its events, as one consistent picture.

        Raises:
            OrderNotFound: no order has this id.
        """

    def follow(self, order_id: str) -> History:
        """As `get`, and marks the order as followed for as long as a connection may live.

        The mark and a move are ordered by the order's row: whichever comes second sees the first. So a move that the
        history does not hold finds the mark.

        Raises:
            OrderNotFound: no order has this id.
        """

    def advance(self, history: History, transition: Transition) -> History:
        """Writes the move and its event in one statement; `followed` says whether the order is marked.

        An end that nobody follows needs no attention any more.

        Raises:
            Fenced: the order is no longer as `before` says, or the lease is lost.
            IllegalTransition: the event cannot happen to it.
        """

    def mark_published(self, order: Order) -> None:
        """Notes that followers were told of this order's end, so that reconcile leaves it alone."""


class OwnedOrders(Protocol):
    """The only way of clients' calls to orders: whose they are comes first. Another's is as one that never was.

    In open mode, where nobody proves who he is, it leads to everybody's.
    """

    def of(self, owner: Owner) -> ClientOrders:
        """This owner's orders; what is inserted becomes his."""


class FollowedOrders(Protocol):
    """Orders as whoever begins to follow needs them. Every method raises `Unavailable`."""

    def follow(self, order_id: str) -> History:
        """As `ClientOrders.follow`. Raises `OrderNotFound`."""

    def follow_user(self, user_id: str, since: datetime | None, *, most_open: int, most_events: int) -> UserSnapshot:
        """Marks all orders of the user as followed, those to come too, for as long as a connection may live.

        Ordered with moves as `follow`, and with orders that are being placed by a lock on the user: what the snapshot
        does not hold finds the mark.
        """


class OrderStore(ClientOrders, Protocol):
    """All orders, for what works on them. Every method raises `Unavailable` when the database cannot be reached."""

    def claim(self, order_id: str, lease: Lease, start: RoutingStarted | None = None) -> Claimed | Held | Settled:
        """Takes the order for one worker, unless another has it.

        With `start` a pending order whose time is not over begins in the same write.
        """

    def save_signed_transaction(self, order: Order, transaction: SignedTransaction, lease: Lease) -> Order:
        """Stores the transaction with its bytes, before anything is sent, and renews the lease.

        Raises:
            Fenced: as `advance`.
        """

    def release(self, order: Order, lease: Lease, retry_after_seconds: float) -> None:
        """Gives the lease up without a move; the next worker may take it in so many seconds."""

    def record_failure(self, order: Order, lease: Lease, failure: Failure) -> None:
        """Keeps why a worker could not go on and gives the lease up; does nothing where the lease is lost."""

    def delete_expired_idempotency_keys(self) -> int:
        """Deletes a batch of idempotency keys that are past the time for which they are promised; returns how many.

        0 says that none is left.
        """

    def idle(self, limit: int, again_in: int) -> Idle:
        """Looks at up to `limit` open orders, the longest due first; each is given to one reconciler only.

        Those that are idle are due again in `again_in` seconds, the others when their present worker's time is up.
        """

    def unpublished(self, limit: int) -> Sequence[History]:
        """Orders that are over and whose end was not published, each given to one reconciler only for a while."""

    def count_open(self) -> int:
        """How many orders wait for a worker or have one."""
