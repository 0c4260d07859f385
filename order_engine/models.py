"""What the service says and takes, as types. Amounts and prices are exact decimals, times have their zone.

A field that a newer service adds is left out here and stands in the answer's own text (`Client.request`).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import msgspec

# What a market order goes through that is filled at its first attempt.
STEPS: Final = ("pending", "routing", "building", "submitted", "confirmed")
OVER: Final = frozenset({"confirmed", "failed", "cancelled", "expired"})
Side: TypeAlias = Literal["sell", "buy"]
# A float can't hold most amounts: it would be refused, not rounded.
Exact: TypeAlias = Decimal | int | str


def exact(value: Exact) -> str:
    """The amount as it is sent. Raises TypeError for a float."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(f"an amount is a Decimal, an int or a str, not a {type(value).__name__}: {value!r}")
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """What to swap: `side` sell spends exactly `amount` of the input token, buy receives it of the output token.

    Tolerances are in hundredths of a percent; None leaves them to the service.
    """

    input_token: str
    output_token: str
    side: Side
    amount: Exact
    slippage_bps: int | None = None
    max_price_impact_bps: int | None = None

    def body(self) -> dict[str, object]:
        """The JSON that is sent. Raises TypeError where an amount is a float."""
        optional = {"slippageBps": self.slippage_bps, "maxPriceImpactBps": self.max_price_impact_bps}
        return {
            "inputToken": self.input_token,
            "outputToken": self.output_token,
            "side": self.side,
            "amount": exact(self.amount),
            **{name: value for name, value in optional.items() if value is not None},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Which launch of its output token an order waits for; None leaves a condition to the service."""

    event: Literal["any", "launch", "migration"] | None = None
    minimum_liquidity_usd: Exact | None = None
    max_age_seconds: int | None = None
    require_safe: bool | None = None

    def body(self) -> dict[str, object]:
        """The JSON that is sent."""
        least = self.minimum_liquidity_usd
        given = {
            "event": self.event,
            "minimumLiquidityUsd": exact(least) if least is not None else None,
            "maxAgeSeconds": self.max_age_seconds,
            "requireSafe": self.require_safe,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder(Swap):
    """One order, however often it is placed: its idempotency key is made with it.

    A market order; with `limit_price` one that executes at that price or better and rests until then; with `launch` one
    that rests until its output token is launched.
    """

    user_id: str
    wallet_address: str
    client_order_id: str | None = None
    limit_price: Exact | None = None  # output for one input, after fees
    time_in_force: Literal["gtc", "fok"] | None = None
    expires_at: datetime | None = None
    launch: Launch | None = None
    idempotency_key: str = field(default_factory=lambda: str(uuid.uuid4()))

    def body(self) -> dict[str, object]:
        """The JSON that is sent. Raises TypeError where an amount is a float."""
        optional = {
            "clientOrderId": self.client_order_id,
            "orderType": "sniper" if self.launch else "limit" if self.limit_price is not None else None,
            "limitPrice": exact(self.limit_price) if self.limit_price is not None else None,
            "timeInForce": self.time_in_force,
            "expiresAt": self.expires_at.isoformat() if self.expires_at else None,
            "launch": self.launch.body() if self.launch else None,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        # dataclasses with slots are made anew: no zero-argument super().
        return {"userId": self.user_id, "walletAddress": self.wallet_address, **Swap.body(self), **given}


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of what the service says: the wire's camelCase names in Python's spelling."""


class Placed(Model, frozen=True):
    """An accepted order, and where it can be followed."""

    order_id: str
    websocket_url: str
    status: str = "pending"


class Ticket(Model, frozen=True):
    """What opens streams until it expires."""

    ticket: str
    websocket_url: str
    expires_at: datetime


class Amount(Model, frozen=True):
    """So many tokens; `base_units` is the same as a whole number."""

    amount: Decimal
    base_units: int
    token: str


class Quote(Model, frozen=True):
    """One venue's quote; `effective_price` is output per input after fees."""

    venue: str
    amount_in: Amount
    amount_out: Amount
    fee: Amount
    effective_price: Decimal
    price_impact_pct: Decimal
    minimum_output: Amount
    maximum_input: Amount
    expires_at: datetime


class NoQuote(Model, frozen=True):
    """A venue that gave no quote, and why."""

    venue: str
    code: str
    message: str


class Route(Model, frozen=True):
    """Every venue's answer, the choice and its reason."""

    chosen_dex: str
    reason: str
    minimum_output: Amount
    maximum_input: Amount
    quotes: tuple[Quote, ...]
    unavailable: tuple[NoQuote, ...] = ()
    spread_bps: int | None = None
    steps: tuple[str, ...] = ()

    @property
    def chosen(self) -> Quote:
        """The quote that was chosen."""
        return next(quote for quote in self.quotes if quote.venue == self.chosen_dex)


class Failure(Model, frozen=True):
    """Why an order failed; `retryable` tells whether placing another like it may work."""

    code: str
    message: str
    retryable: bool = False


class Order(Model, frozen=True):
    """An order as it now is. What is not decided yet is None."""

    id: str
    user_id: str
    wallet_address: str
    input_token: str
    output_token: str
    side: Side
    amount: Decimal
    status: str
    sequence: int
    created_at: datetime
    updated_at: datetime
    order_type: str = "market"
    limit_price: Decimal | None = None
    time_in_force: str | None = None
    expires_at: datetime | None = None
    client_order_id: str | None = None
    slippage_bps: int | None = None
    max_price_impact_bps: int | None = None
    attempts: int = 1
    max_attempts: int | None = None
    chosen_dex: str | None = None
    expected_input: Amount | None = None
    expected_output: Decimal | None = None
    minimum_output: Decimal | None = None
    maximum_input: Decimal | None = None
    route: Route | None = None
    tx_hash: str | None = None
    executed_price: Decimal | None = None
    executed_input: Amount | None = None
    executed_output: Amount | None = None
    fee: Amount | None = None
    error: Failure | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in OVER

    @property
    def is_resting(self) -> bool:
        """Whether it waits for its price or its launch, and can be amended."""
        return self.status == "waiting"

    @property
    def below_quote_bps(self) -> Decimal | None:
        """How much worse than its quote it was filled, in hundredths of a percent; negative where better.

        A sale is worse by less output, a purchase by more input. None before it is filled.
        """
        if self.executed_input is None or self.executed_output is None:
            return None
        if self.side == "sell":
            expected, shortfall = self.expected_output, (self.expected_output or 0) - self.executed_output.amount
        else:
            expected = self.expected_input.amount if self.expected_input else None
            shortfall = self.executed_input.amount - (expected or 0)
        if not expected or not (expected.is_finite() and shortfall.is_finite()):
            return None
        return round(shortfall / expected * 10_000, 1)


class VenuePrice(Model, frozen=True):
    """What one venue pays."""

    venue: str
    price: Decimal


class Price(Model, frozen=True):
    """The market of a pair at a second: output per input for a very small amount, after fees.

    `best` is None while nobody trades the pair.
    """

    at: datetime
    best: Decimal | None
    venues: tuple[VenuePrice, ...] = ()


class LaunchedToken(Model, frozen=True):
    """A confirmed pool of a new token."""

    token: str
    mint: str
    kind: str
    venue: str
    confirmed_at: datetime
    opens_at: datetime
    liquidity_usd: Decimal
    safe: bool


class Launches(Model, frozen=True):
    """Launches, newest first; `upcoming` is known where the market is simulated."""

    launches: tuple[LaunchedToken, ...]
    upcoming: tuple[LaunchedToken, ...] = ()
    next_before: str | None = None


class Page(Model, frozen=True):
    """Some orders, newest first; `next_cursor` leads to the older ones and is None at the end."""

    orders: tuple[Order, ...]
    next_cursor: str | None = None


class Token(Model, frozen=True):
    """A token that can be traded."""

    symbol: str
    name: str
    mint: str
    decimals: int


class Check(Model, frozen=True):
    """How a dependency answered, and in how many milliseconds."""

    ok: bool
    milliseconds: int
    error: str | None = None


class Health(Model, frozen=True):
    """Whether orders can be taken, and how each dependency answers."""

    ok: bool
    version: str
    checks: dict[str, Check] = {}


class Event(Model, frozen=True):
    """One status of an order; sequences run 1, 2, 3 … without a gap. `order` comes with the newest only."""

    order_id: str
    sequence: int
    status: str
    at: datetime
    message: str
    attempt: int = 1
    meta: dict[str, Any] = {}
    tx_hash: str | None = None
    error: Failure | None = None
    order: Order | None = None

    @property
    def is_last(self) -> bool:
        """Whether the order is over with it."""
        return self.status in OVER


class Feed(Model, frozen=True):
    """Events of all of a user's orders, oldest first; `next_cursor` leads on, now where there is `more`, else later."""

    events: tuple[Event, ...]
    next_cursor: str
    more: bool


class Heartbeat(Model, frozen=True):
    """The stream is alive."""

    at: datetime


class Snapshot(Model, frozen=True):
    """What a stream of all of a user's orders begins with: those that are open, up to 100, newest first.

    `more` where others are open, too. `since` is from when on every status follows; None where nothing was asked for.
    """

    user_id: str
    at: datetime
    open: tuple[Order, ...]
    more: bool = False
    since: datetime | None = None


class Subscribed(Model, frozen=True):
    """An order is followed too, and `sequence` is its newest; or all orders of a user are."""

    order_id: str | None = None
    sequence: int = 0
    user_id: str | None = None


class Unsubscribed(Model, frozen=True):
    """An order, or a user, is followed no more."""

    order_id: str | None = None
    user_id: str | None = None


class StreamProblem(Model, frozen=True):
    """A message that the stream could not do; the connection goes on."""

    code: str
    message: str
    order_id: str | None = None


Frame: TypeAlias = Event | Snapshot | Heartbeat | Subscribed | Unsubscribed | StreamProblem
