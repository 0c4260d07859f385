"""Whose order an event is of, and the index that lists a user's events by time."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# The trigger is for the code of the version before, which names no user; after it, in the same statement, the order
# stands in its table.
COLUMN = """
ALTER TABLE order_events ADD COLUMN IF NOT EXISTS user_id text;
CREATE OR REPLACE FUNCTION name_user_of_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE order_events SET user_id = (SELECT user_id FROM orders WHERE id = new.order_id)
    WHERE order_id = new.order_id AND sequence = new.sequence;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER order_events_of_nobody AFTER INSERT ON order_events
    FOR EACH ROW WHEN (new.user_id IS NULL) EXECUTE FUNCTION name_user_of_event();
"""

# From order to order, a batch a transaction: nobody waits for more than one, and a run that was broken off goes on.
BATCH = 5_000
NEXT = """
SELECT max(id) FROM (SELECT id FROM orders WHERE id > :after ORDER BY id LIMIT :batch) AS following
"""
FILL = """
UPDATE order_events SET user_id = orders.user_id FROM orders
WHERE orders.id > :after AND orders.id <= :until AND order_id = orders.id AND order_events.user_id IS NULL
"""

# Concurrently, so that no order waits for it. One that was broken off leaves an invalid index behind.
DROP_INDEX = "DROP INDEX CONCURRENTLY IF EXISTS order_events_by_user"
CREATE_INDEX = """
CREATE INDEX CONCURRENTLY order_events_by_user ON order_events (user_id, occurred_at, order_id, sequence)
"""

DOWNGRADE = """
DROP INDEX order_events_by_user;
DROP TRIGGER order_events_of_nobody ON order_events;
DROP FUNCTION name_user_of_event;
ALTER TABLE order_events DROP COLUMN user_id;
"""


def upgrade() -> None:
    op.execute(COLUMN)
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        after = ""
        while until := connection.execute(text(NEXT), {"after": after, "batch": BATCH}).scalar():
            connection.execute(text(FILL), {"after": after, "until": until})
            after = until
        op.execute(DROP_INDEX)
        op.execute(CREATE_INDEX)


def downgrade() -> None:
    op.execute(DOWNGRADE)
