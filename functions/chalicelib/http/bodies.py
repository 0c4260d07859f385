"""What bodies may say: models of the fields in `fields.py`, and reading those that take more than their rules."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    ValidationInfo,
    field_validator,
)

from chalicelib.domain.amounts import InvalidAmount, to_base_units
from chalicelib.domain.errors import InvalidField, InvalidOrder
from chalicelib.domain.order import (
    DEFAULT_LAUNCH_SLIPPAGE_BPS,
    DEFAULT_SLIPPAGE_BPS,
    LaunchConditions,
    LaunchEvent,
    NewOrder,
    OrderType,
    TimeInForce,
)
from chalicelib.domain.quotes import DEFAULT_MAX_PRICE_IMPACT_BPS, QuoteRequest, Side
from chalicelib.domain.tokens import Token
from chalicelib.http.fields import (
    DEFAULT_CONDITIONS,
    NOW,
    STRICT_WALLETS,
    ClientOrderId,
    Dollars,
    ExactAmount,
    ExpiresAt,
    KnownToken,
    LaunchEventField,
    LimitPrice,
    MarketType,
    MaxAge,
    PriceImpact,
    Sequence,
    Slippage,
    TicketOrderId,
    TimeInForceField,
    UserId,
    WalletAddress,
    differing,
    sells,
)
from chalicelib.http.validation import Model, validated


class Swap(BaseModel):
    """What to swap. `side` sell spends exactly `amount` of inputToken, buy receives exactly `amount` of outputToken."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    inputToken: KnownToken
    outputToken: KnownToken
    side: Side
    amount: ExactAmount
    maxPriceImpactBps: PriceImpact = DEFAULT_MAX_PRICE_IMPACT_BPS

    @field_validator("outputToken")
    @classmethod
    def _differs(cls, token: Token, info: ValidationInfo) -> Token:
        return differing(token, info)

    @field_validator("amount")
    @classmethod
    def _fits(cls, amount: Decimal, info: ValidationInfo) -> Decimal:
        side = info.data.get("side")
        token = info.data.get("inputToken" if side is Side.SELL else "outputToken") if side is not None else None
        if isinstance(token, Token):
            to_base_units(amount, token)
        elif not amount.is_finite() or amount <= 0:
            raise InvalidAmount("must be greater than zero")
        return amount

    def base_units(self) -> int:
        """The amount in base units of the token that it counts."""
        return to_base_units(self.amount, self.inputToken if self.side is Side.SELL else self.outputToken)


class SwapRequest(Swap):
    """A swap at the market's price."""

    slippageBps: Slippage = DEFAULT_SLIPPAGE_BPS
    orderType: MarketType = "market"


class QuoteBody(SwapRequest):
    """A dry run: what an order would be routed to right now."""

    def to_request(self) -> QuoteRequest:
        """The question for the venues; each is asked as another one."""
        return QuoteRequest(self.inputToken, self.outputToken, self.side, self.base_units(), f"quote:{uuid.uuid4()}")


class MarketOrder(SwapRequest):
    """An order that executes at once."""

    userId: UserId
    walletAddress: WalletAddress
    clientOrderId: ClientOrderId | None = None

    def to_order(self) -> NewOrder:
        """The order to place."""
        return _new_order(self, self.slippageBps)


class TicketBody(BaseModel):
    """What a stream ticket is for: one order, or any of a user's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    orderId: TicketOrderId | None = None
    userId: UserId | None = Field(
        default=None, description="Whose orders to follow, all of them. With an access token its subject, or left out."
    )


class LimitOrder(Swap):
    """An order that executes at its limit price or better: at once where the market gives that, else it rests."""

    orderType: Annotated[Literal["limit"], Field(description="Executes at limitPrice or better.")]
    userId: UserId
    walletAddress: WalletAddress
    clientOrderId: ClientOrderId | None = None
    limitPrice: LimitPrice
    timeInForce: TimeInForceField = "gtc"
    expiresAt: ExpiresAt | None = None

    @field_validator("expiresAt")
    @classmethod
    def _rests(cls, moment: datetime | None, info: ValidationInfo) -> datetime | None:
        if moment is not None and info.data.get("timeInForce") == "fok":
            raise ValueError("is not for fok: the order is filled at once or not at all")
        return moment

    def to_order(self) -> NewOrder:
        """The order to place."""
        return replace(
            _new_order(self, 0),
            order_type=OrderType.LIMIT,
            limit_price=self.limitPrice,
            time_in_force=TimeInForce(self.timeInForce),
            expires_at=self.expiresAt,
        )


class LaunchBody(BaseModel):
    """Which launch a sniper order fires at."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    event: LaunchEventField = "any"
    minimumLiquidityUsd: Dollars = DEFAULT_CONDITIONS.minimum_liquidity_usd
    maxAgeSeconds: MaxAge = DEFAULT_CONDITIONS.max_age_seconds
    requireSafe: Annotated[
        bool, Field(strict=True, description="No mint authority, no freeze authority, no transfer fee.")
    ] = True


class SniperOrder(Swap):
    """An order that rests until a confirmed launch or migration of outputToken, and executes then."""

    orderType: Annotated[Literal["sniper"], Field(description="Executes when outputToken is launched.")]
    side: Annotated[Literal[Side.SELL], BeforeValidator(sells)]
    userId: UserId
    walletAddress: WalletAddress
    clientOrderId: ClientOrderId | None = None
    slippageBps: Slippage = DEFAULT_LAUNCH_SLIPPAGE_BPS
    limitPrice: LimitPrice | None = None
    expiresAt: ExpiresAt | None = None
    launch: LaunchBody = LaunchBody()

    def to_order(self) -> NewOrder:
        """The order to place."""
        return replace(
            _new_order(self, self.slippageBps),
            order_type=OrderType.SNIPER,
            limit_price=self.limitPrice,
            expires_at=self.expiresAt,
            launch=LaunchConditions(
                event=LaunchEvent(self.launch.event),
                minimum_liquidity_usd=self.launch.minimumLiquidityUsd,
                max_age_seconds=self.launch.maxAgeSeconds,
                require_safe=self.launch.requireSafe,
            ),
        )


def _new_order(body: MarketOrder | LimitOrder | SniperOrder, slippage_bps: int) -> NewOrder:
    """What orders of every type say."""
    return NewOrder(
        user_id=body.userId,
        wallet_address=body.walletAddress,
        input_token=body.inputToken,
        output_token=body.outputToken,
        side=body.side,
        amount=body.base_units(),
        slippage_bps=slippage_bps,
        max_price_impact_bps=body.maxPriceImpactBps,
        client_order_id=body.clientOrderId,
    )


class OrderBody(RootModel[MarketOrder | LimitOrder | SniperOrder]):
    """An order to execute: `orderType` says when, market without it."""


# What a field of one type of order is told in another.
BELONGS_ELSEWHERE: Mapping[type[BaseModel], Mapping[str, str]] = {
    MarketOrder: {
        **dict.fromkeys(
            ("limitPrice", "timeInForce"), "is not a field of a market order: send it with orderType limit"
        ),
        "expiresAt": "is not a field of a market order: it executes at once",
        "launch": "is not a field of a market order: send it with orderType sniper",
    },
    LimitOrder: {
        "slippageBps": "is not a field of a limit order: it never settles past limitPrice",
        "launch": "is not a field of a limit order: send it with orderType sniper",
    },
    SniperOrder: {"timeInForce": "is not a field of a sniper order: it rests until its token is launched"},
}


class AmendBody(BaseModel):
    """What to change of a resting order: at least one of limitPrice and expiresAt."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    limitPrice: LimitPrice | None = None
    expiresAt: ExpiresAt | None = None
    ifSequence: Sequence | None = None


def read_order(
    values: Mapping[str, object], *, strict_wallets: bool, now: datetime
) -> MarketOrder | LimitOrder | SniperOrder:
    """A validated order of its type. Raises `InvalidOrder`."""
    settings = {STRICT_WALLETS: strict_wallets, NOW: now}
    match values.get("orderType"):
        case "limit":
            return _order(LimitOrder, values, settings)
        case "sniper":
            return _order(SniperOrder, values, settings)
        case None | "market":
            return _order(MarketOrder, values, settings)
        case _:
            # What belongs to an order of this type nobody can tell: the type is wrong, and not what goes with it.
            told = {name: value for name, value in values.items() if name not in BELONGS_ELSEWHERE[MarketOrder]}
            return _order(MarketOrder, told, settings)


def _order(model: type[Model], values: Mapping[str, object], settings: Mapping[str, object]) -> Model:
    return validated(model, values, settings=settings, unknown=BELONGS_ELSEWHERE[model])


def read_amendment(values: Mapping[str, object], *, now: datetime) -> AmendBody:
    """What to change. Raises `InvalidOrder`."""
    body = validated(AmendBody, values, settings={NOW: now})
    if body.limitPrice is None and body.expiresAt is None:
        raise InvalidOrder(InvalidField("limitPrice", "is missing: send limitPrice, expiresAt, or both"))
    return body
