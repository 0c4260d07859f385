"""Postgres as `./dev up` runs it: what it keeps, and what it makes of what a crash left behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from localstack import postgres
from localstack.errors import LocalStackError
from localstack.postgres import Postgres
from localstack.processes import Guard, wait_until

LIMIT_SECONDS = 30


@pytest.fixture
def guard() -> Iterator[Guard]:
    with Guard() as guard:
        yield guard


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a space in its name, closed to others."""
    folder = tmp_path / "a clone"
    folder.mkdir(mode=0o700)
    return folder


def run(folder: Path, guard: Guard) -> Postgres:
    return postgres.run(folder / "postgres", folder / "postgres.log", guard)


def count(server: Postgres) -> int:
    """Adds a row and counts them."""
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO kept DEFAULT VALUES")
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def test_the_history_is_kept_between_runs(folder: Path, guard: Guard) -> None:
    first = run(folder, guard)
    assert count(first) == 1
    first.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(first.url)
    second = run(folder, guard)
    assert count(second) == 2
    second.stop()


def test_settings(folder: Path, guard: Guard) -> None:
    server = run(folder, guard)
    with psycopg.connect(server.url) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()
            for name in ("fsync", "max_connections", "listen_addresses", "server_encoding", "timezone")
        }
    server.stop()
    assert shown == {
        "fsync": ("on",),
        "max_connections": ("200",),
        "listen_addresses": ("127.0.0.1",),
        "server_encoding": ("UTF8",),
        "timezone": ("UTC",),
    }


def test_a_password_is_needed(folder: Path, guard: Guard) -> None:
    server = run(folder, guard)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", password="", dbname="postgres")
    server.stop()


def test_a_killed_server_starts_again(folder: Path, guard: Guard) -> None:
    first = run(folder, guard)
    count(first)
    os.killpg(first.child.process.pid, signal.SIGKILL)
    first.child.process.wait(LIMIT_SECONDS)
    assert (folder / "postgres" / "data" / "postmaster.pid").exists()
    second = run(folder, guard)
    assert count(second) == 2
    second.stop()


def test_a_lock_that_names_another_living_process_is_stale(folder: Path, guard: Guard) -> None:
    run(folder, guard).stop()
    lock = folder / "postgres" / "data" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n0\n5432\n\n127.0.0.1\n\nready\n")
    server = run(folder, guard)
    assert count(server) == 1
    server.stop()


def test_a_server_left_behind_is_ended_first(folder: Path, guard: Guard) -> None:
    left_behind = run(folder, guard)
    count(left_behind)
    second = run(folder, guard)
    assert wait_until(lambda: left_behind.child.exited is not None, LIMIT_SECONDS)
    assert count(second) == 2
    second.stop()


def test_an_interrupted_creation_is_done_anew(folder: Path, guard: Guard) -> None:
    (folder / "postgres" / "data.unfinished").mkdir(parents=True)
    (folder / "postgres" / "data.unfinished" / "PG_VERSION").touch()
    server = run(folder, guard)
    assert count(server) == 1
    server.stop()


def test_the_data_of_another_version_is_left_alone(folder: Path, guard: Guard) -> None:
    run(folder, guard).stop()
    (folder / "postgres" / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(LocalStackError, match="written by Postgres 12 and this is 18"):
        run(folder, guard)
