"""What each user has left of the orders, quotes and tickets that one may ask for in a minute."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0017"
branch_labels = None
depends_on = None

# No index but the key, and room in each page: an update of a row that is written with every order stays in its page.
CREATE = """
CREATE TABLE allowances (
    user_id    text COLLATE "C" PRIMARY KEY,
    left_over  double precision NOT NULL,
    at         timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute("DROP TABLE allowances")
