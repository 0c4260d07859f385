"""What can happen to an order: one type a happening, in the past tense, with what it changed.

The sentence that people read and the JSON that clients get are made of these in one place,
`services/event_messages.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, TypeAlias

from chalicelib.domain.order import Changes, Failure, Fill, Order
from chalicelib.domain.quotes import Route, Venue
from chalicelib.domain.transitions import Trigger


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """The order is stored; no worker has it yet."""


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


Move: TypeAlias = (
    RoutingStarted
    | RouteChosen
    | TransactionSubmitted
    | OrderFilled
    | AttemptFailed
    | AttemptRestarted
    | OrderFailed
    | OrderCancelled
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
        case OrderFailed(failure=failure):
            return {"failure": failure}
        case OrderCancelled():
            return {"failure": None}
        case RoutingStarted() | TransactionSubmitted():
            return {}
