"""What the services need from the outside; the adapters and venues fill these, tests fill them by hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.events import Move, OrderPlaced, RoutingStarted, apply
from chalicelib.domain.identity import Owner
from chalicelib.domain.launches import Launch
from chalicelib.domain.order import Failure, Fill, History, Order, OrderEvent, SignedTransaction
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Route, Venue
from chalicelib.domain.tokens import Token

if TYPE_CHECKING:
    from chalicelib.services.user_stream import Opening


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on an order: every write names the token and finds nothing once another worker has it."""

    token: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Claimed:
    """The order is ours until the lease runs out.

    `fruitless_claims` counts those in a row before this one that ended neither in a move nor in a release: their
    workers died or stumbled. Throttled deliveries never get as far as a claim, and who merely waits releases.
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
    attempt is due in `resume_in` seconds.
    """

    before: Order
    event: Move
    lease: Lease | None
    release: bool = False
    resume_in: float = 0

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

    def release(self, order: Order, lease: Lease, resume_in: float) -> None:
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


class OrdersQueue(Protocol):
    """Orders that wait for a worker. Raises `Unavailable`."""

    def send(self, order_id: str) -> None: ...

    def send_many(self, order_ids: Sequence[str]) -> None:
        """Sends each a message; where it raises, some may have got theirs."""

    def depth(self) -> int:
        """About how many messages there are, those that workers have included; up to a minute old."""


class Ticks(Protocol):
    """The watcher's beats. Raises `Unavailable`."""

    def wake(self) -> None:
        """Has the watcher look at once, and go on until the next minute's beat."""

    def schedule(self, delays: Sequence[int]) -> None:
        """Queues a beat for each delay, in seconds; where it raises, some may have been queued."""


class RestingOrders(Protocol):
    """Orders that rest, as the watcher needs them. Every method raises `Unavailable`.

    Each reads what it returns and little more, however many orders rest.
    """

    def anybody(self) -> bool:
        """Whether any order rests."""

    def count(self, most: int) -> int:
        """How many orders rest, counted up to `most`."""

    def count_fired(self, most: int) -> int:
        """How many orders fired and have no worker yet, counted up to `most`."""

    def pairs(self) -> Sequence[tuple[str, str]]:
        """The pairs, input and output symbol, that limit orders rest in."""

    def expired(self, limit: int) -> Sequence[Order]:
        """Resting orders whose time is over, the longest first."""

    def crossing(self, touches: Sequence[tuple[str, str, Decimal]], limit: int) -> Sequence[Order]:
        """Limit orders whose bound the touch of their pair has reached: pair by pair as given, by price, then time."""

    def sniped(self, symbols: Sequence[str]) -> Collection[str]:
        """Those of the tokens that a sniper order rests for."""

    def sniping(self, symbol: str, after: str, limit: int) -> Sequence[Order]:
        """Sniper orders that rest for this token, placed after the one with the id `after`, the oldest first."""

    def postpone(self, orders: Sequence[Order], seconds: int) -> None:
        """Has them looked at again in so many seconds, without an event."""

    def move(self, moves: Sequence[tuple[Order, Move]], most_fired: int | None = None) -> Sequence[str]:
        """Writes all moves and events in one statement and returns the ids of the orders that moved.

        Those do that still rest as they were read. What another watcher has locked is left to it. Firings are so many
        at most, with those that have no worker yet; the first go first.
        """

    def followed(self, order_ids: Sequence[str]) -> Sequence[History]:
        """Those of the orders that somebody follows, with their events."""

    def save_launches(self, launches: Sequence[Launch]) -> None:
        """Keeps each pool once, with every event that told of it, as it was seen last."""

    def awake_until(self) -> datetime:
        """Up to when beats are queued."""

    def stay_awake(self, until: datetime) -> None:
        """Notes up to when beats are queued."""

    def last_beat(self) -> datetime | None:
        """When the last whole beat began."""

    def note_beat(self, at: datetime) -> None:
        """Notes a whole beat; an earlier one than is noted changes nothing."""


class StatusEvents(Protocol):
    """What followers are told: one message is an order's whole history so far. Raises `Unavailable`."""

    def send(self, history: History, *, connection_id: str | None = None, repeat: bool = False) -> None:
        """Queues the history in the order's group; `connection_id` narrows it to one follower.

        `repeat` sends a history that may have been sent before: the queue would drop it as a duplicate otherwise.
        """


class StreamEvents(StatusEvents, Protocol):
    """As `StatusEvents`, for whoever begins to follow."""

    def open_streams(self, messages: Sequence[Opening]) -> None:
        """Queues what a connection's stream of all orders of a user begins with, in a group of the connection."""


class Router(Protocol):
    """Asks every venue at once."""

    @property
    def venues(self) -> Sequence[Venue]:
        """The venues that are asked, in the order that decides a tie."""

    def quotes(self, request: QuoteRequest) -> list[Quote | NoQuote]:
        """One answer a venue, in the order of `venues`, within a deadline."""


class SwapBuilder(Protocol):
    """Builds swaps on the venue that a route chose."""

    def build_swap(self, order: Order, route: Route, height: int) -> SignedTransaction:
        """The signed bytes of one swap, which stay valid for a while from this height of the chain on.

        Nothing is sent. Raises `VenueError`.
        """


class VenueConnector(Protocol):
    """One venue: `venues` has a module for each. Both calls raise `VenueError`."""

    @property
    def name(self) -> Venue: ...

    def quote(self, request: QuoteRequest) -> Quote:
        """What the venue gives or takes right now."""

    def build(self, order: Order, route: Route, height: int) -> SignedTransaction:
        """As `SwapBuilder.build_swap`."""


class Market(Protocol):
    """Prices as they are at a moment, with no delay: what resting orders are compared with.

    A real one reads the pools' accounts, as keepers do.
    """

    def touches(self, input_token: Token, output_token: Token, at: datetime) -> Mapping[Venue, Fraction]:
        """What each venue pays for an infinitely small amount after fees, in base units; empty where nobody trades."""

    def preview(self, request: QuoteRequest, at: datetime) -> list[Quote | NoQuote]:
        """Each venue's quote for the full size, as its router would get it."""

    def bound(self, request: QuoteRequest, limit: Fraction, at: datetime) -> Fraction:
        """The lowest touch at which the full size could be worth the limit: below it nobody needs to look."""

    def launches(self, since: datetime, until: datetime) -> Sequence[Launch]:
        """Confirmed pools of new tokens with events in this time, as they stand at `until`, oldest first.

        The same pool may be there twice, under two event ids.
        """

    def upcoming(self, at: datetime, count: int) -> Sequence[Launch]:
        """What will be launched next, where somebody knows."""

    def launched(self, token: Token, at: datetime) -> Launch | None:
        """The confirmed pool of this new token, if it has one by then."""


class TransactionStatus(StrEnum):
    """What the chain knows of a signature."""

    UNKNOWN = "unknown"
    PROCESSING = "processing"
    CONFIRMED = "confirmed"
    REVERTED = "reverted"


@dataclass(frozen=True, slots=True)
class TransactionResult:
    """What a node of the chain knew of a transaction when the chain, as that node saw it, was at `height`.

    Raises:
        ValueError: a swap that was reverted has no failure, or one that was confirmed no fill; without them nobody
            could end it.
    """

    status: TransactionStatus
    height: int
    fill: Fill | None = None
    failure: Failure | None = None

    def __post_init__(self) -> None:
        """Refuses an answer that says too little."""
        if self.status is TransactionStatus.REVERTED and self.failure is None:
            raise ValueError("A swap that was reverted needs a failure.")
        if self.status is TransactionStatus.CONFIRMED and self.fill is None:
            raise ValueError("A swap that was confirmed needs a fill.")

    def rules_out(self, transaction: SignedTransaction) -> bool:
        """Whether the transaction can never land any more.

        Unknown is final only from a node that is past the last valid height itself: one that lags behind does not know
        yet what has landed, whatever the time and whatever another node says of the height.
        """
        return self.status is TransactionStatus.UNKNOWN and self.height > transaction.last_valid_height


class ChainClient(Protocol):
    """The chain, whatever the venue. Answers may come late, twice and out of order."""

    @property
    def soonest_confirmation(self) -> float:
        """Seconds from the answer to a send until a confirmation at the soonest: nobody has to ask before."""

    def height(self) -> int:
        """The height of the newest block. Raises `OutcomeUnknown` when the chain cannot be asked."""

    def send(self, transaction: SignedTransaction) -> None:
        """Sends the signed bytes; sending them again changes nothing.

        Raises:
            OutcomeUnknown: the chain did not answer in time; it may have them.
            VenueError: the chain refused them this time; what was sent earlier may have landed all the same.
        """

    def transaction_status(self, transaction: SignedTransaction) -> TransactionResult:
        """What became of it; `CONFIRMED` and `REVERTED` are told of confirmed blocks only.

        Raises `OutcomeUnknown` when the chain cannot be asked.
        """


class Clock(Protocol):
    """Time, as the services see it."""

    def now(self) -> datetime: ...

    def sleep(self, seconds: float) -> None: ...


class Telemetry(Protocol):
    """Structured log lines and metrics."""

    def debug(self, event: str, **fields: object) -> None:
        """A step, written where LOG_LEVEL is DEBUG: an order's end tells its steps anyway."""

    def log(self, event: str, **fields: object) -> None: ...

    def warn(self, event: str, **fields: object) -> None: ...

    def exception(self, event: str, error: Exception, **fields: object) -> None:
        """Something that should not happen, with its traceback."""

    def add_metric(self, metric: str, value: float = 1, **dimensions: str) -> None: ...


class CrashPoint(Protocol):
    """Where a test may kill the process; does nothing otherwise."""

    def __call__(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order that is durable; `replayed` where an earlier request with the same key had placed it.

    `market` is what a limit order's full size would be paid right now.
    """

    order: Order
    replayed: bool
    market: Fraction | None = None
