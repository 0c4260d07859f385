"""The order's state machine: one table (state, trigger) → state is the only place that knows what may follow what."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from chalicelib.domain.errors import IllegalTransition


class OrderStatus(StrEnum):
    """Where an order stands, as clients see it."""

    PENDING = "pending"  # stored and queued; no worker has it yet
    ROUTING = "routing"  # a worker asks the venues; a retry comes back here
    BUILDING = "building"  # a route is chosen; cancellable until the transaction is signed
    SUBMITTED = "submitted"  # the transaction may be on the chain: only the chain ends it
    CONFIRMED = "confirmed"  # settled, with its fill
    FAILED = "failed"  # nothing was exchanged, with the reason
    CANCELLED = "cancelled"  # by its client, before anything was signed
    WAITING = "waiting"  # rests until the market gives its price, or its token is launched; no worker may have it
    EXPIRED = "expired"  # its time was over, or it was to be filled at once and could not be

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow."""
        return self in TERMINAL


class Trigger(StrEnum):
    """What makes an order move."""

    START = "start"
    CHOOSE_ROUTE = "choose_route"
    SUBMIT = "submit"
    CONFIRM = "confirm"
    RETRY = "retry"
    FAIL = "fail"
    CANCEL = "cancel"
    FIRE = "fire"
    AMEND = "amend"
    REST = "rest"
    EXPIRE = "expire"


TERMINAL: Final = frozenset({OrderStatus.CONFIRMED, OrderStatus.FAILED, OrderStatus.CANCELLED, OrderStatus.EXPIRED})
OPEN: Final = frozenset(OrderStatus) - TERMINAL
# What a worker may have. A message for another order is dropped.
WORKABLE: Final = OPEN - {OrderStatus.WAITING}

TRANSITIONS: Final = MappingProxyType(
    {
        (OrderStatus.WAITING, Trigger.FIRE): OrderStatus.PENDING,
        (OrderStatus.WAITING, Trigger.AMEND): OrderStatus.WAITING,
        (OrderStatus.WAITING, Trigger.CANCEL): OrderStatus.CANCELLED,
        (OrderStatus.WAITING, Trigger.EXPIRE): OrderStatus.EXPIRED,
        (OrderStatus.WAITING, Trigger.FAIL): OrderStatus.FAILED,
        (OrderStatus.PENDING, Trigger.START): OrderStatus.ROUTING,
        (OrderStatus.PENDING, Trigger.FAIL): OrderStatus.FAILED,
        (OrderStatus.PENDING, Trigger.CANCEL): OrderStatus.CANCELLED,
        (OrderStatus.PENDING, Trigger.EXPIRE): OrderStatus.EXPIRED,
        (OrderStatus.ROUTING, Trigger.CHOOSE_ROUTE): OrderStatus.BUILDING,
        (OrderStatus.ROUTING, Trigger.RETRY): OrderStatus.ROUTING,
        (OrderStatus.ROUTING, Trigger.FAIL): OrderStatus.FAILED,
        (OrderStatus.ROUTING, Trigger.CANCEL): OrderStatus.CANCELLED,
        (OrderStatus.ROUTING, Trigger.EXPIRE): OrderStatus.EXPIRED,
        (OrderStatus.ROUTING, Trigger.REST): OrderStatus.WAITING,
        (OrderStatus.BUILDING, Trigger.SUBMIT): OrderStatus.SUBMITTED,
        (OrderStatus.BUILDING, Trigger.RETRY): OrderStatus.ROUTING,
        (OrderStatus.BUILDING, Trigger.FAIL): OrderStatus.FAILED,
        # Only while no signature is stored: from then on the transaction may be on its way.
        (OrderStatus.BUILDING, Trigger.CANCEL): OrderStatus.CANCELLED,
        (OrderStatus.BUILDING, Trigger.EXPIRE): OrderStatus.EXPIRED,
        # What an earlier worker signed and sent was reverted before anybody noted that it was submitted.
        (OrderStatus.BUILDING, Trigger.REST): OrderStatus.WAITING,
        (OrderStatus.SUBMITTED, Trigger.CONFIRM): OrderStatus.CONFIRMED,
        (OrderStatus.SUBMITTED, Trigger.RETRY): OrderStatus.ROUTING,
        (OrderStatus.SUBMITTED, Trigger.FAIL): OrderStatus.FAILED,
        (OrderStatus.SUBMITTED, Trigger.REST): OrderStatus.WAITING,
    }
)


def next_status(status: OrderStatus, trigger: Trigger) -> OrderStatus:
    """The state that follows.

    Raises:
        IllegalTransition: the table has no such entry.
    """
    try:
        return TRANSITIONS[status, trigger]
    except KeyError:
        raise IllegalTransition(f"An order that is {status} cannot {trigger}.") from None
