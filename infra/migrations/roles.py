"""The role that the functions log in as where the stack creates the database: by IAM token, rows only."""

import psycopg
from psycopg import sql


def ensure_application_role(database_url: str, role: str) -> None:
    """Creates the role where it is missing, and lets it read and write the tables there are now.

    `database_url` logs in as the tables' owner. `role` may log in with an IAM token only, owns nothing,
    and can't change the schema. Raises psycopg.Error.
    """
    name = sql.Identifier(role)
    with psycopg.connect(database_url, connect_timeout=10) as connection:
        exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
        if exists is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        for statement in (
            "GRANT rds_iam TO {}",
            "GRANT USAGE ON SCHEMA public TO {}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}",
            "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}",
            "REVOKE ALL ON alembic_version FROM {}",
        ):
            connection.execute(sql.SQL(statement).format(name))
