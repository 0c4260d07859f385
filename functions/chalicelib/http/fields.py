"""The fields of bodies, some of queries too, each with its rule, its sentence for people and its schema for programs.

Where pydantic's own types take more than the contract does (`" 1"` as a number, `1_0`, seconds since 1970 as a time, a
lone surrogate as text), a rule of ours stands before it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)

from chalicelib import strict_json
from chalicelib.domain.amounts import BPS
from chalicelib.domain.order import (
    LaunchConditions,
    OrderType,
)
from chalicelib.domain.quotes import Side
from chalicelib.domain.text import FORBIDDEN_CHARS, MAX_TEXT, has_good_length
from chalicelib.domain.tokens import LAUNCH_SYMBOL, REGISTRY, Token, find_token, is_launched
from chalicelib.http.moments import read_moment
from chalicelib.http.wallets import check_wallet

MAX_AMOUNT_CHARACTERS = 100
MAX_SLIPPAGE_BPS = 5_000
STRICT_WALLETS, NOW = "strict_wallets", "now"
MAX_PRICE_DIGITS = 18
MAX_PRICE_EXPONENT = 24
SHORTEST_REST, LONGEST_REST = timedelta(seconds=10), timedelta(days=90)
MOST_DOLLARS = Decimal(10**12)
DEFAULT_CONDITIONS = LaunchConditions()
_WIDE = Context(prec=100)
DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
# Spaces first, then something that is seen: a text matches in one way only, however long it is.
TEXT_PATTERN = (
    r"^[^\S\u0000-\u001f\u007f-\u009f\ufffd]*[^\s\u0000-\u001f\u007f-\u009f\ufffd][^\u0000-\u001f\u007f-\u009f\ufffd]*$"
)
# Each once, symbols first: SOL and WSOL have one mint.
TOKEN_NAMES = list(dict.fromkeys([token.symbol for token in REGISTRY] + [token.mint for token in REGISTRY]))
# A launch's token, by its symbol or its mint.
LAUNCHED_SCHEMA = {"pattern": f"^({LAUNCH_SYMBOL.pattern}|[1-9A-HJ-NP-Za-km-z]{{43,44}})$"}


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


def known_token(value: object) -> Token:
    token = find_token(value) if isinstance(value, str) else None
    if token is None:
        known = ", ".join(token.symbol for token in REGISTRY)
        raise ValueError(f"must be one of {known}, or one of their mint addresses")
    return token


def _order_type(value: object) -> object:
    if not isinstance(value, str) or value not in set(OrderType):
        raise ValueError(f"must be {', '.join(OrderType)}")
    return value


def _limit_price(value: object) -> Decimal:
    price = _exact(value)
    if not price.is_finite() or price <= 0:
        raise ValueError("must be greater than zero")
    if len(price.normalize(_WIDE).as_tuple().digits) > MAX_PRICE_DIGITS or len(price.as_tuple().digits) > 60:
        raise ValueError(f"must have at most {MAX_PRICE_DIGITS} significant digits")
    if not -MAX_PRICE_EXPONENT <= price.adjusted() <= MAX_PRICE_EXPONENT:
        raise ValueError(f"must be between 1e-{MAX_PRICE_EXPONENT} and 1e{MAX_PRICE_EXPONENT}")
    return price


def _time_in_force(value: object) -> object:
    if value == "ioc":
        raise ValueError("must be gtc or fok: use fok, an order is filled whole or not at all")
    if value in ("day", "gtd"):
        raise ValueError("must be gtc or fok: use gtc with expiresAt")
    if value not in ("gtc", "fok"):
        raise ValueError("must be gtc or fok")
    return value


def differing(token: Token, info: ValidationInfo) -> Token:
    """The output token. Raises `ValueError` where it is the input token."""
    other = info.data.get("inputToken")
    if other is not None and other.mint == token.mint:
        raise ValueError("must differ from inputToken (SOL and WSOL are one asset)")
    if other is not None and is_launched(other) and is_launched(token):
        raise ValueError("has no pool with another launched token: trade it for one that GET /api/tokens lists")
    return token


def sells(value: object) -> object:
    if value != Side.SELL:
        raise ValueError("must be sell: a sniper order spends an exact amount")
    return value


def _ends(value: object, info: ValidationInfo) -> datetime:
    moment = read_moment(value)
    now = (info.context or {}).get(NOW)
    if isinstance(now, datetime) and not now + SHORTEST_REST <= moment <= now + LONGEST_REST:
        least, most = int(SHORTEST_REST.total_seconds()), LONGEST_REST.days
        raise ValueError(
            f"must be at least {least} s and at most {most} days ahead of the server's clock, {_shown(now)}"
        )
    return moment


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dollars(value: object) -> Decimal:
    amount = _exact(value)
    if not amount.is_finite() or not 0 <= amount <= MOST_DOLLARS or len(amount.as_tuple().digits) > 30:
        raise ValueError(f"must be a number of dollars from 0 to {MOST_DOLLARS:f}")
    return amount


_TEXT_SCHEMA = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": TEXT_PATTERN}
MOMENT_SCHEMA = {"type": "string", "format": "date-time", "examples": ["2026-11-22T18:00:00Z"]}

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
    BeforeValidator(known_token),
    PlainSerializer(str),
    WithJsonSchema(
        {
            "type": "string",
            "anyOf": [{"enum": TOKEN_NAMES}, LAUNCHED_SCHEMA],
            "description": "A symbol or a mint address that GET /api/tokens or GET /api/launches lists.",
            "examples": ["SOL"],
        }
    ),
]
MarketType: TypeAlias = Annotated[
    Literal["market"],
    BeforeValidator(_order_type),
    Field(description="Executes at once, at the market's price."),
]
LimitPrice: TypeAlias = Annotated[
    Decimal,
    BeforeValidator(_limit_price),
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
            "description": "outputToken for one inputToken, after fees, for the full size: the order never settles for "
            "less. At most 18 significant digits, and within a twentieth and twenty times the market.",
            "examples": ["170"],
        }
    ),
]
TimeInForceField: TypeAlias = Annotated[
    Literal["gtc", "fok"],
    BeforeValidator(_time_in_force),
    Field(description="gtc rests until it is filled, cancelled or expired; fok is filled at once or not at all."),
]
ExpiresAt: TypeAlias = Annotated[
    datetime,
    BeforeValidator(_ends),
    WithJsonSchema(
        {
            **MOMENT_SCHEMA,
            "description": "From when on nothing is signed any more: 10 s to 90 days ahead, 30 days without it. A "
            "transaction that was signed before may land within half a minute after it.",
        }
    ),
]
LaunchEventField: TypeAlias = Annotated[
    Literal["any", "launch", "migration"],
    Field(description="Which events it fires at."),
]
Dollars: TypeAlias = Annotated[
    Decimal,
    BeforeValidator(_dollars),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "maxLength": MAX_AMOUNT_CHARACTERS}],
            "description": "How many dollars the pool must hold.",
            "default": 5000,
        }
    ),
]
MaxAge: TypeAlias = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=300,
        description="How long ago the launch may have been confirmed, or have opened where that was later, when the "
        "order fires; in seconds.",
    ),
    BeforeValidator(strict_json.whole),
]
Sequence: TypeAlias = Annotated[
    int,
    Field(strict=True, ge=1, le=2**31 - 1, description="The sequence that the order must have: another one is a 409."),
    BeforeValidator(strict_json.whole),
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
