"""What can happen to an order: one type a happening, in the past tense, with what it changed.

The sentence that people read and the JSON that clients get are made of these in one place,
`services/event_messages.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, TypeAlias

from chalicelib.domain.launches import Launch
from chalicelib.domain.order import Changes, Failure, Fill, Order
from chalicelib.domain.quotes import Route, Venue
from chalicelib.domain.transitions import Trigger


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """The order is stored; no worker has it yet. `market` is what its full size would have been paid, in base units."""

    market: Fraction | None = None


@dataclass(frozen=True, slots=True)
class RoutingStarted:
    """A worker has the order and asks these venues, in this order."""

    trigger: ClassVar = Trigger.START
    venues: tuple[Venue, ...]


@dataclass(frozen=True, slots=True)
class RouteChosen:
    """The best quote was chosen; its limits hold from here on."""

    trigger: ClassVar = Trigger.CHOOSE_ROUTE
    route: Route


@dataclass(frozen=True, slots=True)
class TransactionSubmitted:
    """The signed bytes were sent: from here on only the chain decides."""

    trigger: ClassVar = Trigger.SUBMIT
    signature: str


@dataclass(frozen=True, slots=True)
class OrderFilled:
    """The transaction landed and exchanged this."""

    trigger: ClassVar = Trigger.CONFIRM
    signature: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt came to nothing; the next one is due in `retry_in` seconds."""

    trigger: ClassVar = Trigger.RETRY
    failure: Failure
    retry_in: float


@dataclass(frozen=True, slots=True)
class AttemptRestarted:
    """Nobody worked on the order in time: the same attempt is made anew, for that is no fault of the trader's."""

    trigger: ClassVar = Trigger.RETRY
    failure: Failure


@dataclass(frozen=True, slots=True)
class OrderFailed:
    """Nothing was exchanged and nothing will be; `price_impact_pct` where that was the reason."""

    trigger: ClassVar = Trigger.FAIL
    failure: Failure
    price_impact_pct: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """Its client took it back before anything was signed."""

    trigger: ClassVar = Trigger.CANCEL


@dataclass(frozen=True, slots=True)
class PriceReached:
    """The watcher saw the market pay the limit for the full size: `price` in base units, `at` the market's second."""

    trigger: ClassVar = Trigger.FIRE
    price: Fraction
    at: datetime
    latency_ms: int


@dataclass(frozen=True, slots=True)
class TokenLaunched:
    """The watcher saw a launch that meets the order's conditions."""

    trigger: ClassVar = Trigger.FIRE
    launch: Launch
    at: datetime
    latency_ms: int


@dataclass(frozen=True, slots=True)
class LimitMissed:
    """The price was gone when the venues were asked: the order rests again, and is looked at again in so many seconds.

    `best` is the best of the quotes, in base units, None where there was none.
    """

    trigger: ClassVar = Trigger.REST
    failure: Failure
    best: Fraction | None
    again_in: int
    fires_from: datetime


@dataclass(frozen=True, slots=True)
class OrderAmended:
    """Its client changed it while it rested; what is None stays."""

    trigger: ClassVar = Trigger.AMEND
    limit_price: Decimal | None
    bound: Decimal | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderExpired:
    """Its time is over, or, with a failure, it was to be filled at once and could not be."""

    trigger: ClassVar = Trigger.EXPIRE
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class LaunchSkipped:
    """Its token was launched, and until the launch was too old these conditions did not hold."""

    trigger: ClassVar = Trigger.FAIL
    failure: Failure
    conditions: tuple[str, ...]


RestingMove: TypeAlias = PriceReached | TokenLaunched | LimitMissed | OrderAmended | OrderExpired
Move: TypeAlias = (
    RoutingStarted
    | RouteChosen
    | TransactionSubmitted
    | OrderFilled
    | AttemptFailed
    | AttemptRestarted
    | OrderFailed
    | OrderCancelled
    | LaunchSkipped
    | RestingMove
)


def apply(order: Order, event: Move) -> Order:
    """The order after the event.

    Raises:
        IllegalTransition: it cannot happen to an order in this state.
    """
    return order.moved(event.trigger, **_changes(order, event))


def _changes(order: Order, event: Move) -> Changes:
    match event:
        case RouteChosen(route=route):
            return {"route": route}
        case OrderFilled(fill=fill):
            return {"fill": fill}
        case AttemptFailed():
            return {"attempt": order.attempt + 1, "route": None, "transaction": None}
        case AttemptRestarted():
            return {"route": None, "transaction": None}
        case OrderFailed(failure=failure) | LaunchSkipped(failure=failure):
            return {"failure": failure}
        case OrderCancelled():
            return {"failure": None}
        case RoutingStarted() | TransactionSubmitted():
            return {}
        case _:
            return _resting_changes(order, event)


def _resting_changes(order: Order, event: RestingMove) -> Changes:
    match event:
        case PriceReached(at=at) | TokenLaunched(at=at):
            return {"attempt": 1, "fires": order.fires + 1, "fired_at": at, "fires_from": None, "failure": None}
        case LimitMissed(fires_from=fires_from):
            return {"attempt": 1, "route": None, "transaction": None, "fires_from": fires_from}
        case OrderAmended(limit_price=limit_price, bound=bound, expires_at=expires_at):
            return {
                "limit_price": limit_price or order.limit_price,
                "bound": bound if limit_price else order.bound,
                "expires_at": expires_at or order.expires_at,
                "fires_from": None,
            }
        case OrderExpired(failure=failure):
            return {"failure": failure, "route": None}
