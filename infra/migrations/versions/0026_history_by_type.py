"""The type of an order in the history's indexes, so that a search for it reads the index alone."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# As 0002 has them, with the type among the included columns.
NAMES = (
    "orders_by_user",
    "orders_by_user_and_status",
    "orders_by_status",
    "orders_by_pair",
    "orders_by_venue",
    "orders_by_client_order_id",
)
CREATE = """
CREATE INDEX orders_by_user ON orders (user_id, id COLLATE "POSIX" DESC)
    INCLUDE (venue, input_token, output_token{kind});
CREATE INDEX orders_by_user_and_status ON orders (user_id, status, id COLLATE "POSIX" DESC)
    INCLUDE (venue, input_token, output_token{kind});
CREATE INDEX orders_by_status ON orders (status, id COLLATE "POSIX" DESC)
    INCLUDE (venue, input_token, output_token{kind});
CREATE INDEX orders_by_pair ON orders (input_token, output_token, id COLLATE "POSIX" DESC)
    INCLUDE (status, venue{kind});
CREATE INDEX orders_by_venue ON orders (venue, id COLLATE "POSIX" DESC) INCLUDE (input_token, output_token{kind});
CREATE INDEX orders_by_client_order_id ON orders (client_order_id, id COLLATE "POSIX" DESC)
    {alone}WHERE client_order_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(f"DROP INDEX {', '.join(NAMES)}")
    op.execute(CREATE.format(kind=", order_type", alone="INCLUDE (order_type) "))


def downgrade() -> None:
    op.execute(f"DROP INDEX {', '.join(NAMES)}")
    op.execute(CREATE.format(kind="", alone=""))
