"""A table full of orders, as a few weeks of trading leave it, with what is awkward for a planner.

One user has a third of all orders, another a fifth, but none of the newest two fifths; one pair was traded only in the
oldest twentieth; one status has no order at all.
"""

from collections.abc import Callable

import psycopg

# A realistic size: two quotes and the decision.
ROUTE = """
    jsonb_build_object(
        'chosen', venue,
        'quotes', jsonb_build_array(
            jsonb_build_object('venue', 'raydium', 'amount_in', 1500000000, 'amount_out', 247504861, 'fee', 3750000,
                               'price_impact_pct', '0.001', 'expires_at', '2026-11-22T18:00:30+00:00'),
            jsonb_build_object('venue', 'meteora', 'amount_in', 1500000000, 'amount_out', 251165174, 'fee', 3000000,
                               'price_impact_pct', '0.002', 'expires_at', '2026-11-22T18:00:30+00:00')),
        'unavailable', '[]'::jsonb,
        'reason', 'meteora gives 167.443449333 USDC per SOL after fees, raydium 165.003240667.',
        'minimum_output', 249909348, 'maximum_input', 1500000000,
        'steps', jsonb_build_array('wrap SOL', 'swap WSOL for USDC on meteora'))
"""
FILL = f"""
INSERT INTO orders (
    id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps, client_order_id, status,
    attempt, sequence, route, venue, signature, transaction_expires_at, fill_amount_in, fill_amount_out, fill_fee,
    error_code, error_message, error_retryable, created_at, updated_at)
SELECT
    'ord_' || lpad(to_hex(1760000000000 + n * 1000), 12, '0') || left(md5(n::text), 20),
    CASE WHEN n %% 3 = 0 THEN 'whale' WHEN n %% 3 = 1 AND n <= %(size)s * 6 / 10 THEN 'early'
         ELSE 'user-' || chance %% 1000 END,
    'wallet_12345',
    CASE WHEN rare THEN 'BONK' WHEN chance %% 10 < 7 THEN 'SOL' WHEN chance %% 10 < 9 THEN 'USDC'
         ELSE (ARRAY['USDT', 'JUP', 'RAY'])[1 + chance %% 3] END,
    CASE WHEN rare THEN 'RAY' WHEN chance %% 10 < 7 THEN 'USDC' WHEN chance %% 10 < 9 THEN 'SOL' ELSE 'USDC' END,
    CASE WHEN chance %% 2 = 0 THEN 'sell' ELSE 'buy' END,
    1500000000, 50, CASE WHEN n %% 2 = 1 THEN 'c-' || n END, status, 1,
    CASE status WHEN 'pending' THEN 1 ELSE 5 END,
    CASE WHEN status <> 'pending' THEN {ROUTE} END,
    CASE WHEN status <> 'pending' THEN venue END,
    CASE WHEN status IN ('confirmed', 'failed') THEN md5(n::text) || md5(n::text) END,
    CASE WHEN status IN ('confirmed', 'failed') THEN placed + interval '30 seconds' END,
    CASE status WHEN 'confirmed' THEN 1500000000 END, CASE status WHEN 'confirmed' THEN 251165174 END,
    CASE status WHEN 'confirmed' THEN 3000000 END,
    CASE status WHEN 'failed' THEN 'slippage_exceeded' END,
    CASE status WHEN 'failed' THEN 'The price moved past the slippage limit.' END,
    CASE status WHEN 'failed' THEN true END,
    placed, placed + interval '4 seconds'
FROM (
    SELECT *, CASE WHEN n > %(size)s - 5 THEN 'pending' WHEN chance %% 100 < 95 THEN 'confirmed'
                   WHEN chance %% 100 < 99 THEN 'failed' ELSE 'cancelled' END AS status,
        n <= %(size)s / 20 AND n %% 10 = 0 AS rare,
        CASE WHEN chance %% 7 < 3 THEN 'raydium' ELSE 'meteora' END AS venue,
        to_timestamp(1760000000 + n) AS placed
    FROM (
        SELECT n, abs(hashint8(n)) AS chance FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
    ) AS numbers
) AS orders_to_be
ORDER BY n
"""  # noqa: S608  # the route is a constant
_EVENTS = """
INSERT INTO order_events (order_id, sequence, status, attempt, message, meta, occurred_at)
SELECT id, number, (ARRAY['pending', 'routing', 'building', 'submitted', status])[number], 1,
       'Route chosen: raydium gives 168.0648382 USDC per SOL after fees, meteora 161.6871297.',
       CASE WHEN number >= 3 THEN jsonb_build_object('route', route, 'txHash', signature) ELSE '{}' END,
       created_at + (number - 1) * interval '1 second'
FROM orders, generate_series(1, sequence) AS number
WHERE id BETWEEN %(first)s AND %(last)s
"""
# What autovacuum would have done in the weeks that such a history takes.
_TIDY = ("VACUUM (ANALYZE) orders", "VACUUM (ANALYZE) order_events")
_A_BATCH = 50_000


def fill(connection: psycopg.Connection, size: int) -> str:
    """Replaces all orders by so many others; gives the newest one's id."""
    # VACUUM marks a page as visible to all only once its commits are flushed.
    connection.execute("SET synchronous_commit = on")
    connection.execute("TRUNCATE orders CASCADE")
    connection.execute(FILL.encode(), {"size": size, "first": 1, "last": size})
    newest = connection.execute("SELECT max(id) FROM orders").fetchone()
    if newest is None:
        raise ValueError("A table of no orders has no newest one.")
    return str(newest[0])


def extend(url: str, size: int, report: Callable[[int, int], None]) -> None:
    """Adds older orders with their events until the history has so many; those that are there stay.

    `report` is told how many there are and how many there will be.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        # Triggers have nothing to do for orders that are over, and the events' orders are there.
        connection.execute("SET session_replication_role = replica")
        found = connection.execute("SELECT count(*) FROM orders WHERE id < %s", (_id(size + 1),)).fetchone()
        done = int(found[0]) if found else 0
        while done < size:
            last = min(done + _A_BATCH, size)
            connection.execute(FILL.encode(), {"size": size + _A_BATCH, "first": done + 1, "last": last})
            connection.execute(_EVENTS, {"first": _id(done + 1), "last": _id(last + 1)})
            done = last
            report(done, size)
        if size:
            for each in _TIDY:
                connection.execute(each.encode())
            connection.execute("CHECKPOINT")


def _id(number: int) -> str:
    """The lowest id that the order of that number can have."""
    return f"ord_{1760000000000 + number * 1000:012x}"


def analyze(connection: psycopg.Connection) -> None:
    """What autovacuum would have done by now."""
    connection.execute("VACUUM (ANALYZE) orders")
