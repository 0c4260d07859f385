"""Reading JSON strictly: exact numbers, no duplicate keys, nothing that could surprise later."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import NoReturn

# Python refuses to read integers of thousands of digits; as decimals they are merely too large.
LONGEST_INTEGER = 40
MAX_TOLD = 100


def read(text: str) -> object:
    """The value; numbers with a fraction or an exponent are decimals, never floats.

    Raises:
        ValueError: no JSON, a number out of every range, or a key that stands twice in an object.
        RecursionError: nested too deeply.
    """
    return json.loads(
        text,
        parse_float=_decimal,
        parse_int=_integer,
        parse_constant=_refuse_constant,
        object_pairs_hook=_without_duplicates,
    )


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"the number {text[:MAX_TOLD]} is out of every range") from None


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= LONGEST_INTEGER else Decimal(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice[:MAX_TOLD]!r} stands twice in one object")
    return result
