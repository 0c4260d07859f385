"""`./dev env` and the tools that talk to the stack of this clone."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from localstack.client import issuer
from localstack.client.local_program import headers_of, token_of
from localstack.commands import deploy, env
from localstack.deployment import deploying, tools
from localstack.errors import UserError
from localstack.local_stack import state_file
from localstack.local_stack.emulator_gate import DOOR_HEADER
from order_engine.cli.program import subject_of
from tests.fakes.programs import ended, invoke
from tests.unit.localstack.test_running import RUNNING

ELSEWHERE = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "of another account", "AWS_REGION": "eu-west-1"}


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> state_file.Running:
    running = replace(RUNNING, access_key="OEK1")
    monkeypatch.setattr(state_file, "find", lambda: running)
    return running


def printed(monkeypatch: pytest.MonkeyPatch, running: state_file.Running) -> str:
    monkeypatch.setattr(state_file, "find", lambda: running)
    return invoke(env, catch_exceptions=False).stdout


def test_a_shell_that_evaluates_it_talks_to_the_stack(up: state_file.Running, monkeypatch: pytest.MonkeyPatch) -> None:
    show = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    shell = f"{printed(monkeypatch, up)}\n{show}"
    seen = json.loads(ended("sh", "-euc", shell, env=ELSEWHERE, check=True).stdout)
    assert seen["AWS_ENDPOINT_URL"] == up.emulator_url
    assert seen["AWS_ACCESS_KEY_ID"] == seen["AWS_SECRET_ACCESS_KEY"] == "OEK1"
    assert seen["AWS_REGION"] == seen["AWS_DEFAULT_REGION"] == "us-east-1"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & set(seen)


def test_nothing_in_it_is_run(up: state_file.Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = f"it's $(touch {tmp_path}/made) `touch {tmp_path}/made`;\nx"
    shell = printed(monkeypatch, replace(up, access_key=key)) + '\nprintf %s "$AWS_ACCESS_KEY_ID"'
    assert ended("sh", "-c", shell, check=True).stdout == key
    assert not (tmp_path / "made").exists()


def told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, str]:
    """The AWS settings that a tool runs with, which only writes them down."""
    place = tmp_path / arguments[0]
    seen = tmp_path / "seen"
    place.write_text(
        f"import json, os, sys; open({str(seen)!r}, 'w').write(json.dumps([sys.argv[1:], dict(os.environ)]))"
    )
    if not (tmp_path / "python").exists():
        (tmp_path / "python").symlink_to(sys.executable)
    monkeypatch.setattr(tools, "ensure", lambda name, report: place)
    monkeypatch.setattr(deploying, "sam_command", tools.command)
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    invoke(deploy, "tool", *arguments, catch_exceptions=False)
    called, environment = json.loads(seen.read_text())
    address = ["--endpoint-url", RUNNING.emulator_url] if arguments[0] == "aws" else []
    assert called == [*address, *arguments[1:]]
    return {name: value for name, value in environment.items() if "AWS" in name}


@pytest.mark.parametrize(
    "arguments",
    [("aws", "sqs", "list-queues"), ("sam", "deploy", "--config-env", "embedded"), ("sam", "--config-env=embedded")],
)
def test_a_tool_for_the_stack_that_runs_here_gets_its_address_and_key(
    up: state_file.Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    assert told_to(tmp_path, monkeypatch, *arguments) == dict(up.target().environment)


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize("arguments", [("sam", "deploy", "--config-env", "aws"), ("checkov",)])
def test_any_other_gets_what_the_shell_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    seen = told_to(tmp_path, monkeypatch, *arguments)
    assert {name: seen[name] for name in ELSEWHERE} == ELSEWHERE


def test_where_nothing_runs_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> state_file.Running:
        raise UserError("Nothing runs in this clone")

    monkeypatch.setattr(state_file, "find", nothing)
    with pytest.raises(UserError, match="Nothing runs"):
        told_to(tmp_path, monkeypatch, "aws", "s3", "ls")


def test_only_a_stack_beside_the_running_one_is_shown_the_doors_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    running = replace(RUNNING, emulator_url="http://127.0.0.1:4566", door_secret="d")
    monkeypatch.setattr(state_file, "find", lambda: running)
    assert headers_of("http://127.0.0.1:4566/_aws/execute-api/abc/live") == {DOOR_HEADER: "d"}
    for other in (running.url, "http://127.0.0.1:45667/x", "http://127.0.0.1:4566.evil.example/", "https://x.example"):
        assert headers_of(other) == {}


def test_a_command_asks_the_running_stack_with_a_token_where_that_asks_for_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ORDER_ENGINE_TOKEN", raising=False)
    monkeypatch.setattr(issuer.read_issuer, "__defaults__", (tmp_path / "key.json", issuer.ISSUER, issuer.AUDIENCE))
    here, there = RUNNING.url, "https://elsewhere.example"
    monkeypatch.setattr(state_file, "find", lambda: RUNNING)
    assert token_of(here, "ann") is None
    monkeypatch.setattr(state_file, "find", lambda: replace(RUNNING, auth="jwt"))
    assert [subject_of(token_of(here, user)) for user in ("ann", None)] == ["ann", "dev"]
    # A token is for its own stack's ears.
    assert token_of(there, "ann") is None
    assert token_of(f"{here}.elsewhere.example", "ann") is None
    monkeypatch.setenv("ORDER_ENGINE_TOKEN", "mine")
    assert token_of(there, "ann") == token_of(here, "ann") == "mine"
