"""Public keys of an external issuer of access tokens."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0023"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE TABLE issuer_keys (
    issuer      text COLLATE "C" PRIMARY KEY,
    document    text NOT NULL CHECK (length(document) <= 65536),
    fetched_at  timestamptz NOT NULL
);
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TABLE issuer_keys")
