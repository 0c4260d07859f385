"""Reads what is stored, with SQL of its own."""

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from localstack.chaos.records import (
    ChainRecord,
    DeadLetterRecord,
    EventRecord,
    Evidence,
    Interruption,
    OrderRecord,
    Transcript,
)
from localstack.local_stack.stack_for_tests import Stack

_CONNECT_SECONDS = 5

ORDERS = """
SELECT id, status, attempt::int, sequence, signature, fill_amount_in::numeric::bigint AS amount_in,
       fill_amount_out::numeric::bigint AS amount_out, error_code, error_message,
       extract(epoch FROM created_at)::float8 AS created_at, extract(epoch FROM updated_at)::float8 AS updated_at,
       extract(epoch FROM attention_at)::float8 AS attention_at,
       extract(epoch FROM lease_expires_at)::float8 AS lease_expires_at,
       order_type, input_token, output_token, side, amount::numeric::bigint AS amount, limit_price, time_in_force,
       extract(epoch FROM expires_at)::float8 AS expires_at, fires, last_valid_height
FROM orders ORDER BY id
"""
EVENTS = """
SELECT order_id, sequence, status, attempt::int, message, extract(epoch FROM occurred_at)::float8 AS at, meta
FROM order_events ORDER BY order_id, sequence
"""
CHAIN = """
SELECT signature, order_id, attempt::int, outcome, submissions, amount_in::bigint, amount_out::bigint,
       extract(epoch FROM submitted_at)::float8 AS submitted_at, extract(epoch FROM lands_at)::float8 AS lands_at
FROM chain_transactions WHERE order_id <> '' ORDER BY order_id, attempt
"""
DEAD_LETTERS = """
SELECT message_id, order_id, verdict, extract(epoch FROM arrived_at)::float8 AS at FROM dead_letters ORDER BY arrived_at
"""
COUNTS = """
SELECT count(*)::int AS orders,
       count(*) FILTER (WHERE status IN ('confirmed', 'failed', 'cancelled', 'expired'))::int AS over,
       count(*) FILTER (WHERE status = 'confirmed')::int AS confirmed
FROM orders
"""


@dataclass(frozen=True)
class Counts:
    """How far the orders are."""

    orders: int
    over: int
    confirmed: int

    @property
    def still_open(self) -> int:
        """Orders that have not ended."""
        return self.orders - self.over


def connect(database_url: str) -> psycopg.Connection[tuple[object, ...]]:
    """A connection of the auditor's own. Raises psycopg.OperationalError where nobody answers."""
    return psycopg.connect(database_url, connect_timeout=_CONNECT_SECONDS, autocommit=True)


def counts(database_url: str) -> Counts:
    """How far the orders are. Raises psycopg.OperationalError where nobody answers."""
    with connect(database_url) as connection, connection.cursor(row_factory=class_row(Counts)) as cursor:
        return cursor.execute(COUNTS).fetchone() or Counts(0, 0, 0)


def recorded(stack: Stack) -> dict[str, int]:
    """For each order that is followed, the newest status on record for the follower that is furthest behind.

    Raises botocore's errors where the emulator does not answer.
    """
    pages = stack.clients.dynamodb.get_paginator("scan").paginate(
        TableName=stack.outputs["ConnectionsTableName"], ConsistentRead=True
    )
    furthest_behind: dict[str, int] = {}
    for page in pages:
        for row in page["Items"]:
            if row["order_id"] == row["connection_id"]:
                continue  # what a connection follows
            order_id, sequence = row["order_id"]["S"], int(row["last_sequence"]["N"])
            furthest_behind[order_id] = min(sequence, furthest_behind.get(order_id, sequence))
    return furthest_behind


def collect(
    database_url: str,
    *,
    accepted: Iterable[str],
    transcripts: Iterable[Transcript] = (),
    interruptions: Iterable[Interruption] = (),
    only_accepted: bool = False,
) -> Evidence:
    """Everything that the audit looks at; `only_accepted` leaves out the orders of others on the same stack."""
    ours = frozenset(accepted)
    with connect(database_url) as connection:
        with connection.cursor(row_factory=class_row(OrderRecord)) as cursor:
            orders = tuple(cursor.execute(ORDERS))
        with connection.cursor(row_factory=class_row(EventRecord)) as cursor:
            events = tuple(cursor.execute(EVENTS))
        with connection.cursor(row_factory=class_row(ChainRecord)) as cursor:
            chain = tuple(cursor.execute(CHAIN))
        with connection.cursor(row_factory=class_row(DeadLetterRecord)) as cursor:
            letters = tuple(cursor.execute(DEAD_LETTERS))
    if only_accepted:
        orders = tuple(order for order in orders if order.id in ours)
        events = tuple(event for event in events if event.order_id in ours)
        chain = tuple(transaction for transaction in chain if transaction.order_id in ours)
        letters = tuple(letter for letter in letters if letter.order_id in ours)
    return Evidence(ours, orders, events, chain, letters, tuple(transcripts), tuple(interruptions))
