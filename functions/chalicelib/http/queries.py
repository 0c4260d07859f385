"""What queries may say: their fields, their models, and reading one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from chalicelib.domain.errors import InvalidField, InvalidOrder
from chalicelib.domain.order import OrderType
from chalicelib.domain.quotes import VENUES, Venue
from chalicelib.domain.tokens import REGISTRY, Token
from chalicelib.domain.transitions import OrderStatus
from chalicelib.http.fields import (
    LAUNCHED_SCHEMA,
    MOMENT_SCHEMA,
    TOKEN_NAMES,
    ClientOrderId,
    KnownToken,
    UserId,
    differing,
    known_token,
)
from chalicelib.http.moments import read_moment
from chalicelib.http.problems import printable
from chalicelib.http.validation import Model, validated
from chalicelib.ports.history import DEFAULT_PAGE, MAX_PAGE, OrderFilter

MAX_POINTS = 600
MAX_STEP = 86_400
DIGITS = re.compile(r"[0-9]{1,6}")


def read_query(model: type[Model], parameters: Mapping[str, list[str]]) -> Model:
    """The validated query. Raises `InvalidOrder`."""
    repeated = [name for name, values in parameters.items() if len(values) > 1]
    if repeated:
        raise InvalidOrder(*(InvalidField(printable(name), "must be given once") for name in repeated))
    return validated(model, {name: values[0] for name, values in parameters.items()})


def _trading(value: object) -> Venue:
    if not isinstance(value, str) or value not in VENUES:
        raise ValueError(f"must be {' or '.join(repr(venue) for venue in VENUES)}")
    return value


def _listed(value: object) -> Token | tuple[Token, ...]:
    """A filter's token; a mint that several tokens have stands for all of them."""
    sharing = tuple(token for token in REGISTRY if token.mint == value)
    return sharing if len(sharing) > 1 else known_token(value)


def _page_size(value: object) -> int:
    if isinstance(value, str) and DIGITS.fullmatch(value) and 1 <= int(value) <= MAX_PAGE:
        return int(value)
    raise ValueError(f"must be a whole number from 1 to {MAX_PAGE}")


def _step(value: object) -> int:
    if isinstance(value, str) and DIGITS.fullmatch(value) and 1 <= int(value) <= MAX_STEP:
        return int(value)
    raise ValueError(f"must be a whole number of seconds from 1 to {MAX_STEP}")


def _moment(description: str) -> WithJsonSchema:
    return WithJsonSchema({**MOMENT_SCHEMA, "description": description})


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
            "anyOf": [{"enum": TOKEN_NAMES}, LAUNCHED_SCHEMA],
            "description": "A symbol or a mint address that GET /api/tokens lists; the mint of SOL and WSOL lists "
            "orders of both.",
            "examples": ["SOL"],
        }
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
            "description": "How many a page has at most.",
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
    BeforeValidator(read_moment),
    _moment("Only orders placed at this time or later."),
]
PlacedBefore: TypeAlias = Annotated[
    datetime,
    BeforeValidator(read_moment),
    _moment("Only orders placed before this time."),
]
Since: TypeAlias = Annotated[
    datetime,
    BeforeValidator(read_moment),
    _moment("The first moment, in the past; without it the present."),
]
Until: TypeAlias = Annotated[
    datetime,
    BeforeValidator(read_moment),
    _moment("The last moment, not in the future; without it now."),
]
LaunchedBefore: TypeAlias = Annotated[
    datetime,
    BeforeValidator(read_moment),
    _moment("Only launches confirmed before this time."),
]
Step: TypeAlias = Annotated[
    int,
    BeforeValidator(_step),
    WithJsonSchema(
        {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_STEP,
            "description": f"Seconds between two points, 1 without it; {MAX_POINTS} points at most.",
        }
    ),
]
FeedCursor: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512),
    Field(
        description="`nextCursor` of the page before, of the same user; without it, from `since`, or from the first "
        "event on."
    ),
]
FeedSince: TypeAlias = Annotated[
    datetime,
    BeforeValidator(read_moment),
    _moment(
        "Where to begin: only events at this time or later. To hear what happens from now on, send the present time, "
        "then follow `nextCursor`; a time ahead of the service's clock stands for the present."
    ),
]
Cursor: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512),
    Field(description="`nextCursor` of the page before, sent with the same filters."),
]


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
