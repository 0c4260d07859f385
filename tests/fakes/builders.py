"""Orders, quotes and routes with every field filled; tests name only what matters to them."""

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.events import (
    AttemptFailed,
    LimitMissed,
    Move,
    OrderCancelled,
    OrderExpired,
    OrderFailed,
    OrderFilled,
    RouteChosen,
    RoutingStarted,
    TransactionSubmitted,
)
from chalicelib.domain.order import Failure, Fill, NewOrder, Order, SignedTransaction, first_id_at
from chalicelib.domain.quotes import NoQuote, Quote, Route, Side, Venue, choose_route
from chalicelib.domain.tokens import SOL, USDC, Token
from chalicelib.domain.transitions import OrderStatus, Trigger
from tests.fakes.clock import START

ONE_SOL = 1_000_000_000
RAYDIUM, METEORA = "raydium", "meteora"
ROUTED = frozenset({OrderStatus.BUILDING, OrderStatus.SUBMITTED, OrderStatus.CONFIRMED})


def an_id(moment: datetime = START) -> str:
    """A fresh order id of that moment."""
    return f"{first_id_at(moment)}{secrets.token_hex(10)}"


def new_order(
    *,
    user: str = "user-1",
    amount: int = ONE_SOL,
    side: Side = Side.SELL,
    input_token: Token = SOL,
    output_token: Token = USDC,
    slippage_bps: int = 50,
    client_order_id: str | None = None,
) -> NewOrder:
    """A validated order."""
    return NewOrder(user, "wallet-1", input_token, output_token, side, amount, slippage_bps, client_order_id)


def a_quote(
    venue: Venue = RAYDIUM,
    amount_in: int = ONE_SOL,
    amount_out: int = 165_000_000,
    *,
    fee: int = 2_500_000,
    expires_at: datetime = START + timedelta(seconds=30),
) -> Quote:
    """One SOL for 165 USDC unless told otherwise."""
    return Quote(venue, amount_in, amount_out, fee, Decimal("0.0100"), expires_at)


def no_quote(
    venue: Venue = METEORA,
    *,
    code: ErrorCode = ErrorCode.NO_QUOTE,
    message: str = "The venue answered with an error.",
    retryable: bool = True,
) -> NoQuote:
    """A venue that gave none."""
    return NoQuote(venue, code, message, retryable)


def a_transaction(signature: str = "signature") -> SignedTransaction:
    """A signed transaction that no test waits out."""
    return SignedTransaction(signature, f"bytes of {signature}".encode(), last_valid_height=2**40)


def an_order(
    status: OrderStatus = OrderStatus.PENDING,
    *,
    order_id: str | None = None,
    user: str = "user-1",
    side: Side = Side.SELL,
    amount: int = ONE_SOL,
    input_token: Token = SOL,
    output_token: Token = USDC,
    slippage_bps: int = 50,
    attempt: int = 1,
    sequence: int = 1,
    client_order_id: str | None = None,
    route: Route | None = None,
    transaction: SignedTransaction | None = None,
) -> Order:
    """An order as it is stored; a route is made up where its status needs one."""
    order = Order(
        id=order_id or an_id(),
        user_id=user,
        wallet_address="wallet-1",
        input_token=input_token,
        output_token=output_token,
        side=side,
        amount=amount,
        slippage_bps=slippage_bps,
        client_order_id=client_order_id,
        status=status,
        attempt=attempt,
        sequence=sequence,
        created_at=START,
        updated_at=START,
        route=route,
        transaction=transaction,
    )
    if route is None and status in ROUTED:
        return replace(order, route=a_route(order))
    return order


def an_event(order: Order, trigger: Trigger, text: str = "No.", **given: object) -> Move:
    """What the trigger stands for, made up but for what is given; `text` tells two of a kind apart."""
    failure = Failure(ErrorCode.NO_QUOTE, text, retryable=True)
    signature = (order.transaction or a_transaction()).signature
    made_up: dict[Trigger, Move] = {
        Trigger.START: RoutingStarted((text,)),
        Trigger.SUBMIT: TransactionSubmitted(signature),
        Trigger.CONFIRM: OrderFilled(signature, Fill(1, 2, 3)),
        Trigger.RETRY: AttemptFailed(failure, retry_in=1),
        Trigger.FAIL: OrderFailed(failure),
        Trigger.CANCEL: OrderCancelled(),
        Trigger.EXPIRE: OrderExpired(failure),
        Trigger.REST: LimitMissed(failure, best=None, again_in=2, fires_from=order.created_at),
    }
    event = RouteChosen(a_route(order)) if trigger is Trigger.CHOOSE_ROUTE else made_up[trigger]
    return replace(event, **given)  # type: ignore[arg-type]


def a_route(order: Order, *quotes: Quote) -> Route:
    """The choice between the quotes, or between two made-up ones."""
    given = quotes or (
        a_quote(RAYDIUM, amount_out=165_000_000),
        a_quote(METEORA, amount_out=169_000_000),
    )
    return choose_route(order.quote_request(), list(given), order.slippage_bps)
