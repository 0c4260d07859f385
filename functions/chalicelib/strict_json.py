"""Reading JSON strictly: exact numbers, no duplicate keys, nothing that could surprise later."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

# Python refuses to read integers of thousands of digits; as decimals they are merely too large.
LONGEST_INTEGER = 40
MAX_SHOWN = 100


def _refuse(number: str) -> Decimal:
    raise ValueError(f"{number[:MAX_SHOWN]} is no JSON number, or out of every range")


def read(text: str, *, unusable: Callable[[str], Decimal] = _refuse) -> object:
    """The value; numbers with a fraction or an exponent are decimals, never floats.

    `unusable` makes a value of a number that is out of every range, and of NaN, Infinity and -Infinity, which many
    libraries write although JSON has none.

    Raises:
        ValueError: no JSON, a number that is refused, or a key that stands twice in an object.
        RecursionError: nested too deeply.
    """

    def decimal(number: str) -> Decimal:
        try:
            return Decimal(number)
        except InvalidOperation:
            return unusable(number)

    return json.loads(
        text,
        parse_float=decimal,
        parse_int=_integer,
        parse_constant=unusable,
        object_pairs_hook=_without_duplicates,
    )


def whole(value: object) -> object:
    """An integer that was written with a fraction or an exponent (`50.0`, `5e1`) as the integer that JSON Schema says
    it is; whatever else as it is."""
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < LONGEST_INTEGER:
        return int(value) if value == int(value) else value
    return value


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= LONGEST_INTEGER else Decimal(digits)


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice[:MAX_SHOWN]!r} stands twice in one object")
    return result
