"""What is logged and counted of each move, of a routing decision and of a fill."""

from __future__ import annotations

from chalicelib.domain.amounts import BPS
from chalicelib.domain.order import Fill, History, Order
from chalicelib.domain.quotes import Route, Side
from chalicelib.ports.runtime import Telemetry


def record_move(telemetry: Telemetry, history: History) -> None:
    """A step at DEBUG; an order's end as one line with all its steps, each with its time since the first in ms."""
    order, events = history.order, history.events
    if not order.status.is_terminal:
        telemetry.debug(
            "order_moved", order_id=order.id, status=order.status, sequence=order.sequence, attempt=order.attempt
        )
        return
    started = events[0].occurred_at
    telemetry.log(
        "order_ended",
        order_id=order.id,
        status=order.status,
        sequence=order.sequence,
        attempt=order.attempt,
        milliseconds=round((events[-1].occurred_at - started).total_seconds() * 1000),
        history=[
            f"{round((event.occurred_at - started).total_seconds() * 1000)} {event.status}: {event.message}"
            for event in events
        ],
    )


def record_route(telemetry: Telemetry, order: Order, route: Route) -> None:
    """The routing decision: its metrics, and its reason at DEBUG; every quote stands in the order's history."""
    telemetry.debug("route_chosen", order_id=order.id, attempt=order.attempt, reason=route.reason)
    telemetry.add_metric("VenueChosen", venue=route.chosen.venue)
    if route.spread_bps is not None:
        telemetry.add_metric("QuoteSpreadBps", route.spread_bps)


def record_fill(telemetry: Telemetry, history: History) -> None:
    """The metrics of an order that settled: attempts, slippage against the quote, time in each state."""
    order = history.order
    telemetry.add_metric("OrdersConfirmed")
    telemetry.add_metric("OrderAttempts", order.attempt)
    if order.fill is not None and order.route is not None:
        telemetry.add_metric("SlippageBps", _slippage_bps(order, order.route, order.fill))
    for event, following in zip(history.events, history.events[1:], strict=False):
        milliseconds = (following.occurred_at - event.occurred_at).total_seconds() * 1000
        telemetry.add_metric("StateMs", milliseconds, status=event.status)


def _slippage_bps(order: Order, route: Route, fill: Fill) -> int:
    """Positive is worse, as traders count slippage; `statistics.slippage_bps` has the opposite sign."""
    if order.side is Side.SELL:
        return (route.chosen.amount_out - fill.amount_out) * BPS // route.chosen.amount_out
    return (fill.amount_in - route.chosen.amount_in) * BPS // route.chosen.amount_in
