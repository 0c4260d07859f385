"""The order and its events as clients read them: over HTTP, and in every message of the stream."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, NotRequired, cast

# pydantic reads these classes for the specification, and before Python 3.12 it can read only this TypedDict.
from typing_extensions import TypedDict

from chalicelib.domain.amounts import format_amount, plain
from chalicelib.domain.order import (
    MAX_ATTEMPTS,
    Failure,
    History,
    LaunchConditions,
    LaunchEvent,
    Order,
    OrderEvent,
    OrderType,
)
from chalicelib.domain.quotes import NoQuote, Quote, QuoteRequest, Route, limits_of
from chalicelib.domain.tokens import Token
from chalicelib.services.wire import (
    BaseUnits,
    Details,
    Exact,
    Moment,
    OrderId,
    Reason,
    SchemaInfo,
    Sentence,
    Sequence,
    SideName,
    Status,
    Symbol,
    VenueName,
)


class AmountView(TypedDict):
    """An exact amount: a decimal string for people, integer base units (as a string: u64 does not fit a double)."""

    amount: Exact
    baseUnits: BaseUnits
    token: Symbol


class QuoteView(TypedDict):
    """One venue's quote. `effectivePrice` is output per input after fees.

    `priceImpactPct` is the shortfall against the pool's spot price in percent, fees left out, as Raydium AMM v4 defines
    it; rounding to base units is none. `minimumOutput` and `maximumInput` are rounded down, as Raydium's and Meteora's
    are (Jupiter's minimum may be a unit more).
    """

    venue: VenueName
    amountIn: AmountView
    amountOut: AmountView
    fee: AmountView
    effectivePrice: Exact
    priceImpactPct: Exact
    minimumOutput: AmountView
    maximumInput: AmountView
    expiresAt: Moment


class NoQuoteView(TypedDict):
    """A venue that gave no quote, and why."""

    venue: VenueName
    code: Reason
    message: Sentence


class RouteView(TypedDict):
    """The routing decision: every venue's answer, the choice and its reason."""

    chosenDex: VenueName
    reason: Sentence
    steps: Annotated[
        list[str], SchemaInfo("What the swap consists of.", examples=(["wrap SOL", "swap WSOL for USDC"],))
    ]
    spreadBps: Annotated[int | None, SchemaInfo("How far apart the venues are; null with one quote.")]
    minimumOutput: AmountView
    maximumInput: AmountView
    quotes: list[QuoteView]
    unavailable: list[NoQuoteView]


class ErrorView(TypedDict):
    """Why an order failed; `retryable` tells whether placing it again may work."""

    code: Reason
    message: Sentence
    retryable: bool


class LaunchConditionsView(TypedDict):
    """Which launch a sniper order fires at."""

    event: Annotated[str, SchemaInfo("How the pool came about.", one_of=tuple(str(kind) for kind in LaunchEvent))]
    minimumLiquidityUsd: Annotated[str, SchemaInfo("Dollars that the pool must hold.", pattern=r"^[0-9]+(\.[0-9]+)?$")]
    maxAgeSeconds: Annotated[int, SchemaInfo("How old the launch may be, from its confirmation or its opening.")]
    requireSafe: Annotated[bool, SchemaInfo("No mint authority, no freeze authority, no transfer fee.")]


class OpenOrderView(TypedDict):
    """An order as a snapshot shows it: without its route, which GET /api/orders/{id} has."""

    id: OrderId
    orderId: OrderId
    userId: Annotated[str, SchemaInfo("Whose order it is.")]
    walletAddress: Annotated[str, SchemaInfo("The wallet that trades.")]
    clientOrderId: Annotated[str | None, SchemaInfo("Your own id for the order.")]
    orderType: Annotated[str, SchemaInfo("When it executes.", one_of=tuple(str(kind) for kind in OrderType))]
    inputToken: Symbol
    outputToken: Symbol
    side: SideName
    amount: Exact
    amountBaseUnits: BaseUnits
    slippageBps: Annotated[
        int, SchemaInfo("How far the execution may be worse than the quote, in hundredths of a percent.")
    ]
    maxPriceImpactBps: Annotated[int, SchemaInfo("How far the swap may move the market, in hundredths of a percent.")]
    limitPrice: Annotated[Exact | None, SchemaInfo("Output per input after fees; it never settles for less.")]
    timeInForce: Annotated[str | None, SchemaInfo("Of a limit order: how long it waits for its price.")]
    expiresAt: Annotated[Moment | None, SchemaInfo("From when on nothing is signed any more.")]
    launch: Annotated[LaunchConditionsView | None, SchemaInfo("Of a sniper order: which launch it fires at.")]
    fires: Annotated[int, SchemaInfo("How often it was sent to the workers since it rested.")]
    firedAt: Annotated[Moment | None, SchemaInfo("When it was, the last time.")]
    status: Status
    attempts: Annotated[int, SchemaInfo("The present attempt, from 1 with each firing.")]
    maxAttempts: Annotated[int, SchemaInfo("After so many attempts the order fails.")]
    sequence: Annotated[int, SchemaInfo("That of the newest event.")]
    chosenDex: VenueName | None
    expectedInput: Annotated[AmountView | None, SchemaInfo("What the chosen quote takes.")]
    expectedOutput: Annotated[Exact | None, SchemaInfo("What the chosen quote gives.")]
    expectedOutputBaseUnits: BaseUnits | None
    minimumOutput: Annotated[Exact | None, SchemaInfo("The order never settles for less.")]
    minimumOutputBaseUnits: BaseUnits | None
    maximumInput: Annotated[Exact | None, SchemaInfo("The order never settles for more.")]
    maximumInputBaseUnits: BaseUnits | None
    txHash: Annotated[str | None, SchemaInfo("The transaction's signature; known once it is signed.")]
    executedPrice: Annotated[Exact | None, SchemaInfo("Output per input that really settled.")]
    executedInput: Annotated[AmountView | None, SchemaInfo("What really went in.")]
    executedOutput: Annotated[AmountView | None, SchemaInfo("What really came out.")]
    fee: Annotated[AmountView | None, SchemaInfo("Included in executedInput.")]
    error: Annotated[ErrorView | None, SchemaInfo("Why it failed; null otherwise.")]
    errorMessage: Annotated[
        str | None, SchemaInfo("error.message, where clients of the Node service before this one look.")
    ]
    createdAt: Moment
    updatedAt: Moment


class OrderView(OpenOrderView):
    """An order. Amounts are exact decimal strings; those in base units are integers written as strings."""

    route: Annotated[
        RouteView | None, SchemaInfo("The decision; null until it is made, and while an attempt is repeated.")
    ]


class EventView(TypedDict):
    """One status change."""

    orderId: OrderId
    sequence: Sequence
    status: Status
    attempt: int
    at: Moment
    message: Sentence
    meta: Details


class StatusMessage(TypedDict):
    """What the stream sends for an event; `order` stands in the newest status of a push only."""

    type: Literal["status"]
    orderId: OrderId
    sequence: Sequence
    status: Status
    attempt: int
    at: Moment
    message: Sentence
    meta: Details
    txHash: str | None
    error: NotRequired[ErrorView]
    order: NotRequired[OrderView]


class SnapshotMessage(TypedDict):
    """What a stream of all of a user's orders begins with: those that are open, the newest first.

    What happened after `since` follows, then what happens next; each order's statuses go on behind the sequence that
    was shown. An order that is in none of these is told from its first status on, once it moves.
    """

    type: Literal["snapshot"]
    userId: Annotated[str, SchemaInfo("Whose orders these are.")]
    at: Moment
    since: Annotated[
        Moment | None,
        SchemaInfo(
            "From when on every status follows: a minute before what you asked for, for statuses of different orders "
            "overtake each other; or later, where that was over 500 of them, and GET /api/events has those before. "
            "null where you asked for none."
        ),
    ]
    open: Annotated[list[OpenOrderView], SchemaInfo("Up to 100 orders that are not over.")]
    more: Annotated[bool, SchemaInfo("Whether more are open than stand here: GET /api/orders lists them.")]


class HistoryView(TypedDict):
    """An order's whole history so far: the content of a message on the status-events queue."""

    order: OrderView
    events: list[EventView]


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: 2026-11-22T18:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def amount_view(base_units: int, token: Token) -> AmountView:
    """An amount in both notations."""
    return {"amount": format_amount(base_units, token), "baseUnits": str(base_units), "token": token.symbol}


def quote_view(quote: Quote, request: QuoteRequest, slippage_bps: int) -> QuoteView:
    """A quote for the pair of the request, and within what it would have to settle."""
    limits = limits_of(quote, request.side, slippage_bps)
    return {
        "venue": quote.venue,
        "amountIn": amount_view(quote.amount_in, request.input_token),
        "amountOut": amount_view(quote.amount_out, request.output_token),
        "fee": amount_view(quote.fee, request.input_token),
        "effectivePrice": plain(quote.effective_price(request)),
        "priceImpactPct": plain(quote.price_impact_pct),
        "minimumOutput": amount_view(limits.minimum_output, request.output_token),
        "maximumInput": amount_view(limits.maximum_input, request.input_token),
        "expiresAt": timestamp(quote.expires_at),
    }


def no_quote_view(answer: NoQuote) -> NoQuoteView:
    """Why a venue gave none."""
    return {"venue": answer.venue, "code": answer.code, "message": answer.message}


def route_view(route: Route, request: QuoteRequest, slippage_bps: int) -> RouteView:
    """The decision, with everything that it was made from."""
    return {
        "chosenDex": route.chosen.venue,
        "reason": route.reason,
        "steps": list(route.steps),
        "spreadBps": route.spread_bps,
        "minimumOutput": amount_view(route.minimum_output, request.output_token),
        "maximumInput": amount_view(route.maximum_input, request.input_token),
        "quotes": [quote_view(quote, request, slippage_bps) for quote in route.quotes],
        "unavailable": [no_quote_view(answer) for answer in route.unavailable],
    }


def error_view(failure: Failure) -> ErrorView:
    """The reason of a failure."""
    return {"code": failure.code, "message": failure.message, "retryable": failure.retryable}


def launch_view(conditions: LaunchConditions) -> LaunchConditionsView:
    """The conditions as they were given, the defaults filled in."""
    return {
        "event": conditions.event,
        "minimumLiquidityUsd": plain(conditions.minimum_liquidity_usd),
        "maxAgeSeconds": conditions.max_age_seconds,
        "requireSafe": conditions.require_safe,
    }


def open_order_view(order: Order) -> OpenOrderView:
    """The order without its route."""
    route, fill = order.route, order.fill
    out = order.output_token
    return {
        "id": order.id,
        "orderId": order.id,
        "userId": order.user_id,
        "walletAddress": order.wallet_address,
        "clientOrderId": order.client_order_id,
        "orderType": order.order_type,
        "inputToken": order.input_token.symbol,
        "outputToken": out.symbol,
        "side": order.side,
        "amount": format_amount(order.amount, order.amount_token),
        "amountBaseUnits": str(order.amount),
        "slippageBps": order.slippage_bps,
        "maxPriceImpactBps": order.max_price_impact_bps,
        "limitPrice": plain(order.limit_price) if order.limit_price is not None else None,
        "timeInForce": order.time_in_force,
        "expiresAt": timestamp(order.expires_at) if order.expires_at else None,
        "launch": launch_view(order.launch) if order.launch else None,
        "fires": order.fires,
        "firedAt": timestamp(order.fired_at) if order.fired_at else None,
        "status": order.status,
        "attempts": order.attempt,
        "maxAttempts": MAX_ATTEMPTS,
        "sequence": order.sequence,
        "chosenDex": route.chosen.venue if route else None,
        "expectedInput": amount_view(route.chosen.amount_in, order.input_token) if route else None,
        "expectedOutput": format_amount(route.chosen.amount_out, out) if route else None,
        "expectedOutputBaseUnits": str(route.chosen.amount_out) if route else None,
        "minimumOutput": format_amount(route.minimum_output, out) if route else None,
        "minimumOutputBaseUnits": str(route.minimum_output) if route else None,
        "maximumInput": format_amount(route.maximum_input, order.input_token) if route else None,
        "maximumInputBaseUnits": str(route.maximum_input) if route else None,
        "txHash": order.transaction.signature if order.transaction else None,
        "executedPrice": plain(order.executed_price) if order.executed_price is not None else None,
        "executedInput": amount_view(fill.amount_in, order.input_token) if fill else None,
        "executedOutput": amount_view(fill.amount_out, out) if fill else None,
        "fee": amount_view(fill.fee, order.input_token) if fill else None,
        "error": error_view(order.failure) if order.failure else None,
        "errorMessage": order.failure.message if order.failure else None,
        "createdAt": timestamp(order.created_at),
        "updatedAt": timestamp(order.updated_at),
    }


def order_view(order: Order) -> OrderView:
    """The order as GET returns it and as the stream sends it."""
    route = order.route
    shown = route_view(route, order.quote_request(), order.slippage_bps) if route and order.has_prices else None
    return {**open_order_view(order), "route": shown}


def event_view(event: OrderEvent) -> EventView:
    """An event as `GET /events` lists it and as the stream carries it."""
    return {
        "orderId": event.order_id,
        "sequence": event.sequence,
        "status": event.status,
        "attempt": event.attempt,
        "at": timestamp(event.occurred_at),
        "message": event.message,
        "meta": event.meta,
    }


def history_view(history: History) -> HistoryView:
    """The order and all its events."""
    return {"order": order_view(history.order), "events": [event_view(event) for event in history.events]}


def status_message(event: EventView, order: OrderView | None) -> StatusMessage:
    """The frame of one event; with the whole order where it is given."""
    tx_hash = event["meta"].get("txHash")
    message: StatusMessage = {
        "type": "status",
        "orderId": event["orderId"],
        "sequence": event["sequence"],
        "status": event["status"],
        "attempt": event["attempt"],
        "at": event["at"],
        "message": event["message"],
        "meta": event["meta"],
        "txHash": tx_hash if isinstance(tx_hash, str) else None,
    }
    if "error" in event["meta"]:
        message["error"] = cast("ErrorView", event["meta"]["error"])
    if order is not None:
        message["order"] = order
    return message
