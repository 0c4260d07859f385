"""What the HTTP calls read: headers, path parameters, queries, bodies."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from chalicelib.domain.errors import InvalidField, InvalidOrder, OrderNotFound
from chalicelib.domain.order import is_order_id
from chalicelib.http.catalogue import ProblemCode
from chalicelib.http.cursors import read_cursor
from chalicelib.http.fields import STRICT_WALLETS
from chalicelib.http.problems import Problem
from chalicelib.http.requests import ListQuery, OrderBody, QuoteBody, printable, validated
from chalicelib.services.browse import OrderFilter

IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")
MAX_ID_TOLD = 64


def order_id(text: str) -> str:
    """The path's order id. Raises `OrderNotFound` for what can be none, without asking the database."""
    if not is_order_id(text):
        raise OrderNotFound(printable(text[:MAX_ID_TOLD]))
    return text


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The Idempotency-Key header. Raises `Problem` where it cannot be one."""
    key = headers.get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise Problem(ProblemCode.INVALID_IDEMPOTENCY_KEY, "Idempotency-Key takes 1 to 255 printable ASCII characters.")
    return key


def order_body(values: object, *, strict_wallets: bool) -> OrderBody:
    """A validated order. Raises `InvalidOrder`."""
    return validated(OrderBody, values, {STRICT_WALLETS: strict_wallets})


def quote_body(values: object) -> QuoteBody:
    """A validated dry run. Raises `InvalidOrder`."""
    return validated(QuoteBody, values)


def quote_seed() -> str:
    """What makes two dry runs differ."""
    return f"quote:{uuid.uuid4()}"


def list_query(parameters: Mapping[str, list[str]]) -> ListQuery:
    """The validated query. Raises `InvalidOrder`."""
    repeated = [name for name, values in parameters.items() if len(values) > 1]
    if repeated:
        raise InvalidOrder(*(InvalidField(printable(name), "must be given once") for name in repeated))
    return validated(ListQuery, {name: values[0] for name, values in parameters.items()})


def place_in_list(query: ListQuery, which: OrderFilter, secret: str) -> str | None:
    """The id after which the page starts. Raises `Problem`."""
    return read_cursor(query.cursor, which, secret) if query.cursor else None
