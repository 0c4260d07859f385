"""Who may follow an order: whoever names it in open mode, else whoever has a ticket for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.errors import (
    OrderNotFound,
    TicketOfAnotherOrder,
    TicketOfAnotherUser,
    TicketOfOneOrder,
    TicketRefused,
)
from chalicelib.domain.order import is_order_id
from chalicelib.http.identity import owner_of
from chalicelib.http.requests import MAX_ID_SHOWN
from chalicelib.http.signing import SigningKeys
from chalicelib.http.tickets import StreamTicket, read_ticket
from chalicelib.ports.orders import OwnedOrders


def order_id_shown(order_id: str) -> str:
    """A client's own words for an order, as an answer can carry them."""
    return order_id[:MAX_ID_SHOWN].encode("ascii", "replace").decode()


def admit_to_any_user(user_id: str, ticket: str | None) -> datetime | None:  # noqa: ARG001
    """`Admission` to all orders of a user in open mode: a list of them answers anybody, too."""
    return None


def admit_anyone(order_id: str, ticket: str | None) -> datetime | None:  # noqa: ARG001
    """`Admission` in open mode: an order's id is the secret, and a ticket says nothing more.

    The order is looked for behind the follower: one that there is not is forgotten again.
    """
    if not is_order_id(order_id):
        raise OrderNotFound(order_id_shown(order_id))
    return None


@dataclass(frozen=True, slots=True)
class AdmitOwner:
    """`Admission` to all orders of a user in jwt mode: to him alone, by a ticket for all of his."""

    keys: SigningKeys
    now: Callable[[], datetime]

    def __call__(self, user_id: str, ticket: str | None) -> datetime | None:
        """The end of the session that the ticket is from."""
        given = _checked(ticket, self.now(), self.keys)
        if given.subject != user_id:
            raise TicketOfAnotherUser
        if given.order_id is not None:
            raise TicketOfOneOrder
        return given.session_ends_at


def _checked(ticket: str | None, now: datetime, keys: SigningKeys) -> StreamTicket:
    """A ticket of a known user. Raises `TicketRefused`."""
    if ticket is None:
        raise TicketRefused
    given = read_ticket(ticket, now, keys)
    if given.subject is None or given.session_ends_at is None:
        raise TicketRefused  # made while the service was in open mode
    return given


@dataclass(frozen=True, slots=True)
class AdmitByTicket:
    """`Admission` in jwt mode."""

    keys: SigningKeys
    now: Callable[[], datetime]
    orders: OwnedOrders

    def __call__(self, order_id: str, ticket: str | None) -> datetime | None:
        """The end of the session that the ticket is from.

        A ticket for one order is itself the proof: it was made for its owner, and owners never change.
        """
        given = _checked(ticket, self.now(), self.keys)
        if given.order_id is None:
            if not is_order_id(order_id):
                raise OrderNotFound(order_id_shown(order_id))
            self.orders.of(owner_of(given)).get(order_id)
        elif given.order_id != order_id:
            raise TicketOfAnotherOrder
        return given.session_ends_at
