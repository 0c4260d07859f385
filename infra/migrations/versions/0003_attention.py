"""Attention in a table of its own, so that no index hears of an order's every write; claims that came to nothing."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# A row for each order that reconcile may have to look at, that is as long as orders.attention_at is not null. `look_at`
# follows attention_at only where it came nearer by an end: mostly the order is over before anybody looks. The triggers
# keep this true for functions of the version before, too, which know nothing of the table and run until they are
# updated.
CREATE = """
CREATE TABLE order_attention (
    order_id  text COLLATE "C" PRIMARY KEY REFERENCES orders ON DELETE CASCADE,
    over      boolean NOT NULL,
    look_at   timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX order_attention_due ON order_attention (over, look_at);

CREATE FUNCTION keep_order_attention() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.attention_at IS NULL THEN
        DELETE FROM order_attention WHERE order_id = new.id;
    ELSE
        INSERT INTO order_attention (order_id, over, look_at)
        VALUES (new.id, new.status IN ('confirmed', 'failed', 'cancelled'), new.attention_at)
        ON CONFLICT (order_id) DO UPDATE SET over = excluded.over, look_at = excluded.look_at;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER orders_attention_begins AFTER INSERT ON orders
    FOR EACH ROW WHEN (new.attention_at IS NOT NULL) EXECUTE FUNCTION keep_order_attention();
CREATE TRIGGER orders_attention_changes AFTER UPDATE OF status, attention_at ON orders
    FOR EACH ROW WHEN (
        (old.attention_at IS NULL) <> (new.attention_at IS NULL)
        OR new.attention_at IS NOT NULL AND new.status <> old.status
            AND new.status IN ('confirmed', 'failed', 'cancelled')
    ) EXECUTE FUNCTION keep_order_attention();

INSERT INTO order_attention (order_id, over, look_at)
SELECT id, status IN ('confirmed', 'failed', 'cancelled'), attention_at FROM orders WHERE attention_at IS NOT NULL;
DROP INDEX orders_attention;

ALTER TABLE orders
    -- claims in a row that ended neither in a move nor in a release: their workers died or stumbled
    ADD COLUMN fruitless_claims integer NOT NULL DEFAULT 0;
"""

DROP = """
ALTER TABLE orders DROP COLUMN fruitless_claims;
DROP TRIGGER orders_attention_changes ON orders;
DROP TRIGGER orders_attention_begins ON orders;
DROP FUNCTION keep_order_attention;
DROP TABLE order_attention;
CREATE INDEX orders_attention ON orders (attention_at) WHERE attention_at IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)
