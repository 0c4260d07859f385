"""How the migrations log in where the stack created the database: as the owner of its tables."""

import os

import psycopg
from psycopg.conninfo import make_conninfo

_CONNECT_SECONDS = 10


def owner_url() -> str:
    """Where the database is and how to log in, from DATABASE_HOST, _PORT, _NAME, _OWNER and _OWNER_PASSWORD.

    With an IAM token wherever that is accepted, else with the password: RDS takes only tokens from members of
    rds_iam, and whoever creates such a member becomes one himself. So the password of the owner works until he has
    created the functions' role, and never again. Raises KeyError where a setting is missing.
    """
    # Part of Lambda's runtime, not of the artifact.
    import boto3

    host, port, owner = (os.environ[f"DATABASE_{name}"] for name in ("HOST", "PORT", "OWNER"))
    # The token is signed here, no service is asked.
    token = boto3.client("rds").generate_db_auth_token(DBHostname=host, Port=int(port), DBUsername=owner)
    with_token, with_password = (
        make_conninfo(host=host, port=port, dbname=os.environ["DATABASE_NAME"], user=owner, password=password)
        for password in (token, os.environ["DATABASE_OWNER_PASSWORD"])
    )
    try:
        psycopg.connect(with_token, connect_timeout=_CONNECT_SECONDS).close()
    except psycopg.OperationalError:
        return with_password
    return with_token
