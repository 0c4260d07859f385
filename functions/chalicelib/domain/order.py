"""The order and what happens to it."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias, TypedDict, Unpack

from chalicelib.domain.amounts import price
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.limits import guard_of
from chalicelib.domain.quotes import DEFAULT_MAX_PRICE_IMPACT_BPS, Limits, QuoteRequest, Route, Side
from chalicelib.domain.tokens import Token
from chalicelib.domain.transitions import OrderStatus, Trigger, next_status

# What a move tells beside its sentence: JSON, in the wire's own names.
Meta: TypeAlias = Mapping[str, object]

MAX_ATTEMPTS = 3
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_SLIPPAGE_BPS = 50
# For snipers, whose price nobody has seen before.
DEFAULT_LAUNCH_SLIPPAGE_BPS = 500
RESTS_FOR = timedelta(days=30)
ORDER_ID = re.compile(r"ord_[0-9a-f]{32}")


def new_order_id() -> str:
    """An id that sorts by time (48 bits of milliseconds) and cannot be guessed (80 random bits)."""
    return f"ord_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def is_order_id(text: str) -> bool:
    """Whether an order could have this id: what cannot be one is never looked up."""
    return ORDER_ID.fullmatch(text) is not None


def placed_at(order_id: str) -> datetime:
    """The moment at which an id was made: ids and creation times sort alike."""
    return EPOCH + timedelta(milliseconds=int(order_id[4:16], 16))


def first_id_at(moment: datetime) -> str:
    """The smallest id that an order placed at this moment or later can have."""
    return f"ord_{(moment - EPOCH) // timedelta(milliseconds=1):012x}"


class OrderType(StrEnum):
    """When an order executes: at once, when the market gives its price, when its token is launched."""

    MARKET = "market"
    LIMIT = "limit"
    SNIPER = "sniper"


class TimeInForce(StrEnum):
    """How long a limit order waits for its price: until it is cancelled or expires, or not at all."""

    GTC = "gtc"
    FOK = "fok"


class LaunchEvent(StrEnum):
    """Which events a sniper fires at."""

    ANY = "any"
    LAUNCH = "launch"
    MIGRATION = "migration"


@dataclass(frozen=True, slots=True)
class LaunchConditions:
    """What must hold of a launch for a sniper to fire."""

    event: LaunchEvent = LaunchEvent.ANY
    minimum_liquidity_usd: Decimal = Decimal(5_000)
    max_age_seconds: int = 30
    require_safe: bool = True


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What a client wants, validated: `amount` in base units of the input token (sell) or the output token (buy)."""

    user_id: str
    wallet_address: str
    input_token: Token
    output_token: Token
    side: Side
    amount: int
    slippage_bps: int = DEFAULT_SLIPPAGE_BPS
    client_order_id: str | None = None
    max_price_impact_bps: int = DEFAULT_MAX_PRICE_IMPACT_BPS
    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    expires_at: datetime | None = None
    launch: LaunchConditions | None = None


def attempt_reference(order_id: str, fires: int, attempt: int) -> str:
    """What names an attempt towards venues and chain. Each firing has its own: at the same quote a second one would
    otherwise make the first one's signature, and read its end as its own."""
    return f"{order_id}:{attempt}" if fires <= 1 else f"{order_id}:{fires}:{attempt}"


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A swap that is signed: sent any number of times it lands once or never, and never in a block past
    `last_valid_height`.

    `raw` is what is sent. It is empty where the transaction was signed before its bytes were kept: such a one is only
    asked about.
    """

    signature: str
    raw: bytes
    last_valid_height: int


@dataclass(frozen=True, slots=True)
class Fill:
    """What really settled, in base units; `fee` in base units of the input token."""

    amount_in: int
    amount_out: int
    fee: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt, or the order, failed."""

    code: ErrorCode
    message: str
    retryable: bool


class Changes(TypedDict, total=False):
    """What a move may change beside the status."""

    attempt: int
    route: Route | None
    transaction: SignedTransaction | None
    fill: Fill | None
    failure: Failure | None
    limit_price: Decimal | None
    expires_at: datetime | None
    bound: Decimal | None
    fires: int
    fired_at: datetime | None
    fires_from: datetime | None


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it now is. `sequence` is that of its newest event, `attempt` counts from 1."""

    id: str
    user_id: str
    wallet_address: str
    input_token: Token
    output_token: Token
    side: Side
    amount: int
    slippage_bps: int
    client_order_id: str | None
    status: OrderStatus
    attempt: int
    sequence: int
    created_at: datetime
    updated_at: datetime
    route: Route | None = None
    transaction: SignedTransaction | None = None
    fill: Fill | None = None
    failure: Failure | None = None
    max_price_impact_bps: int = DEFAULT_MAX_PRICE_IMPACT_BPS
    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    expires_at: datetime | None = None
    launch: LaunchConditions | None = None
    bound: Decimal | None = None
    fires: int = 0
    fired_at: datetime | None = None
    fires_from: datetime | None = None

    @property
    def guard(self) -> Limits | None:
        """Past what it never settles, exact; None where no price limits it."""
        if self.limit_price is None:
            return None
        return guard_of(self.limit_price, self.side, self.amount, self.input_token, self.output_token)

    @property
    def may_rest(self) -> bool:
        """Whether a price that is not met sends it back to wait for a better one."""
        return self.limit_price is not None and self.time_in_force is not TimeInForce.FOK

    @property
    def attempt_reference(self) -> str:
        """What names the present attempt towards venues and chain."""
        return attempt_reference(self.id, self.fires, self.attempt)

    def has_expired(self, now: datetime) -> bool:
        """Whether nothing may be signed any more."""
        return self.expires_at is not None and now >= self.expires_at

    @property
    def amount_token(self) -> Token:
        """The token that `amount` counts."""
        return self.input_token if self.side is Side.SELL else self.output_token

    @property
    def has_prices(self) -> bool:
        """Whether both tokens' display units are known."""
        return self.input_token.listed and self.output_token.listed

    @property
    def executed_price(self) -> Decimal | None:
        """Output per input that really settled, in display units; None too where a token was delisted."""
        if self.fill is None or not self.has_prices:
            return None
        return price(self.fill.amount_in, self.input_token, self.fill.amount_out, self.output_token)

    def moved(self, trigger: Trigger, **changes: Unpack[Changes]) -> Order:
        """This order after the trigger, one event further.

        Raises:
            IllegalTransition: the table forbids the move.
        """
        status = next_status(self.status, trigger)
        return replace(self, status=status, sequence=self.sequence + 1, **changes)

    def quote_request(self) -> QuoteRequest:
        """What the venues are asked in the present attempt."""
        return QuoteRequest(
            input_token=self.input_token,
            output_token=self.output_token,
            side=self.side,
            amount=self.amount,
            reference=self.attempt_reference,
        )


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One status change, as clients see it; `sequence` runs 1, 2, 3 … without a gap."""

    order_id: str
    sequence: int
    status: OrderStatus
    attempt: int
    message: str
    meta: Meta
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """An order and all its events so far, oldest first; `followed` where somebody may have to be told of it.

    `user_followed` where somebody may be among them who follows all orders of its user.
    """

    order: Order
    events: tuple[OrderEvent, ...]
    followed: bool = field(default=True, compare=False)
    user_followed: bool = field(default=True, compare=False)
