"""What clients are told about each move: a sentence for people, and `meta` for programs.

`chosenDex`, `expectedOutput`, `txHash` and `finalExecutionPrice` are the names that the original's clients know.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

from chalicelib.domain.amounts import BPS, format_amount, plain, price
from chalicelib.domain.order import MAX_ATTEMPTS, Failure, Fill, History, Meta, Order, SignedTransaction
from chalicelib.domain.quotes import Route, Side, Venue
from chalicelib.services.ports import Telemetry
from chalicelib.services.views import amount_view, error_view, no_quote_view, quote_view

Narration: TypeAlias = tuple[str, Meta]


def routing(order: Order, venues: Sequence[Venue]) -> Narration:
    """The first look at the venues."""
    *others, last = (venue.title() for venue in venues)
    names = f"{', '.join(others)} and {last}" if others else last
    return f"Asking {names} for quotes.", {"attempt": order.attempt}


def building(order: Order, route: Route) -> Narration:
    """The decision, with everything it was made from."""
    request = order.quote_request()
    return f"Route chosen: {route.reason}", {
        "chosenDex": route.chosen.venue,
        "expectedOutput": format_amount(route.chosen.amount_out, order.output_token),
        "expectedInput": format_amount(route.chosen.amount_in, order.input_token),
        "minimumOutput": format_amount(route.minimum_output, order.output_token),
        "maximumInput": format_amount(route.maximum_input, order.input_token),
        "steps": list(route.steps),
        "reason": route.reason,
        "spreadBps": route.spread_bps,
        "quotes": [quote_view(quote, request, order.slippage_bps) for quote in route.quotes],
        "unavailable": [no_quote_view(answer) for answer in route.unavailable],
    }


def submitted(order: Order, transaction: SignedTransaction) -> Narration:
    """On its way; from here on only the chain decides."""
    return "Transaction submitted, waiting for its confirmation.", {
        "txHash": transaction.signature,
        "attempt": order.attempt,
    }


def confirmed(order: Order, transaction: SignedTransaction, fill: Fill) -> Narration:
    """What was really exchanged."""
    final = price(fill.amount_in, order.input_token, fill.amount_out, order.output_token)
    spent = f"{format_amount(fill.amount_in, order.input_token)} {order.input_token}"
    received = f"{format_amount(fill.amount_out, order.output_token)} {order.output_token}"
    return f"Swapped {spent} for {received}.", {
        "txHash": transaction.signature,
        "finalExecutionPrice": plain(final),
        "executedInput": amount_view(fill.amount_in, order.input_token),
        "executedOutput": amount_view(fill.amount_out, order.output_token),
        "fee": amount_view(fill.fee, order.input_token),
    }


def retrying(order: Order, failure: Failure, delay: float) -> Narration:
    """One attempt failed, another follows."""
    sentence = f"Attempt {order.attempt} of {MAX_ATTEMPTS} failed: {failure.message} Trying again in {delay:g} s."
    return sentence, {"attempt": order.attempt + 1, "error": error_view(failure)}


def starting_over(order: Order, failure: Failure) -> Narration:
    """An attempt is made anew through no fault of the trader's or the market's."""
    sentence = f"{failure.message} Asking the venues again; this does not use up an attempt."
    return sentence, {"attempt": order.attempt, "error": error_view(failure)}


def failed(order: Order, failure: Failure, price_impact_pct: Decimal | None = None) -> Narration:
    """The end of an order that did not settle; `price_impact_pct` where that was the reason."""
    attempts = f"{order.attempt} attempt{'s' if order.attempt > 1 else ''}"
    impact = {} if price_impact_pct is None else {"priceImpactPct": plain(price_impact_pct)}
    return f"Failed after {attempts}: {failure.message}", {
        "attempt": order.attempt,
        "error": error_view(failure),
        **impact,
    }


def log_decision(telemetry: Telemetry, order: Order, route: Route) -> None:
    """The routing decision as one log line and its metrics."""
    _, meta = building(order, route)
    telemetry.log("route_chosen", order_id=order.id, attempt=order.attempt, **meta)
    telemetry.count("VenueChosen", venue=route.chosen.venue)
    if route.spread_bps is not None:
        telemetry.count("QuoteSpreadBps", route.spread_bps)


def count_fill(telemetry: Telemetry, history: History) -> None:
    """The metrics of an order that settled: attempts, slippage against the quote, time in each state."""
    order = history.order
    telemetry.count("OrdersConfirmed")
    telemetry.count("OrderAttempts", order.attempt)
    if order.fill is not None and order.route is not None:
        telemetry.count("SlippageBps", _slippage_bps(order, order.route, order.fill))
    for event, following in zip(history.events, history.events[1:], strict=False):
        milliseconds = (following.occurred_at - event.occurred_at).total_seconds() * 1000
        telemetry.count("StateMs", milliseconds, status=event.status)


def _slippage_bps(order: Order, route: Route, fill: Fill) -> int:
    if order.side is Side.SELL:
        return (route.chosen.amount_out - fill.amount_out) * BPS // route.chosen.amount_out
    return (fill.amount_in - route.chosen.amount_in) * BPS // route.chosen.amount_in
