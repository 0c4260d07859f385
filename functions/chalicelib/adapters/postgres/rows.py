"""Rows to domain values and back. Routes are kept as JSON; decimals in it are strings, amounts integers.

What is stored outlives the code that wrote it: a token is delisted, a newer version that was rolled back had another
status, code or venue. Such a row is read all the same, with what it says as it says it, for one that could not be read
would take a page of the history, or a run of reconcile, down with it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar, cast

from aws_lambda_powertools import Logger
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.order import (
    Failure,
    Fill,
    LaunchConditions,
    LaunchEvent,
    Order,
    OrderEvent,
    OrderType,
    SignedTransaction,
    TimeInForce,
)
from chalicelib.domain.quotes import NoQuote, Quote, Route, Side
from chalicelib.domain.tokens import Token, delisted, find_token
from chalicelib.domain.transitions import OrderStatus

# Transactions signed before revision 0005 have a time in the height's place; the simulated chain makes 2.5 blocks a
# second.
ORDER_COLUMNS = """
    id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps, client_order_id,
    max_price_impact_bps, status, attempt, sequence, route, signature, raw_transaction,
    coalesce(last_valid_height, ceil(extract(epoch FROM transaction_expires_at) * 2.5)::bigint) AS last_valid_height,
    fill_amount_in, fill_amount_out, fill_fee, error_code, error_message, error_retryable, created_at, updated_at,
    order_type, limit_price, time_in_force, expires_at, launch, bound, fires, fired_at, fires_from
"""
# Writes through telemetry's logger; one of its own would take the output over from it.
_logger = Logger(child=True)
Name = TypeVar("Name", bound=StrEnum)
EVENT_COLUMNS = "order_id, sequence, status, attempt, message, meta, occurred_at"


def order_from(row: DictRow) -> Order:
    """The order of a row with ORDER_COLUMNS."""
    return Order(
        id=row["id"],
        user_id=row["user_id"],
        wallet_address=row["wallet_address"],
        input_token=_token(row["input_token"]),
        output_token=_token(row["output_token"]),
        side=_known(Side, row["side"]),
        amount=int(row["amount"]),
        slippage_bps=row["slippage_bps"],
        client_order_id=row["client_order_id"],
        status=_known(OrderStatus, row["status"]),
        attempt=row["attempt"],
        sequence=row["sequence"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        route=_readable_route(row),
        transaction=_transaction(row),
        fill=_fill(row),
        failure=_failure(row),
        max_price_impact_bps=row["max_price_impact_bps"],
        order_type=_known(OrderType, row["order_type"]),
        limit_price=row["limit_price"],
        time_in_force=_known(TimeInForce, row["time_in_force"]) if row["time_in_force"] else None,
        expires_at=row["expires_at"],
        launch=_launch(row["launch"]) if row["launch"] else None,
        bound=row["bound"],
        fires=row["fires"],
        fired_at=row["fired_at"],
        fires_from=row["fires_from"],
    )


def event_from(row: DictRow) -> OrderEvent:
    """The event of a row with EVENT_COLUMNS."""
    return OrderEvent(
        order_id=row["order_id"],
        sequence=row["sequence"],
        status=_known(OrderStatus, row["status"]),
        attempt=row["attempt"],
        message=row["message"],
        meta=row["meta"],
        occurred_at=row["occurred_at"],
    )


def event_from_json(stored: dict[str, Any]) -> OrderEvent:
    """The event of such a row that Postgres made JSON of."""
    return event_from({**stored, "occurred_at": datetime.fromisoformat(stored["occurred_at"])})


def changing_columns(order: Order) -> dict[str, object]:
    """Everything about an order that a move may change, by column."""
    transaction, fill, failure, guard = order.transaction, order.fill, order.failure, order.guard
    return {
        "status": order.status,
        "attempt": order.attempt,
        "sequence": order.sequence,
        "route": Jsonb(_route_json(order.route)) if order.route else None,
        "venue": order.route.chosen.venue if order.route else None,
        "signature": transaction.signature if transaction else None,
        "last_valid_height": transaction.last_valid_height if transaction else None,
        "fill_amount_in": fill.amount_in if fill else None,
        "fill_amount_out": fill.amount_out if fill else None,
        "fill_fee": fill.fee if fill else None,
        "error_code": failure.code if failure else None,
        "error_message": failure.message if failure else None,
        "error_retryable": failure.retryable if failure else None,
        "rests": order.status is OrderStatus.WAITING,
        "limit_price": order.limit_price,
        "least_output": guard.minimum_output if guard else None,
        "most_input": guard.maximum_input if guard else None,
        "expires_at": order.expires_at,
        "bound": order.bound,
        "fires": order.fires,
        "fired_at": order.fired_at,
    }


def launch_json(conditions: LaunchConditions) -> dict[str, object]:
    """A sniper's conditions as they are stored."""
    return {
        "event": conditions.event,
        "minimum_liquidity_usd": str(conditions.minimum_liquidity_usd),
        "max_age_seconds": conditions.max_age_seconds,
        "require_safe": conditions.require_safe,
    }


def _launch(stored: dict[str, Any]) -> LaunchConditions:
    return LaunchConditions(
        event=_known(LaunchEvent, stored["event"]),
        minimum_liquidity_usd=Decimal(stored["minimum_liquidity_usd"]),
        max_age_seconds=stored["max_age_seconds"],
        require_safe=stored["require_safe"],
    )


def _token(symbol: str) -> Token:
    return find_token(symbol) or delisted(symbol)


def _known(kind: type[Name], stored: str) -> Name:
    """The member with this value; for one that this version does not have, a stranger that equals no member."""
    try:
        return kind(stored)
    except ValueError:
        stranger = str.__new__(kind, stored)
        stranger._name_ = stranger._value_ = stored
        return stranger


def _readable_route(row: DictRow) -> Route | None:
    if row["route"] is None:
        return None
    try:
        return _route(row["route"])
    except (ArithmeticError, AttributeError, LookupError, StopIteration, TypeError, ValueError) as error:
        # A worker that needs the route stumbles over its lack; whoever only shows the order does without.
        _logger.warning("route_not_read", extra={"order_id": row["id"], "reason": repr(error)})
        return None


def _transaction(row: DictRow) -> SignedTransaction | None:
    if row["signature"] is None:
        return None
    return SignedTransaction(row["signature"], bytes(row["raw_transaction"] or b""), row["last_valid_height"])


def _fill(row: DictRow) -> Fill | None:
    if row["fill_amount_out"] is None:
        return None
    return Fill(int(row["fill_amount_in"]), int(row["fill_amount_out"]), int(row["fill_fee"]))


def _failure(row: DictRow) -> Failure | None:
    if row["error_code"] is None:
        return None
    return Failure(_known(ErrorCode, row["error_code"]), row["error_message"], row["error_retryable"])


def _route_json(route: Route) -> dict[str, object]:
    return {
        "chosen": route.chosen.venue,
        "quotes": [_quote_json(quote) for quote in route.quotes],
        "unavailable": [
            {"venue": no.venue, "code": no.code, "message": no.message, "retryable": no.retryable}
            for no in route.unavailable
        ],
        "reason": route.reason,
        "minimum_output": route.minimum_output,
        "maximum_input": route.maximum_input,
        "steps": list(route.steps),
    }


def _quote_json(quote: Quote) -> dict[str, object]:
    return {
        "venue": quote.venue,
        "amount_in": quote.amount_in,
        "amount_out": quote.amount_out,
        "fee": quote.fee,
        "price_impact_pct": str(quote.price_impact_pct),
        "expires_at": quote.expires_at.isoformat(),
    }


def _route(stored: dict[str, Any]) -> Route:
    quotes = tuple(_quote(quote) for quote in stored["quotes"])
    return Route(
        chosen=next(quote for quote in quotes if quote.venue == stored["chosen"]),
        quotes=quotes,
        unavailable=tuple(
            NoQuote(no["venue"], _known(ErrorCode, no["code"]), no["message"], no["retryable"])
            for no in stored["unavailable"]
        ),
        reason=stored["reason"],
        minimum_output=stored["minimum_output"],
        maximum_input=stored["maximum_input"],
        steps=tuple(stored["steps"]),
    )


def _quote(stored: dict[str, Any]) -> Quote:
    return Quote(
        venue=stored["venue"],
        amount_in=cast("int", stored["amount_in"]),
        amount_out=cast("int", stored["amount_out"]),
        fee=cast("int", stored["fee"]),
        price_impact_pct=Decimal(stored["price_impact_pct"]),
        expires_at=datetime.fromisoformat(stored["expires_at"]),
    )
