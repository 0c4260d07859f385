"""What bodies and queries may say: models of the fields in `fields.py`, and reading a request into one.

pydantic runs the rules and collects what breaks them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    ValidationError,
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
from chalicelib.domain.tokens import Token, is_launched
from chalicelib.domain.transitions import OrderStatus
from chalicelib.http.fields import (
    DEFAULT_CONDITIONS,
    MAX_POINTS,
    NOW,
    STRICT_WALLETS,
    ClientOrderId,
    Cursor,
    Dollars,
    ExactAmount,
    ExpiresAt,
    FeedCursor,
    FeedSince,
    KnownToken,
    KnownVenue,
    LaunchedBefore,
    LaunchEventField,
    LimitPrice,
    ListedToken,
    MarketType,
    MaxAge,
    PageSize,
    PlacedBefore,
    PlacedFrom,
    PriceImpact,
    Sequence,
    Since,
    Slippage,
    StatsWindow,
    Step,
    TicketOrderId,
    TimeInForceField,
    Until,
    UserId,
    WalletAddress,
    sells,
)
from chalicelib.http.problems import printable
from chalicelib.services.browse import DEFAULT_PAGE, MAX_PAGE, OrderFilter

ERROR_MESSAGES = {
    "extra_forbidden": "is not a field of this request",
    "missing": "is missing",
    # pydantic would name our class, which no trader knows.
    "model_type": "must be an object",
}
# "Input should be a valid integer", "String should have at most 512 characters": ours begin with the verb.
PYDANTIC_SUBJECT = re.compile(r"^(Input|String) should ")
Model = TypeVar("Model", bound=BaseModel)


def differing(token: Token, info: ValidationInfo) -> Token:
    """The output token. Raises `ValueError` where it is the input token."""
    other = info.data.get("inputToken")
    if other is not None and other.mint == token.mint:
        raise ValueError("must differ from inputToken (SOL and WSOL are one asset)")
    if other is not None and is_launched(other) and is_launched(token):
        raise ValueError("has no pool with another launched token: trade it for one that GET /api/tokens lists")
    return token


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
        return NewOrder(
            user_id=self.userId,
            wallet_address=self.walletAddress,
            input_token=self.inputToken,
            output_token=self.outputToken,
            side=self.side,
            amount=self.base_units(),
            slippage_bps=self.slippageBps,
            max_price_impact_bps=self.maxPriceImpactBps,
            client_order_id=self.clientOrderId,
        )


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
        return NewOrder(
            user_id=self.userId,
            wallet_address=self.walletAddress,
            input_token=self.inputToken,
            output_token=self.outputToken,
            side=self.side,
            amount=self.base_units(),
            slippage_bps=0,
            max_price_impact_bps=self.maxPriceImpactBps,
            client_order_id=self.clientOrderId,
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
        return NewOrder(
            user_id=self.userId,
            wallet_address=self.walletAddress,
            input_token=self.inputToken,
            output_token=self.outputToken,
            side=Side.SELL,
            amount=self.base_units(),
            slippage_bps=self.slippageBps,
            max_price_impact_bps=self.maxPriceImpactBps,
            client_order_id=self.clientOrderId,
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


class ListQuery(BaseModel):
    """Which orders to list, newest first."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    userId: UserId | None = None
    clientOrderId: ClientOrderId | None = None
    status: OrderStatus | None = None
    orderType: OrderType | None = None
    venue: KnownVenue | None = None
    inputToken: ListedToken | None = None
    outputToken: ListedToken | None = None
    placedFrom: PlacedFrom | None = None
    placedBefore: PlacedBefore | None = None
    limit: PageSize = DEFAULT_PAGE
    cursor: Cursor | None = None

    def to_filter(self) -> OrderFilter:
        """The filter without the place in it."""
        return OrderFilter(
            user_id=self.userId,
            client_order_id=self.clientOrderId,
            status=self.status,
            order_type=self.orderType,
            venue=self.venue,
            input_token=self.inputToken,
            output_token=self.outputToken,
            placed_from=self.placedFrom,
            placed_before=self.placedBefore,
        )


class FeedQuery(BaseModel):
    """Whose events, and from where on: behind a page, from a time, or from the first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    userId: UserId | None = Field(
        None, description="Whose events; with an access token its own user's, and it may be left out."
    )
    since: FeedSince | None = None
    after: FeedCursor | None = None
    limit: PageSize = DEFAULT_PAGE

    @field_validator("after")
    @classmethod
    def _goes_on(cls, after: str | None, info: ValidationInfo) -> str | None:
        if after is not None and info.data.get("since") is not None:
            raise ValueError("goes without since: a cursor knows its place")
        return after


class StatsQuery(BaseModel):
    """Whose orders the figures are about, and how many of the newest."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    userId: UserId | None = None
    orders: StatsWindow = MAX_PAGE

    def to_filter(self) -> OrderFilter:
        """The filter without the number."""
        return OrderFilter(user_id=self.userId)


class PricesQuery(BaseModel):
    """Which pair, and when: now, or from a time in the past to another, a point every `step` seconds."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    inputToken: KnownToken
    outputToken: KnownToken
    since: Since | None = Field(None, alias="from")
    until: Until | None = Field(None, alias="to")
    step: Step | None = None

    @field_validator("outputToken")
    @classmethod
    def _differs(cls, token: Token, info: ValidationInfo) -> Token:
        return differing(token, info)

    def moments(self, now: datetime) -> list[datetime]:
        """The moments that are asked for, whole seconds. Raises `InvalidOrder`."""
        latest = now.replace(microsecond=0)
        given = {"from": self.since, "to": self.until}
        future = [InvalidField(name, "must not be in the future") for name, at in given.items() if at and at > now]
        if future:
            raise InvalidOrder(*future)
        if self.since is None:
            if self.until is not None or self.step is not None:
                raise InvalidOrder(InvalidField("from", "is missing: to and step go with it"))
            return [latest]
        first, last = self.since.replace(microsecond=0), (self.until or latest).replace(microsecond=0)
        if last < first:
            raise InvalidOrder(InvalidField("to", "must not be before from"))
        step = self.step or 1
        count = int((last - first) // timedelta(seconds=step)) + 1
        if count > MAX_POINTS:
            raise InvalidOrder(InvalidField("step", f"is too small: {count} points, and {MAX_POINTS} are the most"))
        return [first + timedelta(seconds=step * number) for number in range(count)]


class LaunchesQuery(BaseModel):
    """Which launches: newest first, those confirmed before a time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: LaunchedBefore | None = None


def read_order(
    values: Mapping[str, object], *, strict_wallets: bool, now: datetime
) -> MarketOrder | LimitOrder | SniperOrder:
    """A validated order of its type. Raises `InvalidOrder`."""
    settings = {STRICT_WALLETS: strict_wallets, NOW: now}
    match values.get("orderType"):
        case "limit":
            return _validated(LimitOrder, values, settings)
        case "sniper":
            return _validated(SniperOrder, values, settings)
        case None | "market":
            return _validated(MarketOrder, values, settings)
        case _:
            # What belongs to an order of this type nobody can tell: the type is wrong, and not what goes with it.
            told = {name: value for name, value in values.items() if name not in BELONGS_ELSEWHERE[MarketOrder]}
            return _validated(MarketOrder, told, settings)


def read_amendment(values: Mapping[str, object], *, now: datetime) -> AmendBody:
    """What to change. Raises `InvalidOrder`."""
    body = _validated(AmendBody, values, {NOW: now})
    if body.limitPrice is None and body.expiresAt is None:
        raise InvalidOrder(InvalidField("limitPrice", "is missing: send limitPrice, expiresAt, or both"))
    return body


def read_quote(values: object) -> QuoteBody:
    """A validated dry run. Raises `InvalidOrder`."""
    return _validated(QuoteBody, values)


def read_ticket_request(values: object) -> TicketBody:
    """What a ticket is asked for. Raises `InvalidOrder`."""
    return _validated(TicketBody, values)


def read_list_query(parameters: Mapping[str, list[str]]) -> ListQuery:
    """The validated query. Raises `InvalidOrder`."""
    return _validated(ListQuery, _once(parameters))


def read_feed_query(parameters: Mapping[str, list[str]]) -> FeedQuery:
    """The validated query. Raises `InvalidOrder`."""
    return _validated(FeedQuery, _once(parameters))


def read_stats_query(parameters: Mapping[str, list[str]]) -> StatsQuery:
    """The validated query. Raises `InvalidOrder`."""
    return _validated(StatsQuery, _once(parameters))


def read_prices_query(parameters: Mapping[str, list[str]]) -> PricesQuery:
    """The validated query. Raises `InvalidOrder`."""
    return _validated(PricesQuery, _once(parameters))


def read_launches_query(parameters: Mapping[str, list[str]]) -> LaunchesQuery:
    """The validated query. Raises `InvalidOrder`."""
    return _validated(LaunchesQuery, _once(parameters))


def _once(parameters: Mapping[str, list[str]]) -> dict[str, str]:
    repeated = [name for name, values in parameters.items() if len(values) > 1]
    if repeated:
        raise InvalidOrder(*(InvalidField(printable(name), "must be given once") for name in repeated))
    return {name: values[0] for name, values in parameters.items()}


def _validated(model: type[Model], values: object, settings: Mapping[str, object] | None = None) -> Model:
    """The values as the model; `settings` are for the fields whose rules depend on them.

    Raises:
        InvalidOrder: with every invalid field at once.
    """
    try:
        return model.model_validate(values, context=dict(settings or {}))
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        raise InvalidOrder(*(_field(dict(one), BELONGS_ELSEWHERE.get(model, {})) for one in errors)) from None


def _field(error: dict[str, Any], elsewhere: Mapping[str, str]) -> InvalidField:
    name = printable(".".join(str(part) for part in error["loc"])) or "body"
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return InvalidField(name, str(cause))
    if error["type"] == "extra_forbidden" and name in elsewhere:
        return InvalidField(name, elsewhere[name])
    return InvalidField(name, ERROR_MESSAGES.get(error["type"]) or PYDANTIC_SUBJECT.sub("must ", str(error["msg"])))
