"""What Alembic runs: the revisions, over the connection that `migrate.py` opened and locked."""

from alembic import context
from sqlalchemy import Connection

connection = context.config.attributes.get("connection")
if not isinstance(connection, Connection):
    raise TypeError("Migrations run through `python -m infra.migrations.migrate`, which locks the database first.")

# One transaction per revision: a failing one leaves the earlier ones applied and itself undone.
context.configure(connection=connection, target_metadata=None, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
