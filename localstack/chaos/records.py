"""What a run leaves behind, as plain values: the only thing that the audit looks at.

Moments are in seconds since the epoch. Nothing here comes from the engine's own modules: an auditor that shared the
engine's tables would share its mistakes. The end states are those of the client, which knows only the wire.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from order_engine import OVER

CONFIRMED = "confirmed"
# A status that was posted is recorded within this many seconds, a throttled table and a busy machine included; and its
# follower, which shares the machine with the stack, has it that many after a push that is dead by then posted it.
RECORDED_WITHIN = 5.0
ARRIVES_WITHIN = 2.0


@dataclass(frozen=True)
class OrderRecord:
    """A row of `orders`."""

    id: str
    status: str
    attempt: int
    sequence: int
    signature: str | None
    amount_in: int | None
    amount_out: int | None
    error_code: str | None
    error_message: str | None
    created_at: float
    updated_at: float
    # What is still to be done about it: reconcile's next look and the worker's lease.
    attention_at: float | None = None
    lease_expires_at: float | None = None
    order_type: str = "market"
    input_token: str = ""
    output_token: str = ""
    side: str = "sell"
    amount: int = 0
    limit_price: Decimal | None = None
    time_in_force: str | None = None
    expires_at: float | None = None
    fires: int = 0
    # Past this block its transaction is refused.
    last_valid_height: int | None = None
    user_id: str = ""

    @property
    def rests(self) -> bool:
        """Whether it may wait for its price or its launch."""
        return self.order_type != "market"

    @property
    def is_over(self) -> bool:
        """Whether nothing can follow."""
        return self.status in OVER


@dataclass(frozen=True)
class EventRecord:
    """A row of `order_events`."""

    order_id: str
    sequence: int
    status: str
    attempt: int
    message: str
    at: float
    meta: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ChainRecord:
    """A row of `chain_transactions`: what the simulated chain did, whatever the engine believes."""

    signature: str
    order_id: str
    attempt: int
    outcome: str
    submissions: int
    amount_in: int | None
    amount_out: int | None
    submitted_at: float
    lands_at: float

    @property
    def settles(self) -> bool:
        """Whether the swap happened, or will at `lands_at`: nothing can stop it any more."""
        return self.outcome == "settles"


@dataclass(frozen=True)
class DeadLetterRecord:
    """A row of `dead_letters`."""

    message_id: str
    order_id: str | None
    verdict: str
    at: float


@dataclass(frozen=True)
class Frame:
    """A status as a follower received it."""

    sequence: int
    status: str
    attempt: int
    at: float


@dataclass
class Connection:
    """One connection's subscription to one order, from behind `after` on."""

    after: int
    opened_at: float
    frames: list[Frame] = field(default_factory=list)
    closed_at: float | None = None
    # How it ended, for the timeline.
    ending: str = "open"


@dataclass
class Transcript:
    """Everything that one follower of one order saw; it comes back behind the last status that it has."""

    order_id: str
    name: str
    connections: list[Connection] = field(default_factory=list)
    # False for one that hung up for good on purpose.
    stays: bool = True

    @property
    def last_sequence(self) -> int:
        """The newest status that it has."""
        return max((frame.sequence for each in self.connections for frame in each.frames), default=0)

    @property
    def has_the_end(self) -> bool:
        """Whether it was told of the order's end."""
        return any(frame.status in OVER for each in self.connections for frame in each.frames)


@dataclass(frozen=True)
class SnapshotFrame:
    """The snapshot that a connection to all orders of a user began with.

    `open` is up to where it shows each order that is open; from `since` on every status is told.
    """

    at: float
    since: float | None
    open: Mapping[str, int]
    more: bool = False


@dataclass
class UserConnection:
    """One connection's subscription to all orders of a user; `frames` are each of an order."""

    asked_since: float | None
    opened_at: float
    shown: SnapshotFrame | None = None
    frames: list[tuple[str, Frame]] = field(default_factory=list)
    closed_at: float | None = None
    ending: str = "open"


@dataclass
class UserTranscript:
    """Everything that one follower of all orders of a user saw; it comes back with the newest time that it has."""

    user_id: str
    name: str
    connections: list[UserConnection] = field(default_factory=list)

    @property
    def first_shown(self) -> UserConnection | None:
        """The first connection that brought anything: what was before it was asked for by its `since` only."""
        return next((each for each in self.connections if each.shown is not None), None)

    def frames_of(self, order_id: str) -> list[Frame]:
        """Every frame of this order, over all connections."""
        return [frame for each in self.connections for named, frame in each.frames if named == order_id]


@dataclass(frozen=True)
class Interruption:
    """A push was stopped at this moment, perhaps between posting and recording.

    `recorded` is read from the connections table right afterwards: for each order that is followed by its name, the
    newest status noted for the follower that is furthest behind; `of_users` has for each user that is followed what is
    noted of his orders, a mapping a follower. What was posted beyond that is posted again.
    """

    at: float
    reason: str
    recorded: Mapping[str, int]
    of_users: Mapping[str, tuple[Mapping[str, int], ...]] = field(default_factory=dict)

    def explains(self, order_id: str, frame: "Frame", user_id: str | None = None) -> bool:
        """Whether the push that posted this status may have died before it could record it.

        To somebody who follows the order, or all orders of this user.
        """
        if user_id is None:
            unrecorded = frame.sequence > self.recorded.get(order_id, frame.sequence)
        else:
            unrecorded = any(frame.sequence > known.get(order_id, 0) for known in self.of_users.get(user_id, ()))
        return unrecorded and -ARRIVES_WITHIN <= self.at - frame.at <= RECORDED_WITHIN


@dataclass(frozen=True)
class Unanswered:
    """What a push logged of a call that it got no answer to: then it cannot know what became of it, and posts again.

    No fault needs to strike for it, only a machine that is busy for longer than the call may take: `within` seconds.
    `order_id` is None where it was about what a stream of all orders of a user begins with.
    """

    at: float
    order_id: str | None
    reason: str
    within: float

    def explains(self, order_id: str, frame: "Frame", user_id: str | None = None) -> bool:
        """Whether this status may have been posted by a push that did not hear of it."""
        about_it = self.order_id == order_id or (self.order_id is None and user_id is not None)
        return about_it and -ARRIVES_WITHIN <= self.at - frame.at <= self.within


@dataclass(frozen=True)
class Outage:
    """From when until when the watcher may not have looked, for a fault's sake."""

    since: float
    until: float


@dataclass(frozen=True)
class Pool:
    """A launch that was confirmed, as the simulated world has it."""

    token: str
    confirmed_at: float
    opens_at: float


@dataclass(frozen=True)
class Market:
    """What the simulated world did meanwhile, whatever the engine saw of it.

    `paid` are the seconds in which each resting order's limit was paid for its full size, `pools` the launches that
    were confirmed, by address.
    """

    paid: Mapping[str, frozenset[int]] = field(default_factory=dict)
    pools: Mapping[str, Pool] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """All that is known at the end of a run. `accepted` are the ids that were answered with 202."""

    accepted: frozenset[str]
    orders: tuple[OrderRecord, ...]
    events: tuple[EventRecord, ...]
    chain: tuple[ChainRecord, ...]
    dead_letters: tuple[DeadLetterRecord, ...]
    transcripts: tuple[Transcript, ...]
    user_transcripts: tuple[UserTranscript, ...] = ()
    interruptions: tuple[Interruption, ...] = ()
    unanswered: tuple[Unanswered, ...] = ()
    outages: tuple[Outage, ...] = ()
    market: Market = Market()
    # For how many blocks a transaction is valid.
    lifetime_blocks: int = 0
