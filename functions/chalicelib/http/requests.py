"""Request models: what the API takes, validated all at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from chalicelib.domain.amounts import InvalidAmount, to_base_units
from chalicelib.domain.errors import InvalidField, InvalidOrder
from chalicelib.domain.order import DEFAULT_SLIPPAGE_BPS, NewOrder
from chalicelib.domain.quotes import QuoteRequest, Side, Venue
from chalicelib.domain.tokens import Token
from chalicelib.domain.transitions import OrderStatus
from chalicelib.http.fields import (
    ClientOrderId,
    ExactAmount,
    KnownToken,
    OrderType,
    PageSize,
    PlacedBefore,
    PlacedFrom,
    Slippage,
    UserId,
    WalletAddress,
)
from chalicelib.services.browse import DEFAULT_PAGE, OrderFilter

MAX_NAME = 200
OWN_WORDS = {"extra_forbidden": "is not a field of this request", "missing": "is missing"}
# "Input should be a valid integer", "String should have at most 512 characters": ours begin with the verb.
PYDANTIC_SUBJECT = re.compile(r"^(Input|String) should ")
Model = TypeVar("Model", bound=BaseModel)


class SwapRequest(BaseModel):
    """What to swap. `side` sell spends exactly `amount` of inputToken, buy receives exactly `amount` of outputToken."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    inputToken: KnownToken
    outputToken: KnownToken
    side: Side
    amount: ExactAmount
    slippageBps: Slippage = DEFAULT_SLIPPAGE_BPS
    orderType: OrderType = "market"

    @field_validator("outputToken")
    @classmethod
    def _differs(cls, token: Token, info: ValidationInfo) -> Token:
        other = info.data.get("inputToken")
        if other is not None and other.mint == token.mint:
            raise ValueError("must differ from inputToken (SOL and WSOL are one asset)")
        return token

    @field_validator("amount")
    @classmethod
    def _fits(cls, amount: Decimal, info: ValidationInfo) -> Decimal:
        token = _counted(info.data)
        if token is not None:
            to_base_units(amount, token)
        elif not amount.is_finite() or amount <= 0:
            raise InvalidAmount("must be greater than zero")
        return amount

    def base_units(self) -> int:
        """The amount in base units of the token that it counts."""
        return to_base_units(self.amount, self.inputToken if self.side is Side.SELL else self.outputToken)


def _counted(fields: dict[str, Any]) -> Token | None:
    side = fields.get("side")
    if side is None:
        return None
    token = fields.get("inputToken" if side is Side.SELL else "outputToken")
    return token if isinstance(token, Token) else None


class QuoteBody(SwapRequest):
    """A dry run: what an order would be routed to right now."""

    def to_request(self, seed: str) -> QuoteRequest:
        """The question for the venues."""
        return QuoteRequest(self.inputToken, self.outputToken, self.side, self.base_units(), seed)


class OrderBody(SwapRequest):
    """An order to execute."""

    userId: UserId
    walletAddress: WalletAddress
    clientOrderId: ClientOrderId | None = None

    def to_order(self) -> NewOrder:
        """The validated wish."""
        return NewOrder(
            user_id=self.userId,
            wallet_address=self.walletAddress,
            input_token=self.inputToken,
            output_token=self.outputToken,
            side=self.side,
            amount=self.base_units(),
            slippage_bps=self.slippageBps,
            client_order_id=self.clientOrderId,
        )


class ListQuery(BaseModel):
    """Which orders to list, newest first."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    userId: UserId | None = None
    clientOrderId: ClientOrderId | None = None
    status: OrderStatus | None = None
    venue: Annotated[Venue, Field(description="The venue that the order was routed to.")] | None = None
    inputToken: KnownToken | None = None
    outputToken: KnownToken | None = None
    placedFrom: PlacedFrom | None = None
    placedBefore: PlacedBefore | None = None
    limit: PageSize = DEFAULT_PAGE
    cursor: (
        Annotated[
            str,
            StringConstraints(min_length=1, max_length=512),
            Field(description="`nextCursor` of the page before, sent with the same filters."),
        ]
        | None
    ) = None

    def to_filter(self) -> OrderFilter:
        """The filter without the place in it."""
        return OrderFilter(
            user_id=self.userId,
            client_order_id=self.clientOrderId,
            status=self.status,
            venue=self.venue,
            input_token=self.inputToken,
            output_token=self.outputToken,
            placed_from=self.placedFrom,
            placed_before=self.placedBefore,
        )


def validated(model: type[Model], values: object, settings: Mapping[str, object] | None = None) -> Model:
    """The values as the model; `settings` are for the fields whose rules depend on them.

    Raises:
        InvalidOrder: with every invalid field at once.
    """
    try:
        return model.model_validate(values, context=dict(settings or {}))
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        raise InvalidOrder(*(_field(dict(one)) for one in errors)) from None


def _field(error: dict[str, Any]) -> InvalidField:
    name = printable(".".join(str(part) for part in error["loc"])) or "body"
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return InvalidField(name, str(cause))
    return InvalidField(name, OWN_WORDS.get(error["type"]) or PYDANTIC_SUBJECT.sub("must ", str(error["msg"])))


def printable(name: str) -> str:
    """A client's own name for a field as an answer can carry it."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name[:MAX_NAME])
