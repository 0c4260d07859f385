"""What bodies and queries may say: every field with its rule, its sentence for people and its schema for programs.

pydantic runs the rules and collects what breaks them. Where its own types take more than the contract does (`" 1"` as a
number, `1_0`, seconds since 1970 as a time, a lone surrogate as text), a rule of ours stands before it.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

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

from chalicelib.domain.amounts import BPS, InvalidAmount, to_base_units
from chalicelib.domain.errors import InvalidField, InvalidOrder
from chalicelib.domain.order import DEFAULT_SLIPPAGE_BPS, NewOrder
from chalicelib.domain.quotes import DEFAULT_MAX_PRICE_IMPACT_BPS, VENUES, QuoteRequest, Side, Venue
from chalicelib.domain.text import FORBIDDEN_CHARS, MAX_TEXT, has_good_length
from chalicelib.domain.tokens import REGISTRY, Token, find_token
from chalicelib.domain.transitions import OrderStatus
from chalicelib.http import strict_json
from chalicelib.http.problems import printable
from chalicelib.http.wallets import check_wallet
from chalicelib.services.browse import DEFAULT_PAGE, MAX_PAGE, OrderFilter

MAX_AMOUNT_CHARACTERS = 100
MAX_SLIPPAGE_BPS = 5_000
STRICT_WALLETS = "strict_wallets"
DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
DIGITS = re.compile(r"[0-9]{1,6}")
# RFC 3339; the seconds and their fraction may be left out.
MOMENT = re.compile(
    r"(?P<minute>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2})(?P<second>:[0-9]{2}(\.(?P<fraction>[0-9]{1,20}))?)?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
# No time can be rounded up past it.
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)
TEXT_PATTERN = (
    r"^[^\u0000-\u001f\u007f-\u009f\ufffd]*[^\s\u0000-\u001f\u007f-\u009f\ufffd][^\u0000-\u001f\u007f-\u009f\ufffd]*$"
)
# Each once, symbols first: SOL and WSOL have one mint.
TOKEN_NAMES = list(dict.fromkeys([token.symbol for token in REGISTRY] + [token.mint for token in REGISTRY]))
ERROR_MESSAGES = {"extra_forbidden": "is not a field of this request", "missing": "is missing"}
# "Input should be a valid integer", "String should have at most 512 characters": ours begin with the verb.
PYDANTIC_SUBJECT = re.compile(r"^(Input|String) should ")
Model = TypeVar("Model", bound=BaseModel)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    if not has_good_length(value):
        raise ValueError(f"must have 1 to {MAX_TEXT} characters, not only spaces")
    if FORBIDDEN_CHARS.search(value):
        raise ValueError("must be text without control characters, and in UTF-8")
    return value


def _wallet(value: object, info: ValidationInfo) -> str:
    address = _text(value)
    return check_wallet(address) if info.context and info.context.get(STRICT_WALLETS) else address


def _exact(value: object) -> Decimal:
    """JSON numbers and strings become decimals; a float cannot come in, since the body is read without any."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("must be a number or a decimal string")
    text = str(value)
    if len(text) > MAX_AMOUNT_CHARACTERS or (isinstance(value, str) and not DECIMAL.fullmatch(text)):
        raise ValueError(f"must be a plain decimal number of at most {MAX_AMOUNT_CHARACTERS} characters")
    return Decimal(text)


def _known(value: object) -> Token:
    token = find_token(value) if isinstance(value, str) else None
    if token is None:
        known = ", ".join(token.symbol for token in REGISTRY)
        raise ValueError(f"must be one of {known}, or one of their mint addresses")
    return token


def _trading(value: object) -> Venue:
    if not isinstance(value, str) or value not in VENUES:
        raise ValueError(f"must be {' or '.join(repr(venue) for venue in VENUES)}")
    return value


def _listed(value: object) -> Token | tuple[Token, ...]:
    """A filter's token; a mint that several tokens have stands for all of them."""
    sharing = tuple(token for token in REGISTRY if token.mint == value)
    return sharing if len(sharing) > 1 else _known(value)


def _market_only(value: object) -> object:
    if value in ("limit", "sniper"):
        raise ValueError(f"must be market: {value} orders are not offered yet")
    if value != "market":
        raise ValueError("must be market, the only type of order that is offered")
    return value


def _page_size(value: object) -> int:
    if isinstance(value, str) and DIGITS.fullmatch(value) and 1 <= int(value) <= MAX_PAGE:
        return int(value)
    raise ValueError(f"must be a whole number from 1 to {MAX_PAGE}")


def _moment(value: object) -> datetime:
    """The first whole millisecond that is not before the time: orders' times are whole, so no order lies between."""
    sent = MOMENT.fullmatch(value) if isinstance(value, str) else None
    if sent:
        with contextlib.suppress(ValueError, OverflowError):
            second, _, _ = (sent["second"] or ":00").partition(".")
            moment = datetime.fromisoformat(f"{sent['minute']}{second}{sent['zone']}".upper()).astimezone(UTC)
            part = Decimal(f"0.{sent['fraction'] or 0}").scaleb(3).to_integral_value(ROUND_CEILING)
            return moment + min(timedelta(milliseconds=int(part)), LAST_MOMENT - moment)
    raise ValueError("must be a time with its zone (RFC 3339), such as 2026-11-22T18:00:00Z; write + as %2B")


_TEXT_SCHEMA = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": TEXT_PATTERN}
_MOMENT_SCHEMA = {"type": "string", "format": "date-time", "examples": ["2026-11-22T18:00:00Z"]}

UserId: TypeAlias = Annotated[
    str,
    BeforeValidator(_text),
    WithJsonSchema({**_TEXT_SCHEMA, "description": "Whose order it is; any name.", "examples": ["user-1"]}),
]
WalletAddress: TypeAlias = Annotated[
    str,
    BeforeValidator(_wallet),
    WithJsonSchema(
        {
            **_TEXT_SCHEMA,
            "description": "The wallet that trades: any name, or, where the service is set to strict wallets, an "
            "Ed25519 public key in base58.",
            "examples": ["wallet_12345"],
        }
    ),
]
ClientOrderId: TypeAlias = Annotated[
    str,
    BeforeValidator(_text),
    WithJsonSchema(
        {
            **_TEXT_SCHEMA,
            "description": "Your own id for the order: unique among all orders of the user, for as long as they are "
            "kept and however they ended. Two users may have the same.",
            "examples": ["my-order-1"],
        }
    ),
]
TicketOrderId: TypeAlias = Annotated[
    str,
    BeforeValidator(_text),
    WithJsonSchema(
        {
            **_TEXT_SCHEMA,
            "description": "The order to follow. Without it the ticket is good for any order of the user.",
            "examples": ["ord_019aad1c8f005f2b7c9d1e3a4b6c8d0f"],
        }
    ),
]
ExactAmount: TypeAlias = Annotated[
    Decimal,
    BeforeValidator(_exact),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {
                    "type": "string",
                    "pattern": r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?$",
                    "maxLength": MAX_AMOUNT_CHARACTERS,
                },
            ],
            "description": "An exact amount, as a number or a string, with at most as many decimals as the token has.",
            "examples": ["1.5", 10],
        }
    ),
]
KnownToken: TypeAlias = Annotated[
    Token,
    BeforeValidator(_known),
    PlainSerializer(str),
    WithJsonSchema(
        {
            "type": "string",
            "enum": TOKEN_NAMES,
            "description": "A symbol or a mint address that GET /api/tokens lists.",
            "examples": ["SOL"],
        }
    ),
]
KnownVenue: TypeAlias = Annotated[
    Venue,
    BeforeValidator(_trading),
    WithJsonSchema({"type": "string", "enum": list(VENUES), "description": "The venue that the order was routed to."}),
]
ListedToken: TypeAlias = Annotated[
    Token | tuple[Token, ...],
    BeforeValidator(_listed),
    WithJsonSchema(
        {
            "type": "string",
            "enum": TOKEN_NAMES,
            "description": "A symbol or a mint address that GET /api/tokens lists; the mint of SOL and WSOL lists "
            "orders of both.",
            "examples": ["SOL"],
        }
    ),
]
OrderType: TypeAlias = Annotated[
    Literal["market"],
    BeforeValidator(_market_only),
    Field(description="Only market orders are offered today; another type is refused."),
]
Slippage: TypeAlias = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=MAX_SLIPPAGE_BPS,
        description="How far the execution may be worse than the quote, in hundredths of a percent.",
    ),
    BeforeValidator(strict_json.whole),
]
PriceImpact: TypeAlias = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=BPS,
        description="How far the swap may move the market against itself, in hundredths of a percent; past it nothing "
        "is signed. Fees do not count, nor does rounding to whole base units.",
    ),
    BeforeValidator(strict_json.whole),
]
PageSize: TypeAlias = Annotated[
    int,
    BeforeValidator(_page_size),
    WithJsonSchema(
        {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_PAGE,
            "default": DEFAULT_PAGE,
            "description": "How many orders a page has at most.",
        }
    ),
]
StatsWindow: TypeAlias = Annotated[
    int,
    BeforeValidator(_page_size),
    WithJsonSchema(
        {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_PAGE,
            "default": MAX_PAGE,
            "description": "How many of the newest orders to look at.",
        }
    ),
]
PlacedFrom: TypeAlias = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({**_MOMENT_SCHEMA, "description": "Only orders placed at this time or later."}),
]
PlacedBefore: TypeAlias = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({**_MOMENT_SCHEMA, "description": "Only orders placed before this time."}),
]
Cursor: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512),
    Field(description="`nextCursor` of the page before, sent with the same filters."),
]


class SwapRequest(BaseModel):
    """What to swap. `side` sell spends exactly `amount` of inputToken, buy receives exactly `amount` of outputToken."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    inputToken: KnownToken
    outputToken: KnownToken
    side: Side
    amount: ExactAmount
    slippageBps: Slippage = DEFAULT_SLIPPAGE_BPS
    maxPriceImpactBps: PriceImpact = DEFAULT_MAX_PRICE_IMPACT_BPS
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


class QuoteBody(SwapRequest):
    """A dry run: what an order would be routed to right now."""

    def to_request(self) -> QuoteRequest:
        """The question for the venues; each is asked as another one."""
        return QuoteRequest(self.inputToken, self.outputToken, self.side, self.base_units(), f"quote:{uuid.uuid4()}")


class OrderBody(SwapRequest):
    """An order to execute."""

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
    """What a stream ticket is for: one order, or any of the user's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    orderId: TicketOrderId | None = None


class ListQuery(BaseModel):
    """Which orders to list, newest first."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    userId: UserId | None = None
    clientOrderId: ClientOrderId | None = None
    status: OrderStatus | None = None
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
            venue=self.venue,
            input_token=self.inputToken,
            output_token=self.outputToken,
            placed_from=self.placedFrom,
            placed_before=self.placedBefore,
        )


class StatsQuery(BaseModel):
    """Whose orders the figures are about, and how many of the newest."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)

    userId: UserId | None = None
    orders: StatsWindow = MAX_PAGE

    def to_filter(self) -> OrderFilter:
        """The filter without the number."""
        return OrderFilter(user_id=self.userId)


def read_order(values: object, *, strict_wallets: bool) -> OrderBody:
    """A validated order. Raises `InvalidOrder`."""
    return _validated(OrderBody, values, {STRICT_WALLETS: strict_wallets})


def read_quote(values: object) -> QuoteBody:
    """A validated dry run. Raises `InvalidOrder`."""
    return _validated(QuoteBody, values)


def read_ticket_request(values: object) -> TicketBody:
    """What a ticket is asked for. Raises `InvalidOrder`."""
    return _validated(TicketBody, values)


def read_list_query(parameters: Mapping[str, list[str]]) -> ListQuery:
    """The validated query. Raises `InvalidOrder`."""
    return _validated(ListQuery, _once(parameters))


def read_stats_query(parameters: Mapping[str, list[str]]) -> StatsQuery:
    """The validated query. Raises `InvalidOrder`."""
    return _validated(StatsQuery, _once(parameters))


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
        raise InvalidOrder(*(_field(dict(one)) for one in errors)) from None


def _field(error: dict[str, Any]) -> InvalidField:
    name = printable(".".join(str(part) for part in error["loc"])) or "body"
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return InvalidField(name, str(cause))
    return InvalidField(name, ERROR_MESSAGES.get(error["type"]) or PYDANTIC_SUBJECT.sub("must ", str(error["msg"])))
