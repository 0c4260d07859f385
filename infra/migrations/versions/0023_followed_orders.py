"""Until when somebody may follow an order: what nobody follows is told to nobody."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0005"
branch_labels = None
depends_on = None

# Orders that are under way may have followers whose connection made no mark. The default is for the code of the version
# before, which knows no marks and places orders while the functions are updated; ours writes null.
UPGRADE = """
ALTER TABLE orders ADD COLUMN followed_until timestamptz;
UPDATE orders SET followed_until = now() + interval '3 hours' WHERE status NOT IN ('confirmed', 'failed', 'cancelled');
ALTER TABLE orders ALTER COLUMN followed_until SET DEFAULT now() + interval '3 hours';
"""

DOWNGRADE = """
ALTER TABLE orders DROP COLUMN followed_until;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
