"""Reads what is stored, with SQL of its own."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

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
    Unanswered,
    UserTranscript,
)
from localstack.local_stack.stack_for_tests import Stack
from localstack.logs.log_lines import Line
from order_engine import OVER

_USER = "user#"
_TABLE = "connections table cannot be reached"
# A post is given up after 2.5 s, a note after five tries of 4.5 s; a frame that came was posted that long before.
_POSTED_WITHIN = 5.0
_NOTED_WITHIN = 30.0
_CONNECT_SECONDS = 5

ORDERS = """
SELECT id, status, attempt::int, sequence, signature, fill_amount_in::numeric::bigint AS amount_in,
       fill_amount_out::numeric::bigint AS amount_out, error_code, error_message,
       extract(epoch FROM created_at)::float8 AS created_at, extract(epoch FROM updated_at)::float8 AS updated_at,
       extract(epoch FROM attention_at)::float8 AS attention_at,
       extract(epoch FROM lease_expires_at)::float8 AS lease_expires_at,
       order_type, input_token, output_token, side, amount::numeric::bigint AS amount, limit_price, time_in_force,
       extract(epoch FROM expires_at)::float8 AS expires_at, fires, last_valid_height, user_id
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
       count(*) FILTER (WHERE status = ANY(%(over)s))::int AS over,
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
        return cursor.execute(COUNTS, {"over": sorted(OVER)}).fetchone() or Counts(0, 0, 0)


@dataclass(frozen=True)
class FollowerRecords:
    """What the connections table holds, as `Interruption` keeps it."""

    of_orders: Mapping[str, int]
    of_users: Mapping[str, tuple[Mapping[str, int], ...]]


def read_follower_records(stack: Stack) -> FollowerRecords:
    """What is noted of every follower right now. Raises botocore's errors where the emulator does not answer."""
    pages = stack.clients.dynamodb.get_paginator("scan").paginate(
        TableName=stack.outputs["ConnectionsTableName"], ConsistentRead=True
    )
    furthest_behind: dict[str, int] = {}
    users: dict[tuple[str, str], dict[str, int]] = {}
    through_user: list[tuple[str, str, int]] = []
    for page in pages:
        for row in page["Items"]:
            named, connection = row["order_id"]["S"], row["connection_id"]["S"]
            if named == connection:
                continue  # what a connection follows
            sequence = int(row["last_sequence"]["N"])
            if named.startswith(_USER):
                begun = "opening" in row and sequence >= int(row["opening"]["N"])
                shown = json.loads(row["shown"]["S"]) if begun and "shown" in row else {}
                users[named.removeprefix(_USER), connection] = dict(shown)
            elif row.get("of_user", {}).get("BOOL"):
                through_user.append((named, connection, sequence))
            else:
                furthest_behind[named] = min(sequence, furthest_behind.get(named, sequence))
    for order_id, connection, sequence in through_user:
        for (_, of), known in users.items():
            if of == connection:
                known[order_id] = max(sequence, known.get(order_id, 0))
    followed = {user for user, _ in users}
    return FollowerRecords(
        furthest_behind,
        {user: tuple(known for (name, _), known in users.items() if name == user) for user in followed},
    )


def unanswered_pushes(lines: Iterable[Line]) -> Iterator[Unanswered]:
    """The calls of pushes that no answer came to, from what the functions logged."""
    for line in lines:
        with contextlib.suppress(ValueError):
            fields = json.loads(line.text)
            if not isinstance(fields, dict):
                continue
            reason, order_id = str(fields.get("reason")), fields.get("order_id")
            # The line's own time is the end of its invocation.
            at = datetime.strptime(str(fields.get("timestamp")), "%Y-%m-%d %H:%M:%S,%f%z").timestamp()
            # A refusal begins with its status.
            if fields.get("message") == "post_refused" and not reason[:3].isdigit():
                yield Unanswered(at, order_id, "a post was not answered in time", _POSTED_WITHIN)
            elif fields.get("message") == "group_returned" and _TABLE in reason:
                yield Unanswered(at, order_id, "the connections table did not answer", _NOTED_WITHIN)


def collect(
    database_url: str,
    *,
    accepted: Iterable[str],
    transcripts: Iterable[Transcript] = (),
    user_transcripts: Iterable[UserTranscript] = (),
    interruptions: Iterable[Interruption] = (),
    unanswered: Iterable[Unanswered] = (),
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
    return Evidence(
        ours,
        orders,
        events,
        chain,
        letters,
        tuple(transcripts),
        tuple(user_transcripts),
        tuple(interruptions),
        tuple(unanswered),
    )
