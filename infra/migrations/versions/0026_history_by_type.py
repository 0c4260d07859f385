"""What 0025 leaves to be done while orders are placed: its checks looked at, indexes of what rests, and the type of an
order in the history's indexes, so that a search for it reads the index alone.

Each step commits by itself and keeps nobody from reading or writing; after a failure all may be done again.
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

CHECKS = (
    "orders_status_check",
    "order_type_known",
    "limit_has_price",
    "limit_has_guard",
    "waiting_expires",
    "route_keeps_limit",
)
RESTING = {
    "orders_resting": "(input_token, output_token, bound, id) WHERE status = 'waiting' AND order_type = 'limit'",
    "orders_sniping": "(output_token, id) WHERE status = 'waiting' AND order_type = 'sniper'",
    "orders_expiring": "(expires_at) WHERE status = 'waiting'",
    "orders_fired": "(id) WHERE status = 'pending' AND fires > 0",
    "orders_waiting_by_user": "(user_id) WHERE status = 'waiting'",
}
# As 0002 has them, with the type among the included columns.
HISTORY = {
    "orders_by_user": '(user_id, id COLLATE "POSIX" DESC) INCLUDE (venue, input_token, output_token{kind})',
    "orders_by_user_and_status": '(user_id, status, id COLLATE "POSIX" DESC)'
    " INCLUDE (venue, input_token, output_token{kind})",
    "orders_by_status": '(status, id COLLATE "POSIX" DESC) INCLUDE (venue, input_token, output_token{kind})',
    "orders_by_pair": '(input_token, output_token, id COLLATE "POSIX" DESC) INCLUDE (status, venue{kind})',
    "orders_by_venue": '(venue, id COLLATE "POSIX" DESC) INCLUDE (input_token, output_token{kind})',
    "orders_by_client_order_id": '(client_order_id, id COLLATE "POSIX" DESC) {alone}WHERE client_order_id IS NOT NULL',
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name in CHECKS:
            op.execute(f"ALTER TABLE orders VALIDATE CONSTRAINT {name}")
        for name, columns in RESTING.items():
            _replace(name, columns)
        for name, columns in HISTORY.items():
            _replace(name, columns.format(kind=", order_type", alone="INCLUDE (order_type) "))


def _replace(name: str, columns: str) -> None:
    """A new index in the place of one that may be there, may be half made, and answers until the new one can."""
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_new")
    op.execute(f"CREATE INDEX CONCURRENTLY {name}_new ON orders {columns}")
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute(f"ALTER INDEX {name}_new RENAME TO {name}")


def downgrade() -> None:
    op.execute(f"DROP INDEX {', '.join((*RESTING, *HISTORY))}")
    for name, columns in HISTORY.items():
        op.execute(f"CREATE INDEX {name} ON orders {columns.format(kind='', alone='')}")
