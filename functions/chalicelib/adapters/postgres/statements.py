"""What the order store says to Postgres."""

from __future__ import annotations

from chalicelib.adapters.postgres.following import OPEN_STATUSES
from chalicelib.adapters.postgres.rows import EVENT_COLUMNS, ORDER_COLUMNS
from chalicelib.domain.transitions import WORKABLE, OrderStatus

# After this long an order that nobody moved gets reconcile's attention: longer than a worker needs to pick it up.
PICKED_UP_WITHIN = "15 seconds"
# Beyond the lease, the message's own return (visibility timeout 24 s) gets its chance first.
AFTER_LEASE = "12 seconds"
PUBLISHED_WITHIN = "5 seconds"
BETWEEN_REPAIRS = "45 seconds"
KEYS_KEPT_FOR = "48 hours"
# How much earlier than it was stored an order may have been placed, by its first event.
AT_MOST_BEHIND = "interval '2 seconds'"
# Few enough that a batch holds its locks for some milliseconds only.
KEYS_A_BATCH = 1_000
# The lists of states that the statements name, from the state machine.
WORKABLE_STATUSES = ", ".join(f"'{status}'" for status in OrderStatus if status in WORKABLE)
FINAL_STATUSES = ", ".join(f"'{status}'" for status in OrderStatus if status.is_terminal)


def insert_statement(allowed: str = "") -> str:
    """Stores an order, its first event and its key; `allowed` is a part that gives a row where it may be stored."""
    beside = f"allowed AS ({allowed}), " if allowed else ""
    where_allowed = " AND EXISTS (SELECT FROM allowed)" if allowed else ""
    return f"""
WITH {beside}key AS (
    INSERT INTO idempotency_keys (user_id, key, fingerprint, order_id)
    SELECT %(user_id)s, %(key)s, %(fingerprint)s, %(id)s WHERE %(key)s::text IS NOT NULL{where_allowed}
    ON CONFLICT DO NOTHING
    RETURNING order_id
), placed AS (
    INSERT INTO orders (id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps,
                        client_order_id, max_price_impact_bps, status, attempt, sequence, created_at, updated_at,
                        order_type, limit_price, least_output, most_input, time_in_force, expires_at, launch, bound,
                        fires, fired_at, attention_at, followed_until)
    SELECT %(id)s, %(user_id)s, %(wallet_address)s, %(input_token)s, %(output_token)s, %(side)s, %(amount)s,
           %(slippage_bps)s, %(client_order_id)s, %(max_price_impact_bps)s, %(status)s, %(attempt)s, 1,
           %(created_at)s, %(created_at)s, %(order_type)s, %(limit_price)s, %(least_output)s, %(most_input)s,
           %(time_in_force)s, %(expires_at)s, %(launch)s, %(bound)s, %(fires)s, %(fired_at)s,
           -- what rests is not to be executed; where somebody follows its user, the trigger has it told (0033)
           CASE WHEN NOT %(rests)s THEN clock_timestamp() + %(picked_up_within)s::interval END, NULL
    WHERE (%(key)s::text IS NULL OR EXISTS (SELECT FROM key)){where_allowed}
    RETURNING id, user_id, status, attempt, user_followed_until
)
INSERT INTO order_events (order_id, user_id, sequence, status, attempt, message, meta, occurred_at)
SELECT id, user_id, 1, status, attempt, %(message)s, %(meta)s,
       -- whose clock is behind, or who came through late, must not be passed by: events are listed by their times
       greatest(%(created_at)s, clock_timestamp() - {AT_MOST_BEHIND})
FROM placed
RETURNING occurred_at, (SELECT coalesce(user_followed_until > clock_timestamp(), false) FROM placed) AS user_followed
"""  # noqa: S608 - parts of ours


EARLIER = f"""
SELECT {ORDER_COLUMNS}, fingerprint FROM orders JOIN (
    SELECT order_id, fingerprint FROM idempotency_keys WHERE user_id = %(user_id)s AND key = %(key)s
) AS used ON order_id = id
"""  # noqa: S608 - the columns are constants

HISTORY = f"""
SELECT {ORDER_COLUMNS} FROM orders WHERE id = %(id)s
"""  # noqa: S608

EVENTS = f"""
SELECT {EVENT_COLUMNS} FROM order_events WHERE order_id = %(id)s AND sequence <= %(sequence)s ORDER BY sequence
"""  # noqa: S608

# Nothing is written where the order is over or its mark lasts anyway: then it is enough to read, for whatever moves
# the order after that finds the mark.
FOLLOW = f"""
UPDATE orders SET followed_until = clock_timestamp() + %(marked_for)s::interval
WHERE id = %(id)s AND status IN ({OPEN_STATUSES})
  AND (followed_until IS NULL OR followed_until < clock_timestamp() + %(at_least)s::interval)
RETURNING {ORDER_COLUMNS}
"""  # noqa: S608

HISTORIES = f"""
SELECT {ORDER_COLUMNS} FROM orders WHERE id = ANY(%(ids)s)
"""  # noqa: S608

ALL_EVENTS = f"""
SELECT {EVENT_COLUMNS} FROM order_events WHERE order_id = ANY(%(ids)s) ORDER BY order_id, sequence
"""  # noqa: S608

# One statement for taking an order and, where it is new, for the move that begins it: `start` is null where whoever
# claims only looks. A repeated claim finds the event that it wrote, and writes none. The events are as they were before
# the statement, so without that one, and without those of a move that the claim waited for.
BEGINS = """
    %(start)s::text IS NOT NULL AND status = %(pending)s AND (expires_at IS NULL OR expires_at > clock_timestamp())
"""
CLAIM = f"""
WITH claimed AS (
    UPDATE orders SET
        lease_token = %(token)s, lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s),
        next_attempt_at = NULL,
        status = CASE WHEN {BEGINS} THEN %(start)s ELSE status END,
        sequence = sequence + CASE WHEN {BEGINS} THEN 1 ELSE 0 END,
        updated_at = CASE WHEN {BEGINS} THEN greatest(updated_at, clock_timestamp()) ELSE updated_at END,
        error_code = CASE WHEN NOT ({BEGINS}) THEN error_code END,
        error_message = CASE WHEN NOT ({BEGINS}) THEN error_message END,
        error_retryable = CASE WHEN NOT ({BEGINS}) THEN error_retryable END,
        fruitless_claims = CASE WHEN {BEGINS} THEN 0
                                WHEN lease_token = %(token)s THEN fruitless_claims ELSE fruitless_claims + 1 END,
        attention_at = clock_timestamp() + make_interval(secs => %(lease)s) + %(after_lease)s::interval
    WHERE id = %(id)s AND status IN ({WORKABLE_STATUSES})
      AND (lease_token IS NULL OR lease_token = %(token)s OR lease_expires_at < clock_timestamp())
      AND (next_attempt_at IS NULL OR next_attempt_at <= clock_timestamp())
    RETURNING {ORDER_COLUMNS}, fruitless_claims, coalesce(followed_until > clock_timestamp(), false) AS followed,
              coalesce(user_followed_until > clock_timestamp(), false) AS user_followed
), started AS (
    INSERT INTO order_events (order_id, user_id, sequence, status, attempt, message, meta, occurred_at)
    SELECT id, user_id, sequence, status, attempt, %(message)s, jsonb_build_object('attempt', attempt), updated_at
    FROM claimed WHERE status = %(start)s
    ON CONFLICT DO NOTHING
)
SELECT *, status = %(start)s AND fruitless_claims = 0 AS started,
       (SELECT json_agg(event ORDER BY sequence)
        FROM (SELECT {EVENT_COLUMNS} FROM order_events WHERE order_id = %(id)s) AS event) AS events
FROM claimed
"""  # noqa: S608

HOLDER = f"""
SELECT status NOT IN ({WORKABLE_STATUSES}) AS over, attention_at IS NULL AS published,
       extract(epoch FROM greatest(lease_expires_at, next_attempt_at) - clock_timestamp())::numeric AS seconds
FROM orders WHERE id = %(id)s
"""  # noqa: S608

# One statement: the move and its event are committed together or not at all. `greatest` keeps an order's times in step
# with its sequence where a clock jumped.
ADVANCE = """
WITH moved AS (
    UPDATE orders SET
        status = %(status)s, attempt = %(attempt)s, sequence = %(sequence)s, route = %(route)s, venue = %(venue)s,
        signature = %(signature)s, last_valid_height = %(last_valid_height)s,
        raw_transaction = CASE WHEN %(signature)s::text IS NOT NULL THEN raw_transaction END,
        transaction_expires_at = CASE WHEN %(signature)s::text IS NOT NULL THEN transaction_expires_at END,
        fill_amount_in = %(fill_amount_in)s, fill_amount_out = %(fill_amount_out)s, fill_fee = %(fill_fee)s,
        error_code = %(error_code)s, error_message = %(error_message)s, error_retryable = %(error_retryable)s,
        limit_price = %(limit_price)s,
        least_output = CASE WHEN limit_price = %(limit_price)s THEN least_output ELSE %(least_output)s END,
        most_input = CASE WHEN limit_price = %(limit_price)s THEN most_input ELSE %(most_input)s END,
        expires_at = %(expires_at)s, bound = %(bound)s, fires = %(fires)s, fired_at = %(fired_at)s,
        fires_from = CASE WHEN %(again_in)s > 0 THEN clock_timestamp() + make_interval(secs => %(again_in)s) END,
        updated_at = greatest(updated_at, clock_timestamp()),
        lease_token = CASE WHEN %(release)s THEN NULL ELSE lease_token END,
        lease_expires_at = CASE WHEN %(release)s THEN NULL
                                ELSE clock_timestamp() + make_interval(secs => %(lease)s) END,
        fruitless_claims = 0,
        next_attempt_at = CASE WHEN %(retry_after_seconds)s > 0
                               THEN clock_timestamp() + make_interval(secs => %(retry_after_seconds)s) END,
        attention_at = clock_timestamp() + CASE
            -- null, which the sum is then, where nobody has to be told
            WHEN %(over)s OR %(rests)s
                THEN CASE WHEN followed_until > clock_timestamp() THEN %(published_within)s::interval END
            WHEN %(release)s THEN make_interval(secs => %(retry_after_seconds)s) + %(picked_up_within)s::interval
            ELSE make_interval(secs => %(lease)s) + %(after_lease)s::interval END
    WHERE id = %(id)s AND status = %(before)s AND sequence = %(sequence)s - 1
      AND signature IS NOT DISTINCT FROM %(signature_before)s
      AND (%(token)s::uuid IS NULL OR lease_token = %(token)s::uuid)
    RETURNING id, user_id, status, attempt, sequence, updated_at,
              coalesce(followed_until > clock_timestamp(), false) AS followed,
              coalesce(user_followed_until > clock_timestamp(), false) AS user_followed
)
INSERT INTO order_events (order_id, user_id, sequence, status, attempt, message, meta, occurred_at)
SELECT id, user_id, sequence, status, attempt, %(message)s, %(meta)s, updated_at FROM moved
RETURNING occurred_at, (SELECT followed FROM moved), (SELECT user_followed FROM moved)
"""

SAVE_SIGNED_TRANSACTION = f"""
UPDATE orders SET
    signature = %(signature)s, raw_transaction = %(raw)s, last_valid_height = %(last_valid_height)s,
    lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s),
    attention_at = clock_timestamp() + make_interval(secs => %(lease)s) + %(after_lease)s::interval
WHERE id = %(id)s AND status = '{OrderStatus.BUILDING}' AND sequence = %(sequence)s AND lease_token = %(token)s
  AND (signature IS NULL OR signature = %(signature)s) AND (expires_at IS NULL OR expires_at > clock_timestamp())
RETURNING id
"""  # noqa: S608

RELEASE = """
UPDATE orders SET
    lease_token = NULL, lease_expires_at = NULL, fruitless_claims = 0,
    next_attempt_at = clock_timestamp() + make_interval(secs => %(retry_after_seconds)s),
    attention_at = clock_timestamp() + make_interval(secs => %(retry_after_seconds)s) + %(picked_up_within)s::interval
WHERE id = %(id)s AND lease_token = %(token)s
"""

RECORD_FAILURE = """
UPDATE orders SET
    error_code = %(code)s, error_message = %(message)s, error_retryable = %(retryable)s,
    lease_token = NULL, lease_expires_at = NULL
WHERE id = %(id)s AND lease_token = %(token)s
"""

MARK_PUBLISHED = f"""
UPDATE orders SET attention_at = NULL WHERE id = %(id)s AND sequence = %(sequence)s
  AND status IN ({FINAL_STATUSES}, '{OrderStatus.WAITING}')
"""  # noqa: S608

# SKIP LOCKED hands each order to one reconciler; the later look keeps it from the others afterwards. The orders
# themselves are neither locked nor written. Where somebody moved the order meanwhile, the look follows its attention.
IDLE = """
WITH due AS MATERIALIZED (
    SELECT order_id FROM order_attention WHERE NOT over AND look_at < clock_timestamp()
    ORDER BY look_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE order_attention SET look_at = CASE
    WHEN attention_at < clock_timestamp() THEN clock_timestamp() + make_interval(secs => %(again_in)s)
    ELSE attention_at END
FROM due JOIN orders ON id = due.order_id
WHERE order_attention.order_id = due.order_id
RETURNING id, attention_at < clock_timestamp() AS idle
"""

UNPUBLISHED = """
UPDATE order_attention SET look_at = clock_timestamp() + %(between)s::interval
WHERE order_id IN (
    SELECT order_id FROM order_attention WHERE over AND look_at < clock_timestamp()
    ORDER BY look_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING order_id
"""

COUNT_RESTING = """
SELECT count(*) AS orders FROM (
    SELECT FROM orders WHERE status = 'waiting' AND user_id = %(user_id)s LIMIT %(most)s
) AS resting
"""

# Whoever finds nobody awake sends for the watcher; its beat says from then on until when it watches. A sender that dies
# keeps the others from sending for these three seconds.
WAKE_WATCHER = """
UPDATE watch SET awake_until = clock_timestamp() + interval '3 seconds' WHERE awake_until <= clock_timestamp()
"""

COUNT_OPEN = """
SELECT count(*) AS orders FROM order_attention WHERE NOT over
"""

DELETE_EXPIRED_KEYS = """
DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM idempotency_keys WHERE created_at < now() - %(kept_for)s::interval
    ORDER BY created_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED))
"""

HOLDER_OF_CLIENT_ORDER_ID = """
SELECT id FROM orders WHERE user_id = %(user_id)s AND client_order_id = %(client_order_id)s
"""

IS_USER_FOLLOWED = """
SELECT coalesce(user_followed_until > clock_timestamp(), false) AS user_followed FROM orders WHERE id = %(id)s
"""

COMMITTED_EVENT = """
SELECT occurred_at, coalesce(followed_until > clock_timestamp(), false) AS followed,
       coalesce(user_followed_until > clock_timestamp(), false) AS user_followed
FROM order_events JOIN orders ON orders.id = order_id
WHERE order_id = %(id)s AND order_events.sequence = %(sequence)s AND order_events.status = %(status)s
  AND message = %(message)s AND orders.sequence = %(sequence)s
  AND (orders.lease_token = %(token)s::uuid OR orders.lease_token IS NULL)
"""
