"""Indexes for every filter of the order history, so that a page costs the same however deep and however rare."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# POSIX is the column's own collation C by another name: a query that sorts by it can use these indexes and not the
# primary key (chalicelib/adapters/postgres/history.py tells why). The included columns let a search that combines
# filters read the index alone.
# Not CONCURRENTLY: that waits for every other session's snapshot, and another migration waiting for our lock has one.
CREATE = """
DROP INDEX orders_by_user, orders_by_status;
CREATE INDEX orders_by_user ON orders (user_id, id COLLATE "POSIX" DESC) INCLUDE (venue, input_token, output_token);
CREATE INDEX orders_by_user_and_status ON orders (user_id, status, id COLLATE "POSIX" DESC)
    INCLUDE (venue, input_token, output_token);
CREATE INDEX orders_by_status ON orders (status, id COLLATE "POSIX" DESC) INCLUDE (venue, input_token, output_token);
CREATE INDEX orders_by_pair ON orders (input_token, output_token, id COLLATE "POSIX" DESC) INCLUDE (status, venue);
CREATE INDEX orders_by_venue ON orders (venue, id COLLATE "POSIX" DESC) INCLUDE (input_token, output_token);
CREATE INDEX orders_by_client_order_id ON orders (client_order_id, id COLLATE "POSIX" DESC)
    WHERE client_order_id IS NOT NULL;
"""

DROP = """
DROP INDEX orders_by_client_order_id, orders_by_venue, orders_by_pair, orders_by_user_and_status, orders_by_user,
           orders_by_status;
CREATE INDEX orders_by_user ON orders (user_id, id DESC);
CREATE INDEX orders_by_status ON orders (status, id DESC);
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)
