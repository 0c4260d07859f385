"""What the strings of the views mean, for the specifications; at run time they are plain strings.

pydantic calls `__get_pydantic_json_schema__` when docs/api/generate.py makes the specifications. Nothing here imports
pydantic, because the worker and the pusher load the views and validate nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.order import Meta
from chalicelib.domain.quotes import VENUES, Side
from chalicelib.domain.transitions import OrderStatus


@dataclass(frozen=True, slots=True)
class SchemaInfo:
    """A description for the specifications, and what else is true of each value."""

    description: str = ""
    examples: tuple[object, ...] = ()
    one_of: tuple[str, ...] = ()
    pattern: str = ""
    format: str = ""

    def __get_pydantic_json_schema__(
        self, core_schema: object, handler: Callable[[object], dict[str, object]]
    ) -> dict[str, object]:
        """The schema with what this says."""
        said: dict[str, object] = {
            "description": self.description,
            "enum": list(self.one_of),
            "pattern": self.pattern,
            "format": self.format,
            "examples": list(self.examples),
        }
        return {**handler(core_schema), **{name: value for name, value in said.items() if value}}


def _values(kind: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(value) for value in kind)


OrderId: TypeAlias = Annotated[
    str, SchemaInfo("The order's id.", pattern="^ord_[0-9a-f]{32}$", examples=("ord_019aad1c8f005f2b7c9d1e3a4b6c8d0f",))
]
Status: TypeAlias = Annotated[str, SchemaInfo("Where the order stands.", one_of=_values(OrderStatus))]
SideName: TypeAlias = Annotated[
    str,
    SchemaInfo(
        "`sell` spends exactly `amount` of inputToken, `buy` receives exactly `amount` of outputToken.",
        one_of=_values(Side),
    ),
]
VenueName: TypeAlias = Annotated[str, SchemaInfo("The DEX.", one_of=VENUES)]
Reason: TypeAlias = Annotated[str, SchemaInfo("Why, for programs.", one_of=_values(ErrorCode))]
Symbol: TypeAlias = Annotated[str, SchemaInfo("A token's symbol.", examples=("SOL",))]
Exact: TypeAlias = Annotated[
    str, SchemaInfo("An exact decimal without an exponent.", pattern=r"^-?[0-9]+(\.[0-9]+)?$", examples=("1.5",))
]
BaseUnits: TypeAlias = Annotated[
    str, SchemaInfo("Integer base units; a string, since a u64 does not fit a double.", pattern="^[0-9]+$")
]
Moment: TypeAlias = Annotated[
    str, SchemaInfo("ISO 8601 in UTC with milliseconds.", format="date-time", examples=("2026-11-22T18:00:00.000Z",))
]
Sequence: TypeAlias = Annotated[int, SchemaInfo("1, 2, 3 … within an order, without a gap.", examples=(1,))]
Sentence: TypeAlias = Annotated[str, SchemaInfo("A sentence for people.")]
Details: TypeAlias = Annotated[
    Meta,
    SchemaInfo(
        "What belongs to the status: `building` has chosenDex, expectedOutput, quotes and reason; `submitted` txHash; "
        "`confirmed` txHash, finalExecutionPrice, executedInput, executedOutput and fee; `failed` and a retry error, "
        "priceImpactPct too where that was too high. `waiting` has limitPrice, marketPrice, distanceBps and expiresAt, "
        "or launch; after a miss error and fires, after a change `changed`. A `pending` that was fired has `trigger`."
    ),
]
