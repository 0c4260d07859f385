"""The migrations against a real Postgres."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text

from infra.migrations import handler, migrate
from infra.migrations.migrate import DatabaseIsNewerError, MigrationError, current, upgrade
from infra.migrations.owner import owner_url
from infra.migrations.roles import ensure_application_roles, prepare_login
from localstack.local_stack import postgres
from localstack.local_stack.processes import Reaper

# In one process: what is set up once is used by all.
pytestmark = pytest.mark.xdist_group("migrations")

ROOT = Path(__file__).parents[2]
PLACE = """
INSERT INTO orders (id, user_id, wallet_address, input_token, output_token, side, amount, slippage_bps, status, attempt,
                    sequence, created_at, updated_at, attention_at)
VALUES (%s, 'u', 'w', 'SOL', 'USDC', 'sell', 1, 50, 'pending', 1, 1, now(), now(), now())
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("postgres")


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[postgres.Postgres]:
    with Reaper() as reaper:
        started = postgres.run(home, home / "log", reaper, durable=False)
        yield started
        started.stop()


@pytest.fixture(scope="module")
def server(running: postgres.Postgres) -> str:
    return running.url


@pytest.fixture
def database(server: str, request: pytest.FixtureRequest) -> str:
    """An empty database of the test's own."""
    name = f"test_{abs(hash(request.node.name))}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def tables(database_url: str) -> set[str]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {str(row[0]) for row in rows}


def test_from_nothing_to_the_newest_and_again(database: str) -> None:
    assert current(database) == "none"
    upgrade(database)
    assert {"orders", "order_events", "alembic_version"} <= tables(database)
    revision = current(database)
    assert revision != "none"
    with psycopg.connect(database) as connection:
        before = connection.execute("SELECT xmin FROM alembic_version").fetchone()
    upgrade(database)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT xmin FROM alembic_version").fetchone() == before


def test_the_command_line(database: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.migrations.migrate"],
        cwd=ROOT,
        env={"PATH": os.defpath, "DATABASE_URL": database},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"The database is at revision {current(database)}.\n"


def test_concurrent_runs_apply_everything_once(database: str) -> None:
    outcomes: list[MigrationError | None] = []
    together = threading.Barrier(4)

    def work() -> None:
        together.wait(timeout=30)
        try:
            upgrade(database)
        except MigrationError as error:
            outcomes.append(error)
        else:
            outcomes.append(None)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert outcomes == [None] * 4


def test_it_waits_for_another_run_but_not_for_ever(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "_WAIT_FOR_OTHERS_SECONDS", 1)
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (migrate._LOCK_KEY,))
        with pytest.raises(MigrationError, match="Another migration of this database"):
            upgrade(database)
        assert tables(database) == set()
    upgrade(database)


def test_a_database_of_newer_code_is_refused_and_untouched(database: str) -> None:
    upgrade(database)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseIsNewerError, match="9999"):
        upgrade(database)
    assert current(database) == "9999"


@pytest.mark.parametrize(
    ("url", "status", "said"),
    [
        ("postgresql://someone:hunter2@127.0.0.1:1/orders", 1, "Can't log in to Postgres at 127.0.0.1:1"),
        ("postgresql://[", 1, "no libpq URI"),
        ("http://example.com/orders", 1, "no libpq URI"),
        ("", 2, "Set DATABASE_URL"),
    ],
)
def test_what_can_t_be_migrated_gets_one_sentence_without_the_password(
    url: str, status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert migrate.main() == status
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), said in err, "hunter2" in err) == ("", 1, True, False)


def test_the_role_that_the_functions_share_with_the_migrations_gets_its_settings_in_this_database_only(
    database: str, server: str
) -> None:
    for _ in range(2):
        prepare_login(database)
    with psycopg.connect(database) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("5s",)
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
    with psycopg.connect(server) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_a_migration_may_take_longer_than_the_role_s_statements(database: str) -> None:
    prepare_login(database)
    with migrate._locked(database) as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "0"


def test_the_application_roles_read_and_write_rows_only_within_their_budgets(database: str, server: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'rds_iam'").fetchone():
            connection.execute("CREATE ROLE rds_iam")  # exists on RDS
    upgrade(database)
    for budgets in ({"order_engine": 9, "order_engine_api": 8}, {"order_engine": 7, "order_engine_api": 5}):
        ensure_application_roles(database, budgets)
        with psycopg.connect(database) as connection:
            limits = connection.execute("SELECT rolname, rolconnlimit FROM pg_roles WHERE rolconnlimit > 0").fetchall()
        assert dict(limits) == budgets
    with psycopg.connect(database) as connection:
        member = connection.execute("SELECT pg_has_role('order_engine', 'rds_iam', 'member')").fetchone()
        assert member == (True,)
        connection.execute("SET ROLE order_engine")
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)
        for statement in (
            "DROP TABLE orders",
            "CREATE TABLE mine (i int)",
            "TRUNCATE orders",
            "SELECT * FROM alembic_version",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement)
    for number, role in enumerate(("order_engine", "order_engine_api")):
        with psycopg.connect(database) as connection:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            # A trigger writes order_attention with the rights of whoever writes the order.
            connection.execute(PLACE, [f"ord_{number:032x}"])
            assert connection.execute("SELECT count(*) FROM order_attention").fetchone() == (1,)
            connection.execute("UPDATE orders SET attention_at = NULL")
            assert connection.execute("SELECT count(*) FROM order_attention").fetchone() == (0,)


@pytest.fixture
def as_on_rds(running: postgres.Postgres, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database `rds` whose owner has a password; members of rds_iam log in by token, which nothing here checks."""
    rules = home / "data" / "pg_hba.conf"
    rules.write_text(f"host rds +rds_iam 127.0.0.1/32 trust\n{rules.read_text()}")
    with psycopg.connect(running.url, autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'rds_iam'").fetchone():
            connection.execute("CREATE ROLE rds_iam")
        # Stands for RDS's own privilege to grant rds_iam.
        connection.execute("CREATE ROLE rds_owner LOGIN SUPERUSER PASSWORD 'it''s a \\secret'")
        connection.execute("CREATE DATABASE rds OWNER rds_owner")
    settings = {
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(running.port),
        "DATABASE_NAME": "rds",
        "DATABASE_ROLES": "rds_app=5",
        "DATABASE_OWNER": "rds_owner",
        "DATABASE_OWNER_PASSWORD": "it's a \\secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return urlsplit(running.url)._replace(path="/rds").geturl()


def test_the_owner_s_password_is_for_the_first_deployment_and_tokens_for_the_others(
    as_on_rds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[tuple[str, str]] = []
    monkeypatch.setattr(handler, "_answer", lambda _event, *answer: answers.append(answer[:2]))
    request: handler.Request = {
        "RequestType": "Update",
        "ResponseURL": "",
        "StackId": "",
        "RequestId": "",
        "LogicalResourceId": "",
    }
    assert conninfo_to_dict(owner_url())["password"] == os.environ["DATABASE_OWNER_PASSWORD"]
    handler.handler(request, None)
    with psycopg.connect(as_on_rds) as connection:
        # What Postgres does by itself where the creator of a role is no superuser, as on RDS.
        connection.execute("GRANT rds_app TO rds_owner WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    monkeypatch.setenv("DATABASE_OWNER_PASSWORD", "no longer accepted")
    assert "X-Amz-Signature=" in str(conninfo_to_dict(owner_url())["password"])
    handler.handler(request, None)
    assert answers == [("SUCCESS", ""), ("SUCCESS", "")]


def test_migrations_can_be_taken_back(database: str) -> None:
    upgrade(database)
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent))
    with migrate._locked(database) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
    assert current(database) == "0003"
    upgrade(database)
