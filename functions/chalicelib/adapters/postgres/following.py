"""Following all orders of a user: the mark, and what the user's orders are at that moment.

Whoever follows a user holds a lock on him alone, and whoever places an order of his holds it with others: in a trigger
(revision 0027), which then reads the mark. So an order that is placed meanwhile is seen here, or finds the mark. The
orders that are open already are marked one by one, and ordered with their moves by their rows, as one that is followed
by itself.
"""

from __future__ import annotations

from datetime import datetime

from chalicelib.adapters.postgres.pool import Connection
from chalicelib.adapters.postgres.rows import EVENT_COLUMNS, ORDER_COLUMNS, event_from, order_from
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.orders import UserSnapshot

# A mark outlasts the connections table's rows, and so every connection. It is made longer than that, so that it is
# written only once for all who come within a quarter of an hour.
FOLLOWED_AT_LEAST = "2 hours 15 minutes"
MARKED_FOR = "2 hours 30 minutes"
OPEN = [str(status) for status in OrderStatus if not status.is_terminal]
OPEN_STATUSES = ", ".join(f"'{status}'" for status in OPEN)

# Who comes while the mark lasts anyway waits for nobody: each order that his read does not hold found it.
IS_MARKED = """
SELECT FROM followed_users
WHERE user_id = %(user_id)s AND followed_until >= clock_timestamp() + %(at_least)s::interval
"""

# Any name may be followed in open mode: whoever comes takes a few marks away that are over.
FORGET = """
DELETE FROM followed_users WHERE user_id = ANY(ARRAY(
    SELECT user_id FROM followed_users WHERE followed_until < statement_timestamp() AND user_id <> %(user_id)s
    ORDER BY followed_until LIMIT 10 FOR UPDATE SKIP LOCKED))
"""

# The number is the migration's.
LOCK = "SELECT pg_advisory_xact_lock(7, hashtext(%(user_id)s))"

MARK_USER = """
INSERT INTO followed_users AS known (user_id, followed_until)
VALUES (%(user_id)s, clock_timestamp() + %(marked_for)s::interval)
ON CONFLICT (user_id) DO UPDATE SET followed_until = excluded.followed_until
WHERE known.followed_until < clock_timestamp() + %(at_least)s::interval
"""

# By their primary key, and so always in the same order. From state to state: one list of states would have the planner
# walk through all orders of the user.
MARK_ORDERS = f"""
UPDATE orders SET user_followed_until = clock_timestamp() + %(marked_for)s::interval,
                  followed_until = greatest(followed_until, clock_timestamp() + %(marked_for)s::interval)
WHERE id = ANY(ARRAY(
    SELECT found.id FROM unnest(%(open)s::text[]) AS state CROSS JOIN LATERAL (
        SELECT id FROM orders WHERE user_id = %(user_id)s AND status = state
          AND (user_followed_until IS NULL OR user_followed_until < clock_timestamp() + %(at_least)s::interval)
    ) AS found
)) AND status IN ({OPEN_STATUSES})
"""  # noqa: S608 - the states are constants

OPEN_ORDERS = f"""
SELECT {ORDER_COLUMNS} FROM orders WHERE id = ANY(ARRAY(
    SELECT found.id FROM unnest(%(open)s::text[]) AS state CROSS JOIN LATERAL (
        SELECT id FROM orders WHERE user_id = %(user_id)s AND status = state
        ORDER BY id COLLATE "POSIX" DESC LIMIT %(orders)s
    ) AS found
    ORDER BY found.id DESC LIMIT %(orders)s
)) AND status IN ({OPEN_STATUSES}) ORDER BY id DESC
"""  # noqa: S608

# The newest: what is left out where they are too many is the beginning.
EVENTS_SINCE = f"""
SELECT {EVENT_COLUMNS} FROM order_events WHERE user_id = %(user_id)s AND occurred_at > %(since)s
ORDER BY occurred_at DESC, order_id DESC, sequence DESC LIMIT %(events)s
"""  # noqa: S608


ORDERS = f"SELECT {ORDER_COLUMNS} FROM orders WHERE id = ANY(%(ids)s)"  # noqa: S608


def follow_user(
    connection: Connection, user_id: str, since: datetime | None, *, most_open: int, most_events: int
) -> UserSnapshot:
    """Marks the user, and reads what is open and what happened since."""
    values = {
        "user_id": user_id,
        "since": since,
        "marked_for": MARKED_FOR,
        "at_least": FOLLOWED_AT_LEAST,
        "open": OPEN,
        # One more says that there are more.
        "orders": most_open + 1,
        "events": most_events + 1,
    }
    with connection.transaction():
        if connection.execute(IS_MARKED, values).fetchone() is None:
            for statement in (LOCK, MARK_USER, FORGET):
                connection.execute(statement, values)
        connection.execute(MARK_ORDERS, values)
        # Each statement has a picture of its own, so these are no older than what was waited for.
        found = [order_from(row) for row in connection.execute(OPEN_ORDERS, values)]
        events = []
        if since is not None:
            events = [event_from(row) for row in connection.execute(EVENTS_SINCE, values)]
        ids = list({event.order_id for event in events[:most_events]})
        moved = [order_from(row) for row in connection.execute(ORDERS, {"ids": ids})] if ids else []
    if len(events) > most_events:
        events, since = events[:most_events], events[most_events].occurred_at
    return UserSnapshot(
        open=tuple(found[:most_open]),
        more=len(found) > most_open,
        events=tuple(reversed(events)),
        orders={order.id: order for order in moved},
        since=since,
    )
