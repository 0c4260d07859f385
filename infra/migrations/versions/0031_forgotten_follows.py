"""Marks of followed users by their end, so that those that are over are found and forgotten."""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # As many rows as users were followed since the last version: made at once.
    op.execute("CREATE INDEX followed_users_end ON followed_users (followed_until)")


def downgrade() -> None:
    op.execute("DROP INDEX followed_users_end")
