"""What clients are told of each event: a sentence for people, and `meta`, the wire's JSON, for programs.

`chosenDex`, `expectedOutput`, `txHash` and `finalExecutionPrice` are the names that the original's clients know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from chalicelib.domain.amounts import format_amount, plain, price
from chalicelib.domain.events import (
    AttemptFailed,
    AttemptRestarted,
    Move,
    OrderCancelled,
    OrderFailed,
    OrderFilled,
    OrderPlaced,
    RouteChosen,
    RoutingStarted,
    TransactionSubmitted,
)
from chalicelib.domain.order import MAX_ATTEMPTS, Meta, Order
from chalicelib.domain.quotes import Route, Venue
from chalicelib.services.views import amount_view, error_view, no_quote_view, quote_view

Message: TypeAlias = tuple[str, Meta]


def describe(order: Order, event: OrderPlaced | Move) -> Message:
    """The sentence and the JSON of what happened to the order, which is as it was before."""
    match event:
        case OrderPlaced():
            return "Order accepted.", {}
        case RoutingStarted(venues=venues):
            return f"Asking {_listed(venues)} for quotes.", {"attempt": order.attempt}
        case RouteChosen(route=route):
            return f"Route chosen: {route.reason}", route_meta(order, route)
        case TransactionSubmitted(signature=signature):
            meta = {"txHash": signature, "attempt": order.attempt}
            return "Transaction submitted, waiting for its confirmation.", meta
        case OrderFilled():
            return _filled(order, event)
        case AttemptFailed(failure=failure, retry_in=seconds):
            failed = f"Attempt {order.attempt} of {MAX_ATTEMPTS} failed: {failure.message}"
            return f"{failed} Trying again in {seconds:g} s.", {
                "attempt": order.attempt + 1,
                "error": error_view(failure),
            }
        case AttemptRestarted(failure=failure):
            sentence = f"{failure.message} Asking the venues again; this does not use up an attempt."
            return sentence, {"attempt": order.attempt, "error": error_view(failure)}
        case OrderFailed(failure=failure, price_impact_pct=impact):
            attempts = f"{order.attempt} attempt{'s' if order.attempt > 1 else ''}"
            return f"Failed after {attempts}: {failure.message}", {
                "attempt": order.attempt,
                "error": error_view(failure),
                **({} if impact is None else {"priceImpactPct": plain(impact)}),
            }
        case OrderCancelled():
            return "Cancelled by the client.", {}


def route_meta(order: Order, route: Route) -> Meta:
    """The decision, with everything it was made from."""
    request = order.quote_request()
    return {
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


def _filled(order: Order, event: OrderFilled) -> Message:
    fill = event.fill
    final = price(fill.amount_in, order.input_token, fill.amount_out, order.output_token)
    spent = f"{format_amount(fill.amount_in, order.input_token)} {order.input_token}"
    received = f"{format_amount(fill.amount_out, order.output_token)} {order.output_token}"
    return f"Swapped {spent} for {received}.", {
        "txHash": event.signature,
        "finalExecutionPrice": plain(final),
        "executedInput": amount_view(fill.amount_in, order.input_token),
        "executedOutput": amount_view(fill.amount_out, order.output_token),
        "fee": amount_view(fill.fee, order.input_token),
    }


def _listed(venues: Sequence[Venue]) -> str:
    *others, last = (venue.title() for venue in venues)
    return f"{', '.join(others)} and {last}" if others else last
