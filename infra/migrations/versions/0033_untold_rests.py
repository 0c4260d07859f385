"""Attention for an order that rests and whose followers may not have heard of it; until now it had none."""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0031"
branch_labels = None
depends_on = None

# As 0025 has it, but that `over` now means: nothing to execute, only to be told. An order that leaves `waiting` untold
# is to be executed again. With the code of the version before, which never marks a rest as told, such an order is told
# again every 45 s, which its followers do not hear twice, until the next version runs.
ATTENTION = """
CREATE OR REPLACE FUNCTION keep_order_attention() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.attention_at IS NULL THEN
        DELETE FROM order_attention WHERE order_id = new.id;
    ELSE
        INSERT INTO order_attention (order_id, over, look_at)
        VALUES (new.id, new.status IN ({told}), new.attention_at)
        ON CONFLICT (order_id) DO UPDATE SET over = excluded.over, look_at = excluded.look_at;
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER orders_attention_changes ON orders;
CREATE TRIGGER orders_attention_changes AFTER UPDATE OF status, attention_at ON orders
    FOR EACH ROW WHEN (
        (old.attention_at IS NULL) <> (new.attention_at IS NULL)
        OR new.attention_at IS NOT NULL AND new.status <> old.status AND ({changes})
    ) EXECUTE FUNCTION keep_order_attention();
"""
ENDS = "'confirmed', 'failed', 'cancelled', 'expired'"
RESTS = f"{ENDS}, 'waiting'"

# As 0027 has it; only here, under the user's lock, is it known whether he is followed.
PLACED = """
CREATE OR REPLACE FUNCTION mark_order_of_followed_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7, hashtext(new.user_id));
    SELECT followed_until INTO new.user_followed_until FROM followed_users WHERE user_id = new.user_id;
    new.followed_until := greatest(new.followed_until, new.user_followed_until);
    {attention}
    RETURN new;
END $$;
"""
UNTIL_TOLD = """
    IF new.status = 'waiting' AND new.followed_until > clock_timestamp() THEN
        new.attention_at := clock_timestamp() + interval '5 seconds';
    END IF;
"""


def upgrade() -> None:
    op.execute(ATTENTION.format(told=RESTS, changes=f"new.status IN ({RESTS}) OR old.status = 'waiting'"))
    op.execute(PLACED.format(attention=UNTIL_TOLD))


def downgrade() -> None:
    op.execute("UPDATE orders SET attention_at = NULL WHERE status = 'waiting' AND attention_at IS NOT NULL")
    op.execute(PLACED.format(attention=""))
    op.execute(ATTENTION.format(told=ENDS, changes=f"new.status IN ({ENDS})"))
