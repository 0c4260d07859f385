"""A transaction's bytes and last valid block height beside its signature; how much price impact an order accepts."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None

# Nothing here reads or rewrites the tables. What was signed before keeps its time of expiry and has no height; code of
# before goes on working on what is signed after, because it writes both columns of its own.
UPGRADE = """
ALTER TABLE orders
    ADD COLUMN raw_transaction bytea,
    ADD COLUMN last_valid_height bigint,
    ADD COLUMN max_price_impact_bps integer NOT NULL DEFAULT 1500,
    DROP CONSTRAINT signature_with_expiry,
    ADD CONSTRAINT signature_with_expiry CHECK
        (signature IS NULL OR last_valid_height IS NOT NULL OR transaction_expires_at IS NOT NULL) NOT VALID,
    ADD CONSTRAINT price_impact_in_bps CHECK (max_price_impact_bps BETWEEN 0 AND 10000) NOT VALID;
ALTER TABLE chain_transactions ADD COLUMN last_valid_height bigint, ALTER COLUMN expires_at DROP NOT NULL;
"""

DOWNGRADE = """
UPDATE orders SET transaction_expires_at = to_timestamp(last_valid_height / 2.5)
WHERE signature IS NOT NULL AND transaction_expires_at IS NULL;
UPDATE chain_transactions SET expires_at = to_timestamp(last_valid_height / 2.5) WHERE expires_at IS NULL;
ALTER TABLE orders
    DROP CONSTRAINT signature_with_expiry,
    ADD CONSTRAINT signature_with_expiry CHECK ((signature IS NULL) = (transaction_expires_at IS NULL)) NOT VALID,
    DROP COLUMN raw_transaction,
    DROP COLUMN last_valid_height,
    DROP COLUMN max_price_impact_bps;
ALTER TABLE chain_transactions ALTER COLUMN expires_at SET NOT NULL, DROP COLUMN last_valid_height;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
