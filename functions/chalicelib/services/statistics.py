"""How well the newest orders were executed: time by stage, slippage against the quote, venues, failures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

# pydantic reads these classes for the specification, and before Python 3.12 it can read only this TypedDict.
from typing_extensions import TypedDict

from chalicelib.domain.amounts import BPS, plain
from chalicelib.domain.identity import Owner
from chalicelib.domain.order import Order
from chalicelib.domain.quotes import Side
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.history import OrderFilter, OwnedHistory
from chalicelib.services.views import timestamp
from chalicelib.services.wire import Exact, Moment, OrderId, Reason, SchemaInfo, SideName, Symbol, VenueName

# Widths that a histogram's bins may have; the smallest is taken that needs no more than MAX_BINS.
BIN_WIDTHS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000)
MAX_BINS = 21


class StageView(TypedDict):
    """How long orders were in a status until the next one; half of them shorter than p50Ms, 95 in 100 than p95Ms."""

    stage: Annotated[str, SchemaInfo("A status, or `total`: from the first event to the last.", examples=("building",))]
    p50Ms: int
    p95Ms: int


class BinView(TypedDict):
    """So many fills had a slippage of at least `fromBps` and less than `toBps`."""

    fromBps: int
    toBps: int
    fills: int


class SlippageView(TypedDict):
    """How far fills were from their quotes, in hundredths of a percent; negative is worse for the trader."""

    p50Bps: int | None
    p95Bps: Annotated[int | None, SchemaInfo("95 in 100 fills were at least this good.")]
    bins: list[BinView]


class VenueShareView(TypedDict):
    """What a venue filled."""

    venue: VenueName
    fills: int


class FailureCountView(TypedDict):
    """How many orders failed for a reason."""

    code: Reason
    orders: int


class FillView(TypedDict):
    """One fill, to be drawn beside the market's prices."""

    orderId: OrderId
    at: Moment
    venue: VenueName
    side: SideName
    inputToken: Symbol
    outputToken: Symbol
    price: Annotated[Exact, SchemaInfo("Output per input that settled.")]
    slippageBps: int


class StatsView(TypedDict):
    """Execution quality over the newest orders."""

    orders: Annotated[int, SchemaInfo("How many orders this is about.")]
    open: Annotated[int, SchemaInfo("How many of them have not ended.")]
    failedPct: Annotated[Exact, SchemaInfo("How many of those that ended have failed, in percent.")]
    stages: list[StageView]
    slippage: SlippageView
    venues: list[VenueShareView]
    failures: list[FailureCountView]
    fills: Annotated[list[FillView], SchemaInfo("The newest first.")]


def execution_stats(owner: Owner, filters: OrderFilter, window: int, *, history: OwnedHistory) -> StatsView:
    """The figures of the `window` newest orders that the filters leave. Raises `Unavailable`."""
    orders = history.page(owner, filters, limit=window, before_id=None).orders
    ended = [order for order in orders if order.status.is_terminal]
    failures = Counter(order.failure.code for order in ended if order.failure)
    fills = [fill for order in orders if (fill := fill_view(order)) is not None]
    slippages = sorted(fill["slippageBps"] for fill in fills)
    failed = sum(order.status is OrderStatus.FAILED for order in ended)
    return {
        "orders": len(orders),
        "open": len(orders) - len(ended),
        "failedPct": _percent(failed, len(ended)),
        "stages": [
            {"stage": time.stage, "p50Ms": time.p50_ms, "p95Ms": time.p95_ms}
            for time in history.stage_times(owner, [order.id for order in ended])
        ],
        "slippage": {
            "p50Bps": quantile(slippages, 50),
            # The fifth in a hundred from below: 95 were at least as good.
            "p95Bps": quantile(slippages, 5),
            "bins": bins_of(slippages),
        },
        "venues": [
            {"venue": venue, "fills": count} for venue, count in Counter(fill["venue"] for fill in fills).most_common()
        ],
        "failures": [{"code": code, "orders": count} for code, count in failures.most_common()],
        "fills": fills,
    }


def fill_view(order: Order) -> FillView | None:
    """The fill of an order; None where it has none, or nothing to compare it with."""
    slippage = slippage_bps(order)
    if order.route is None or order.executed_price is None or slippage is None:
        return None
    return {
        "orderId": order.id,
        "at": timestamp(order.updated_at),
        "venue": order.route.chosen.venue,
        "side": order.side,
        "inputToken": order.input_token.symbol,
        "outputToken": order.output_token.symbol,
        "price": plain(order.executed_price),
        "slippageBps": slippage,
    }


def slippage_bps(order: Order) -> int | None:
    """How far the fill is from the chosen quote, rounded to whole hundredths of a percent; negative is worse.

    The metric `SlippageBps` has the opposite sign.
    """
    if order.fill is None or order.route is None:
        return None
    quote = order.route.chosen
    if order.side is Side.SELL:
        return _apart(order.fill.amount_out, quote.amount_out)
    return -_apart(order.fill.amount_in, quote.amount_in)


def _apart(actual: int, expected: int) -> int:
    return int(((Decimal(actual) - expected) * BPS / expected).to_integral_value(ROUND_HALF_UP)) if expected else 0


def quantile(ordered: Sequence[int], percent: int) -> int | None:
    """The value of which so many percent are no larger; None of none."""
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1] if ordered else None


def bins_of(ordered: Sequence[int]) -> list[BinView]:
    """A histogram without a gap between its first and its last bin."""
    if not ordered:
        return []
    widths = (width for width in BIN_WIDTHS if ordered[-1] // width - ordered[0] // width < MAX_BINS)
    width = next(widths, BIN_WIDTHS[-1])
    counts = Counter(value // width for value in ordered)
    return [
        {"fromBps": number * width, "toBps": (number + 1) * width, "fills": counts[number]}
        for number in range(ordered[0] // width, ordered[-1] // width + 1)
    ]


def _percent(part: int, whole: int) -> str:
    return plain((Decimal(100 * part) / whole).quantize(Decimal("0.1"), ROUND_HALF_UP)) if whole else "0"
