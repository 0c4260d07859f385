"""Orders that rest: limit and sniper orders, what the watcher reads of them, launches, and whether anybody watches."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0020"
branch_labels = None
depends_on = None

# Nothing here rewrites or reads the table: columns come with constant defaults, checks without a look at what stands.
# 0026 looks, and makes the indexes.
# The checks on the route are what keeps a limit whatever writes it. A worker of the version before, which knows no
# limits, claims a fired order while a deployment is under way and routes it as a market order: its route is refused
# here, unless it keeps the limit by chance. bound: the lowest touch at which the watcher looks.
COLUMNS = """
ALTER TABLE orders
    ADD COLUMN order_type text NOT NULL DEFAULT 'market',
    ADD COLUMN limit_price numeric,
    ADD COLUMN least_output numeric(40, 0),
    ADD COLUMN most_input numeric(40, 0),
    ADD COLUMN time_in_force text,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN launch jsonb,
    ADD COLUMN bound numeric,
    ADD COLUMN fires integer NOT NULL DEFAULT 0,
    ADD COLUMN fired_at timestamptz,
    ADD COLUMN fires_from timestamptz,
    DROP CONSTRAINT orders_status_check,
    ADD CONSTRAINT orders_status_check CHECK (status IN
        ('waiting', 'pending', 'routing', 'building', 'submitted', 'confirmed', 'failed', 'cancelled', 'expired'))
        NOT VALID,
    ADD CONSTRAINT order_type_known CHECK (order_type IN ('market', 'limit', 'sniper')) NOT VALID,
    ADD CONSTRAINT limit_has_price CHECK (order_type <> 'limit' OR limit_price IS NOT NULL) NOT VALID,
    ADD CONSTRAINT limit_has_guard CHECK
        ((limit_price IS NULL) = (least_output IS NULL) AND (limit_price IS NULL) = (most_input IS NULL)) NOT VALID,
    ADD CONSTRAINT waiting_expires CHECK (status <> 'waiting' OR expires_at IS NOT NULL) NOT VALID,
    ADD CONSTRAINT route_keeps_limit CHECK (
        limit_price IS NULL OR route IS NULL
        OR (route ->> 'minimum_output')::numeric >= least_output AND (route ->> 'maximum_input')::numeric <= most_input
    ) NOT VALID;
"""

TABLES = """
CREATE TABLE launches (
    pool           text PRIMARY KEY,
    event_ids      text[] NOT NULL,
    token          text NOT NULL,
    kind           text NOT NULL,
    venue          text NOT NULL,
    confirmed_at   timestamptz NOT NULL,
    opens_at       timestamptz NOT NULL,
    liquidity_usd  numeric NOT NULL,
    safe           boolean NOT NULL,
    flags          jsonb NOT NULL
);
CREATE INDEX launches_newest ON launches (confirmed_at);
CREATE TABLE watch (
    single       boolean PRIMARY KEY DEFAULT true CHECK (single),
    awake_until  timestamptz NOT NULL,
    beat_at      timestamptz
);
INSERT INTO watch (awake_until) VALUES ('2000-01-01T00:00:00Z');
"""

# As 0003 has it, with the new end.
ATTENTION = """
CREATE OR REPLACE FUNCTION keep_order_attention() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.attention_at IS NULL THEN
        DELETE FROM order_attention WHERE order_id = new.id;
    ELSE
        INSERT INTO order_attention (order_id, over, look_at)
        VALUES (new.id, new.status IN ({ends}), new.attention_at)
        ON CONFLICT (order_id) DO UPDATE SET over = excluded.over, look_at = excluded.look_at;
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER orders_attention_changes ON orders;
CREATE TRIGGER orders_attention_changes AFTER UPDATE OF status, attention_at ON orders
    FOR EACH ROW WHEN (
        (old.attention_at IS NULL) <> (new.attention_at IS NULL)
        OR new.attention_at IS NOT NULL AND new.status <> old.status AND new.status IN ({ends})
    ) EXECUTE FUNCTION keep_order_attention();
"""
ENDS_BEFORE = "'confirmed', 'failed', 'cancelled'"
ENDS = f"{ENDS_BEFORE}, 'expired'"

# What rests has no place in the schema before: it ends as cancelled, and says so.
DOWNGRADE = """
WITH ended AS (
    UPDATE orders
    SET status = 'cancelled', sequence = sequence + 1, attention_at = clock_timestamp(), updated_at = now()
    WHERE status IN ('waiting', 'expired') RETURNING id, sequence, attempt
)
INSERT INTO order_events (order_id, sequence, status, attempt, message, meta, occurred_at)
SELECT id, sequence, 'cancelled', attempt, 'Cancelled: this version has no resting orders.', '{}', now() FROM ended;
DROP TABLE watch, launches;
ALTER TABLE orders
    DROP CONSTRAINT orders_status_check,
    ADD CONSTRAINT orders_status_check CHECK (status IN
        ('pending', 'routing', 'building', 'submitted', 'confirmed', 'failed', 'cancelled')) NOT VALID,
    DROP COLUMN order_type, DROP COLUMN limit_price, DROP COLUMN least_output, DROP COLUMN most_input,
    DROP COLUMN time_in_force, DROP COLUMN expires_at, DROP COLUMN launch, DROP COLUMN bound, DROP COLUMN fires,
    DROP COLUMN fired_at, DROP COLUMN fires_from;
"""


def upgrade() -> None:
    op.execute(COLUMNS)
    op.execute(TABLES)
    op.execute(ATTENTION.format(ends=ENDS))


def downgrade() -> None:
    op.execute(DOWNGRADE)
    op.execute(ATTENTION.format(ends=ENDS_BEFORE))
