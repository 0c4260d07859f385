"""`./dev up` where a stranger tries it: whatever the shell exports, the folder is called and a run left behind."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from localstack.local_stack.ports import free_port
from localstack.local_stack.processes import tail, wait_until
from tests.commands.conftest import copy_to

LIMIT_SECONDS = 200
AWS = {
    "AWS_PROFILE": "gone",
    "AWS_CONFIG_FILE": "/nowhere/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
    "AWS_ENDPOINT_URL": "http://192.0.2.1:4566",
    "AWS_ENDPOINT_URL_SQS": "http://192.0.2.1:4566",
    "AWS_REGION": "eu-north-1",
    "AWS_DEFAULT_REGION": "nowhere-1",
    "AWS_CA_BUNDLE": "/nowhere/authorities.pem",
    "AWS_USE_FIPS_ENDPOINT": "true",
}
LOCALSTACK = {
    "USE_SSL": "1",
    "LOCALSTACK_HOST": "192.0.2.1:4566",
    "LOCALSTACK_HOSTNAME": "192.0.2.1",
    "EDGE_PORT": "1",
    "GATEWAY_LISTEN": "192.0.2.1:1",
    "LAMBDA_EXECUTOR": "docker",
    "GATEWAY_PORT": "1",
}
LIBPQ = {
    "PGHOST": "192.0.2.1",
    "PGPORT": "1",
    "PGSERVICE": "gone",
    "PGSERVICEFILE": "/nowhere/services",
    "PGSSLMODE": "verify-full",
    "PGOPTIONS": "-c no_such_setting=1",
    "PGPASSFILE": "/nowhere/passwords",
    "PGDATA": "/nowhere/data",
}
PROXIES = dict.fromkeys(("HTTP_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"), "http://192.0.2.1:3128")
WEB_TOOLS = {"HOST": "x86_64-conda-linux-gnu", "PUBLIC_URL": "/my-app", "PORT": "no port"}
PYTHON = {
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "PYTHONSTARTUP": "/nowhere/startup.py",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONUTF8": "0",
    "PYTHONHASHSEED": "no number",
    "PYTHONSAFEPATH": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "latin-1",
}
PIP = {"PIP_USER": "1", "PIP_TARGET": "/nowhere", "PIP_REQUIRE_VIRTUALENV": "1", "PIP_CONFIG_FILE": "/nowhere/pip.conf"}
TERMINAL = {"LC_ALL": "C", "TERM": "dumb", "COLUMNS": "1", "NO_COLOR": "1", "HOME": "/nowhere"}


def nothing(_: Path) -> None:
    """Leaves the clone as it is."""


def cut_short(clone: Path) -> None:
    """What a power cut makes of the files that were written last."""
    state = clone / ".state"
    (state / "postgres" / "data").mkdir(parents=True)
    (state / "logs").mkdir()
    (state / "logs" / "functions.jsonl").write_text('{"half')
    (state / "postgres" / "password").touch()
    (state / "cursor-secret").touch()
    (state / "up.json").write_text('{"pid": 1, "url": "http://loc')
    (state / "up.lock").write_text("1")
    (state / "install.lock").write_text("")


def closed(clone: Path) -> None:
    """A power cut, and nobody but its owner may pass the folder above."""
    cut_short(clone)
    clone.parent.chmod(0o700)


@dataclass(frozen=True)
class Stranger:
    """Where and how somebody tries it."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "clone"
    prepare: Callable[[Path], None] = nothing
    umask: int = 0o022


# Each starts a stack, half a minute long: what stands in nobody's way is tried together.
STRANGERS = (
    Stranger(
        "shell of other tools", {**AWS, **LOCALSTACK, **LIBPQ, **WEB_TOOLS, **PROXIES, **PYTHON, **PIP, **TERMINAL}
    ),
    Stranger("folder of any name", folder="-100% [bold]\nof 'two' \"two\" $HOME `id` back\\slash größe " + "long" * 30),
    Stranger(
        "folder that only its owner may enter, after a power cut", {"TMPDIR": "long"}, prepare=closed, umask=0o077
    ),
)


@pytest.fixture
def clone(tmp_path: Path, stranger: Stranger) -> Path:
    folder = tmp_path / "above" / stranger.folder
    copy_to(folder, stranger.umask)
    stranger.prepare(folder)
    return folder


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda stranger: stranger.name)
@pytest.mark.timeout(3 * LIMIT_SECONDS)
@pytest.mark.xdist_group("strangers")
def test_a_stranger_s_first_order_is_confirmed(stranger: Stranger, clone: Path, tmp_path: Path) -> None:
    port = str(free_port())
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **stranger.environment}
    environment |= {"ORDER_ENGINE_PORT": port, "SIMULATED_DELAY_SCALE": "0"}
    if "TMPDIR" in environment:
        long = tmp_path / ("long" * 30)
        long.mkdir()
        environment["TMPDIR"] = str(long)
    log = tmp_path / "up.log"

    def dev(command: str) -> "subprocess.CompletedProcess[bytes]":
        command_line = [str(clone / "dev"), command]
        return subprocess.run(command_line, env=environment, capture_output=True, timeout=LIMIT_SECONDS, check=False)

    with log.open("wb") as output:
        up = subprocess.Popen(
            [clone / "dev", "up"], env=environment, stdout=output, stderr=output, cwd=clone, umask=stranger.umask
        )
    try:
        wait_until(lambda: up.poll() is not None or b"Ready after" in log.read_bytes(), LIMIT_SECONDS)
        assert b"Ready after" in log.read_bytes(), tail(log, 40)
        ordered = dev("order")
        assert ordered.returncode == 0, ordered.stderr
        assert b"confirmed" in ordered.stdout
        assert dev("down").returncode == 0
        assert up.wait(LIMIT_SECONDS) == 0, tail(log, 40)
        assert b"it is started again" not in log.read_bytes()
        emulator = (clone / ".state" / "logs" / "emulator.log").read_text()
        assert "none can be forked" not in emulator
    finally:
        if up.poll() is None:
            up.send_signal(signal.SIGTERM)
            up.wait(LIMIT_SECONDS)
