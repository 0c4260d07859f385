"""Postgres as `./dev up` runs it: what it keeps, and what it makes of what a crash left behind."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from localstack.errors import UserError
from localstack.local_stack import as_user, postgres, postgres_files
from localstack.local_stack.postgres import Postgres
from localstack.local_stack.processes import Reaper, wait_until
from localstack.paths import ROOT

LIMIT_SECONDS = 30
CREATING = """
import sys
from pathlib import Path
from localstack.local_stack import postgres
from localstack.local_stack.processes import Reaper
postgres.run(Path(sys.argv[1]), Path(sys.argv[2]), Reaper())
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")


@pytest.fixture
def reaper() -> Iterator[Reaper]:
    with Reaper() as reaper:
        yield reaper


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a space in its name, closed to others."""
    folder = tmp_path / "a clone"
    folder.mkdir(mode=0o700)
    return folder


def run(folder: Path, reaper: Reaper, *, durable: bool = False) -> Postgres:
    return postgres.run(folder / "postgres", folder / "postgres.log", reaper, durable=durable)


def count(server: Postgres) -> int:
    """Adds a row and counts them."""
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO kept DEFAULT VALUES")
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run that wrote a row left. Making a database takes longer than copying one."""
    folder = tmp_path_factory.mktemp("made")
    with Reaper() as reaper:
        server = run(folder, reaper)
        assert count(server) == 1
        server.stop()
    return folder / "postgres"


@pytest.fixture
def kept(folder: Path, made: Path) -> Path:
    """A folder with the database of an earlier run, which has one row."""
    subprocess.run(["cp", "-a", made, folder], timeout=LIMIT_SECONDS, check=True)  # owners stay
    return folder


def test_the_history_is_kept_behind_a_password_on_this_machine_only(kept: Path, reaper: Reaper) -> None:
    server = run(kept, reaper, durable=True)
    assert count(server) == 2
    with psycopg.connect(server.url) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()
            for name in ("fsync", "max_connections", "listen_addresses", "server_encoding", "timezone")
        }
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", password="", dbname="postgres")
    server.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url)
    assert shown == {
        "fsync": ("on",),
        "max_connections": ("250",),
        "listen_addresses": ("127.0.0.1",),
        "server_encoding": ("UTF8",),
        "timezone": ("UTC",),
    }


def test_a_killed_server_starts_again(kept: Path, reaper: Reaper) -> None:
    first = run(kept, reaper, durable=True)
    count(first)
    os.killpg(first.child.process.pid, signal.SIGKILL)
    first.child.process.wait(LIMIT_SECONDS)
    assert (kept / "postgres" / "data" / "postmaster.pid").exists()
    second = run(kept, reaper)
    assert count(second) == 3
    second.stop()


@pytest.mark.parametrize(
    ("file", "left"),
    [
        ("data/postmaster.pid", f"{os.getpid()}\n/data\n0\n5432\n\n127.0.0.1\n\nready\n"),
        ("data/postmaster.pid", ""),
        ("data/postmaster.pid", "-1\n"),
        ("password", ""),
        ("password", "x" * 32),
    ],
    ids=["the lock of another process", "an empty lock", "half a lock", "no password", "another password"],
)
def test_what_a_crash_left_is_mended(kept: Path, reaper: Reaper, file: str, left: str) -> None:
    (kept / "postgres" / file).write_text(left)
    server = run(kept, reaper)
    assert count(server) == 2
    server.stop()


def test_a_server_left_behind_is_ended_first(kept: Path, reaper: Reaper) -> None:
    left_behind = run(kept, reaper)
    second = run(kept, reaper)
    assert wait_until(lambda: left_behind.child.exited is not None, LIMIT_SECONDS)
    assert count(second) == 2
    second.stop()


def test_a_creation_ends_with_the_runtime(folder: Path) -> None:
    """Else it would write on where the next start begins anew."""
    runtime = subprocess.Popen([sys.executable, "-c", CREATING, folder / "postgres", folder / "log"], cwd=ROOT)
    creating: list[psutil.Process] = []

    def begun() -> bool:
        for each in psutil.Process(runtime.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # one that only told its version has ended meanwhile
                if each.name() == "initdb" and "-U" in each.cmdline():
                    creating.append(each)
        return bool(creating)

    def ended() -> bool:
        try:
            return bool(creating[0].status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    try:
        assert wait_until(begun, LIMIT_SECONDS, 0.01)
        creating[0].suspend()
    finally:
        runtime.kill()
        runtime.wait(LIMIT_SECONDS)
    try:
        assert wait_until(ended, LIMIT_SECONDS)
    finally:
        if not ended():
            creating[0].kill()


def test_an_interrupted_creation_is_done_anew_and_an_empty_folder_filled(folder: Path, reaper: Reaper) -> None:
    for name in ("data", "data.unfinished"):
        (folder / "postgres" / name).mkdir(parents=True)
    (folder / "postgres" / "data.unfinished" / "PG_VERSION").touch()
    server = run(folder, reaper)
    assert count(server) == 1
    server.stop()


@pytest.fixture
def closed_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installed binaries as a clone below root's own folder has them: with a umask of 077, and no way there."""
    installed = postgres_files._wheel()
    closed = tmp_path / "closed" / installed.name
    closed.parent.mkdir(mode=0o700)
    shutil.copytree(installed / "pginstall", closed / "pginstall")
    shutil.copytree(installed.with_name(f"{installed.name}.libs"), closed.with_name(f"{installed.name}.libs"))
    for path in closed.parent.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    monkeypatch.setattr(postgres_files, "_wheel", lambda: closed)
    return closed


@as_root
def test_root_s_server_needs_no_way_to_the_clone_and_has_no_right_to_it(
    folder: Path, reaper: Reaper, closed_to_others: Path
) -> None:
    secret = folder / "postgres" / "secret"
    server = run(folder, reaper)
    secret.write_text("of root's")
    secret.chmod(0o644)
    status = Path(f"/proc/{server.child.process.pid}/status").read_text()
    facts = dict(line.split(":\t", 1) for line in status.splitlines())
    with psycopg.connect(server.url, autocommit=True) as connection:
        for path in (secret, Path("../secret"), Path("/etc/shadow")):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT pg_read_file(%s)", [str(path)])
        connection.execute("CREATE TEMPORARY TABLE said (line text)")
        connection.execute("COPY said FROM PROGRAM 'cat ../secret; id -u'")
        said = connection.execute("SELECT line FROM said").fetchall()
    copy = Path((folder / "postgres" / "binaries").read_text())
    assert copy.is_dir()
    server.stop()
    assert [facts[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == ["0" * 16] * 5
    assert facts["NoNewPrivs"] == "1"
    assert said == [(str(pwd.getpwnam("nobody").pw_uid),)]
    run(folder, reaper).stop()
    assert not copy.exists()


@as_root
def test_nothing_is_given_away_through_a_link(kept: Path, reaper: Reaper) -> None:
    data = kept / "postgres" / "data"
    ours = kept / "ours"
    ours.write_text("of root's")
    (kept / "postgres" / "password").chmod(0o666)
    (data / "link").symlink_to(ours)
    os.chown(data, 0, 0)  # as after `cp -r` by root
    second = run(kept, reaper)
    assert count(second) == 2
    second.stop()
    assert ours.stat().st_uid == 0
    assert data.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    os.link(ours, data / "second name")
    os.chown(data, 0, 0)
    with pytest.raises(UserError, match=r"a file second name with a second name elsewhere \(a hard link\)"):
        run(kept, reaper)
    assert ours.stat().st_uid == 0


@as_root
def test_the_history_of_a_normal_user_stays_theirs(kept: Path, reaper: Reaper) -> None:
    data = kept / "postgres" / "data"
    for path in (data, *data.rglob("*")):
        os.chown(path, 12345, 12345)
    server = run(kept, reaper)
    assert count(server) == 2
    server.stop()
    assert data.stat().st_uid == 12345


def test_a_copy_that_a_killed_run_left_is_removed(kept: Path, reaper: Reaper, tmp_path: Path) -> None:
    left, other = tmp_path / "order-engine-postgres-left", tmp_path / "other"
    for path in (left, other):
        path.mkdir()
    for path in (other, left):
        (kept / "postgres" / "binaries").write_text(str(path))
        run(kept, reaper).stop()
    assert not left.exists()
    assert other.exists()


def test_no_copy_is_left_where_the_start_was_ended_meanwhile(
    folder: Path, reaper: Reaper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_files, "_folders", lambda: [str(tmp_path)])
    # The way to the installed ones is one that a shell would read.
    monkeypatch.setattr(postgres_files, "_PLAIN", re.compile("(?!)"))
    reaper.close()
    with pytest.raises(ValueError, match="closed"):
        run(folder, reaper)
    assert not list(tmp_path.glob("order-engine-*"))


def test_whatever_the_folder_is_called(tmp_path: Path, reaper: Reaper, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "100% $HOME 'single' \"double\" [brackets] `id` back\\slash größe"
    folder.mkdir()
    installed = postgres_files._wheel()
    for each in (installed, installed.with_name(f"{installed.name}.libs")):
        shutil.copytree(each, folder / each.name)
    monkeypatch.setattr(postgres_files, "_wheel", lambda: folder / installed.name)
    server = run(folder, reaper)
    assert count(server) == 1
    server.stop()


@pytest.mark.parametrize(
    ("file", "holds", "sentence"),
    [
        ("PG_VERSION", "12\n", "written by Postgres 12 and this is 18"),
        ("PG_VERSION", "", "is damaged"),
        ("global/pg_control", "", "did not start"),
    ],
)
def test_data_that_can_t_be_used_gets_a_sentence_and_stays(
    kept: Path, reaper: Reaper, file: str, holds: str, sentence: str
) -> None:
    damaged = kept / "postgres" / "data" / file
    damaged.write_text(holds)
    with pytest.raises(UserError, match=sentence):
        run(kept, reaper)
    assert damaged.read_text() == holds


@as_root
def test_where_a_user_can_t_be_given_a_name_a_sentence_says_what_to_do(
    folder: Path, reaper: Reaper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of a kernel that allows no user namespace."""
    refuses = tmp_path / "refuses.py"
    refuses.write_text(f"import sys; sys.exit({as_user.NO_NAME} if '--pwfile=/dev/stdin' in sys.argv else 0)")
    monkeypatch.setattr(as_user, "__file__", str(refuses))
    monkeypatch.setattr(postgres_files, "_version", lambda folder, account: "18")
    with pytest.raises(UserError, match=r"has no name on this machine.*a line to /etc/passwd \(echo 'engine:x:0:0:"):
        run(folder, reaper)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="takes root to become a user without a name")
def test_a_user_without_a_name_gets_a_server_or_a_sentence(tmp_path: Path) -> None:
    home = Path("/tmp") / f"nameless-{os.getpid()}"
    home.mkdir()
    os.chown(home, 12345, 0)
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from localstack.local_stack import postgres\n"
        "from localstack.local_stack.processes import Reaper\n"
        "os.setgroups([]); os.setgid(0); os.setuid(12345)\n"
        "if not os.access(os.__file__, os.R_OK): sys.exit('closed')\n"
        "with Reaper() as reaper:\n"
        "    home = Path(sys.argv[1])\n"
        "    try: server = postgres.run(home / 'postgres', home / 'log', reaper)\n"
        "    except postgres.UserError as error: sys.exit(str(error))\n"
        "    server.stop()\n"
        "    print('runs')\n"
    )
    try:
        ended = subprocess.run(
            [sys.executable, "-c", script, str(home)], capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        shutil.rmtree(home)
    if ended.stderr == "closed\n":
        pytest.skip("only root can enter the folder of this interpreter")
    assert ended.stdout == "runs\n" or "has no name on this machine" in ended.stderr
