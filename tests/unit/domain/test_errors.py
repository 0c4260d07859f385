"""What an error says to whoever caused it."""

import pytest

from chalicelib.domain import errors
from chalicelib.domain.errors import EngineError, InvalidField, InvalidOrder
from chalicelib.domain.transitions import OrderStatus


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InvalidOrder(InvalidField("a", "is wrong"), InvalidField("b", "is too")), "a: is wrong; b: is too"),
        (errors.OrderNotFound("ord_1"), "There is no order ord_1."),
        (errors.ClientOrderIdTaken("ord_1"), "The clientOrderId belongs to order ord_1 already."),
        (errors.RateLimited(5), "You asked for more than one may in a minute: try again in 5 s."),
        (
            errors.TooManyOpenOrders(100),
            "You have 100 open orders, as many as one may: wait until one is over, or cancel one.",
        ),
        (
            errors.NotAmendable("ord_1", OrderStatus.PENDING),
            "Order ord_1 can not be changed: it is pending, and only resting orders can be.",
        ),
        (
            errors.TooManyRestingOrders(1_000),
            "A user may have 1000 resting orders: cancel one, or wait until one has ended.",
        ),
        (errors.TicketOfAnotherOrder(), "The ticket is for another order"),
        (
            errors.TicketOfOneOrder(),
            "The ticket is for one order, and userId needs one that was asked for without orderId",
        ),
        (errors.TicketOfAnotherUser(), "The ticket is of another user than userId"),
    ],
)
def test_an_error_says_what_to_do(error: EngineError, says: str) -> None:
    assert str(error).startswith(says)
