"""The order's state machine: one table (state, trigger) → state is the only place that knows what may follow what."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from chalicelib.domain.errors import IllegalTransition


class OrderStatus(StrEnum):
    """Where an order stands, as clients see it."""

    PENDING = "pending"
    ROUTING = "routing"
    BUILDING = "building"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    CANCELLED = "cancelled"

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


TERMINAL: Final = frozenset({OrderStatus.CONFIRMED, OrderStatus.FAILED, OrderStatus.CANCELLED})
OPEN: Final = frozenset(OrderStatus) - TERMINAL

TRANSITIONS: Final = MappingProxyType(
    {
        (OrderStatus.PENDING, Trigger.START): OrderStatus.ROUTING,
        (OrderStatus.PENDING, Trigger.FAIL): OrderStatus.FAILED,
        (OrderStatus.PENDING, Trigger.CANCEL): OrderStatus.CANCELLED,
        (OrderStatus.ROUTING, Trigger.CHOOSE_ROUTE): OrderStatus.BUILDING,
        (OrderStatus.ROUTING, Trigger.RETRY): OrderStatus.ROUTING,
        (OrderStatus.ROUTING, Trigger.FAIL): OrderStatus.FAILED,
        (OrderStatus.ROUTING, Trigger.CANCEL): OrderStatus.CANCELLED,
        (OrderStatus.BUILDING, Trigger.SUBMIT): OrderStatus.SUBMITTED,
        (OrderStatus.BUILDING, Trigger.RETRY): OrderStatus.ROUTING,
        (OrderStatus.BUILDING, Trigger.FAIL): OrderStatus.FAILED,
        # Only while no signature is stored: from then on the transaction may be on its way.
        (OrderStatus.BUILDING, Trigger.CANCEL): OrderStatus.CANCELLED,
        (OrderStatus.SUBMITTED, Trigger.CONFIRM): OrderStatus.CONFIRMED,
        (OrderStatus.SUBMITTED, Trigger.RETRY): OrderStatus.ROUTING,
        (OrderStatus.SUBMITTED, Trigger.FAIL): OrderStatus.FAILED,
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
