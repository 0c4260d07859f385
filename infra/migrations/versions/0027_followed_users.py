"""Until when somebody may follow all orders of a user, those too that are placed meanwhile."""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# A trigger, not a part of the statement that places: only a function sees what was committed while it waited for the
# lock, which whoever follows a user holds alone (chalicelib/adapters/postgres/following.py). The code of the version
# before knows the mark of an order and not of its user, so both are set.
UPGRADE = """
CREATE TABLE followed_users (
    user_id         text PRIMARY KEY,
    followed_until  timestamptz NOT NULL
);
ALTER TABLE orders ADD COLUMN user_followed_until timestamptz;

CREATE FUNCTION mark_order_of_followed_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7, hashtext(new.user_id));
    SELECT followed_until INTO new.user_followed_until FROM followed_users WHERE user_id = new.user_id;
    new.followed_until := greatest(new.followed_until, new.user_followed_until);
    RETURN new;
END $$;
CREATE TRIGGER orders_of_followed_users BEFORE INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION mark_order_of_followed_user();
"""

DOWNGRADE = """
DROP TRIGGER orders_of_followed_users ON orders;
DROP FUNCTION mark_order_of_followed_user;
ALTER TABLE orders DROP COLUMN user_followed_until;
DROP TABLE followed_users;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
