"""The fields of requests: what each takes, in a sentence for people and in a schema for programs."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema

from chalicelib.domain.tokens import REGISTRY, Token, find_token
from chalicelib.http.wallets import check_wallet
from chalicelib.services.browse import DEFAULT_PAGE, MAX_PAGE

MAX_TEXT = 128
MAX_AMOUNT_CHARACTERS = 100
MAX_SLIPPAGE_BPS = 5_000
STRICT_WALLETS = "strict_wallets"
DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
DIGITS = re.compile(r"[0-9]{1,6}")
# RFC 3339; the seconds and their fraction may be left out.
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})")
# Control characters, since Postgres text cannot hold NUL and nobody can see the others; surrogates, which are no text;
# U+FFFD, which is what API Gateway makes of bytes that are no UTF-8.
UNWELCOME = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
TEXT_PATTERN = (
    r"^[^\u0000-\u001f\u007f-\u009f\ufffd]*[^\s\u0000-\u001f\u007f-\u009f\ufffd][^\u0000-\u001f\u007f-\u009f\ufffd]*$"
)
# Each once, symbols first: SOL and WSOL have one mint.
TOKEN_NAMES = list(dict.fromkeys([token.symbol for token in REGISTRY] + [token.mint for token in REGISTRY]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    if not 1 <= len(value) <= MAX_TEXT or value.isspace():
        raise ValueError(f"must have 1 to {MAX_TEXT} characters, not only spaces")
    if UNWELCOME.search(value):
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


def _market_only(value: object) -> object:
    if value in ("limit", "sniper"):
        raise ValueError(f"must be market: {value} orders are not offered yet")
    if value != "market":
        raise ValueError("must be market, the only type of order that is offered")
    return value


def _page_size(value: object) -> int:
    """A query parameter; pydantic would also take " 5", "5.0" and "1_0"."""
    if isinstance(value, str) and DIGITS.fullmatch(value) and 1 <= int(value) <= MAX_PAGE:
        return int(value)
    raise ValueError(f"must be a whole number from 1 to {MAX_PAGE}")


def _moment(value: object) -> datetime:
    """A query parameter; pydantic would also take seconds since 1970, and times without a zone."""
    if isinstance(value, str) and MOMENT.fullmatch(value):
        with contextlib.suppress(ValueError, OverflowError):
            return datetime.fromisoformat(value).astimezone(UTC)
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
        {**_TEXT_SCHEMA, "description": "Your own id for the order, unique per user.", "examples": ["my-order-1"]}
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
