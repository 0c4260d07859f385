"""Request models: what the API takes, validated all at once."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from chalicelib.domain.amounts import InvalidAmount, to_base_units
from chalicelib.domain.errors import InvalidField, InvalidOrder
from chalicelib.domain.order import DEFAULT_SLIPPAGE_BPS, NewOrder
from chalicelib.domain.quotes import QuoteRequest, Side, Venue
from chalicelib.domain.tokens import REGISTRY, Token, find_token
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.browse import DEFAULT_PAGE, MAX_PAGE, OrderFilter

DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
MAX_AMOUNT_CHARACTERS = 100
MAX_SLIPPAGE_BPS = 5_000
Model = TypeVar("Model", bound=BaseModel)
# Printable: no control characters; Postgres text cannot hold NUL.
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]+$"


def _exact(value: object) -> Decimal:
    """JSON numbers and strings become decimals; a float cannot come in, since the body is read without any."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("must be a number or a decimal string")
    text = str(value)
    if len(text) > MAX_AMOUNT_CHARACTERS or (isinstance(value, str) and not DECIMAL.fullmatch(text)):
        raise ValueError("must be a plain decimal number of at most 100 characters")
    return Decimal(text)


def _known(value: object) -> Token:
    token = find_token(value) if isinstance(value, str) else None
    if token is None:
        known = ", ".join(token.symbol for token in REGISTRY)
        raise ValueError(f"must be one of {known}, or one of their mint addresses")
    return token


def _text(longest: int) -> StringConstraints:
    return StringConstraints(strict=True, min_length=1, max_length=longest, pattern=PRINTABLE)


ExactAmount = Annotated[
    Decimal,
    BeforeValidator(_exact),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"},
            ],
            "description": "An exact amount, at most as many decimals as the token has.",
        }
    ),
]
KnownToken = Annotated[
    Token,
    BeforeValidator(_known),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "description": "A symbol or mint address that GET /api/tokens lists."}),
]


class SwapRequest(BaseModel):
    """What to swap. `side` sell spends exactly `amount` of inputToken, buy receives exactly `amount` of outputToken."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    inputToken: KnownToken
    outputToken: KnownToken
    side: Side
    amount: ExactAmount
    slippageBps: Annotated[int, Field(strict=True, ge=0, le=MAX_SLIPPAGE_BPS)] = DEFAULT_SLIPPAGE_BPS

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
    """A dry run."""

    def to_request(self, seed: str) -> QuoteRequest:
        """The question for the venues."""
        return QuoteRequest(self.inputToken, self.outputToken, self.side, self.base_units(), seed)


class OrderBody(SwapRequest):
    """An order to execute."""

    userId: Annotated[str, _text(128)]
    walletAddress: Annotated[str, _text(128)]
    clientOrderId: Annotated[str, _text(128)] | None = None
    orderType: Literal["market"] = "market"

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

    userId: Annotated[str, _text(128)] | None = None
    clientOrderId: Annotated[str, _text(128)] | None = None
    status: OrderStatus | None = None
    venue: Venue | None = None
    inputToken: KnownToken | None = None
    outputToken: KnownToken | None = None
    placedFrom: datetime | None = None
    placedBefore: datetime | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE
    cursor: Annotated[str, StringConstraints(max_length=512)] | None = None

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


def validated(model: type[Model], values: object) -> Model:
    """The values as the model.

    Raises:
        InvalidOrder: with every invalid field at once.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidOrder(*(_field(dict(one)) for one in error.errors(include_url=False))) from None


def _field(error: dict[str, Any]) -> InvalidField:
    name = ".".join(str(part) for part in error["loc"]) or "body"
    cause = error.get("ctx", {}).get("error")
    message = str(cause) if isinstance(cause, ValueError) else str(error["msg"])
    if error["type"] == "extra_forbidden":
        message = "is not a field of this request"
    return InvalidField(name[:200], message)
