"""The migrations as CloudFormation calls them: every outcome is answered, whatever happens."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.migrations import handler as migrations
from infra.migrations.migrate import DatabaseIsNewerError, MigrationError
from tests.fakes.http_server import answer, body_of, serving

FOLDER = Path(migrations.__file__).parent


@dataclass
class Answers:
    """A stand-in for the bucket that CloudFormation reads answers from."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    content_types: list[str | None] = field(default_factory=list)
    refusals: int = 0


@pytest.fixture
def answers() -> Iterator[Answers]:
    state = Answers()

    def hear(request: BaseHTTPRequestHandler) -> None:
        body = body_of(request)
        if state.refusals:
            state.refusals -= 1
            request.send_error(503)
            return
        state.bodies.append(json.loads(body))
        state.content_types.append(request.headers.get("Content-Type"))
        answer(request)

    with serving(hear) as address:
        state.url = f"{address}/answer?signature=x"
        yield state


def request(answers: Answers, kind: str) -> Any:
    return {
        "RequestType": kind,
        "ResponseURL": answers.url,
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Migrations",
        "ResourceProperties": {"CodeVersion": "1"},
    }


@pytest.fixture
def migrated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records what would have been migrated."""
    urls: list[str] = []
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@db:5432/orders")
    monkeypatch.delenv("DATABASE_ROLES", raising=False)
    monkeypatch.setattr(migrations, "upgrade", urls.append)
    monkeypatch.setattr(migrations, "prepare_login", lambda _url: None)
    monkeypatch.setattr(migrations, "current", lambda _url: "0007")
    return urls


def test_the_log_line_names_the_invocation_and_no_password(
    answers: Answers, migrated: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-6b0351d2-589cb293f273b2c18dda3fb1;Parent=53995c3f42cd8ad8;Sampled=1")
    migrations.handler(request(answers, "Create"), SimpleNamespace(aws_request_id="invocation-1"))
    text = capsys.readouterr().out
    line = json.loads(text)
    assert (line["level"], line["message"], line["status"]) == ("INFO", "migrations", "SUCCESS")
    assert line["function_request_id"] == "invocation-1"
    assert line["xray_trace_id"] == "1-6b0351d2-589cb293f273b2c18dda3fb1"
    assert "secret" not in text


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_migrates_and_says_to_which_revision(answers: Answers, migrated: list[str], kind: str) -> None:
    migrations.handler(request(answers, kind), None)
    assert migrated == ["postgresql://u:secret@db:5432/orders"]
    assert answers.bodies == [
        {
            "Status": "SUCCESS",
            "Reason": "",
            "PhysicalResourceId": "order-engine-migrations",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Migrations",
            "Data": {"Revision": "0007"},
        }
    ]
    assert answers.content_types == [""]


def test_deleting_the_stack_leaves_the_data_alone(answers: Answers, migrated: list[str]) -> None:
    migrations.handler(request(answers, "Delete"), None)
    assert migrated == []
    assert answers.bodies[0]["Status"] == "SUCCESS"


def test_a_failure_reaches_cloudformation_with_its_reason(
    answers: Answers, migrated: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_url: str) -> None:
        raise MigrationError("Can't log in to Postgres at db:5432/orders: refused." + "x" * 9000)

    monkeypatch.setattr(migrations, "upgrade", fail)
    migrations.handler(request(answers, "Update"), None)
    assert answers.bodies[0]["Status"] == "FAILED"
    assert answers.bodies[0]["Reason"].startswith("MigrationError: Can't log in to Postgres at db:5432/orders")
    assert len(json.dumps(answers.bodies[0])) < 4096
    logged = json.loads(capsys.readouterr().out)
    assert logged["status"] == "FAILED"
    assert "secret" not in json.dumps(logged)


def test_a_rollback_onto_older_code_succeeds(
    answers: Answers, migrated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def newer(_url: str) -> None:
        raise DatabaseIsNewerError("The database is at revision 0009.")

    monkeypatch.setattr(migrations, "upgrade", newer)
    migrations.handler(request(answers, "Update"), None)
    assert answers.bodies[0]["Status"] == "SUCCESS"
    assert "0009" in answers.bodies[0]["Reason"]


def test_missing_settings_are_answered_too(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DATABASE_"):
            monkeypatch.delenv(name)
    migrations.handler(request(answers, "Create"), None)
    assert answers.bodies[0]["Status"] == "FAILED"
    assert "DATABASE_HOST" in answers.bodies[0]["Reason"]


def test_the_answer_is_tried_again(answers: Answers, migrated: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    answers.refusals = 2
    migrations.handler(request(answers, "Create"), None)
    assert [body["Status"] for body in answers.bodies] == ["SUCCESS"]


def test_an_answer_that_never_arrives_fails_the_call(
    answers: Answers, migrated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    answers.refusals = 99
    with pytest.raises(OSError, match="503"):
        migrations.handler(request(answers, "Create"), None)


def test_where_the_stack_made_the_database_the_functions_roles_are_made_last(
    answers: Answers, migrated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, object]] = []
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("DATABASE_ROLES", "api=60,worker=48")
    monkeypatch.setattr(migrations, "owner_url", lambda: "owner's url")

    def current(url: str) -> str:
        steps.append(("current", url))
        return "0007"

    monkeypatch.setattr(migrations, "current", current)
    monkeypatch.setattr(migrations, "ensure_application_roles", lambda *called: steps.append(called))
    migrations.handler(request(answers, "Create"), None)
    assert answers.bodies[0]["Status"] == "SUCCESS"
    assert migrated == ["owner's url"]
    assert steps == [("current", "owner's url"), ("owner's url", {"api": 60, "worker": 48})]


@pytest.mark.parametrize("roles", ["api", "api=many", "=3", "api=60;worker=4"])
def test_roles_without_a_budget_stop_the_deployment(
    answers: Answers, migrated: list[str], monkeypatch: pytest.MonkeyPatch, roles: str
) -> None:
    monkeypatch.setenv("DATABASE_ROLES", roles)
    migrations.handler(request(answers, "Create"), None)
    assert answers.bodies[0]["Status"] == "FAILED"
    assert "DATABASE_ROLES is" in answers.bodies[0]["Reason"]


def test_it_runs_from_the_root_of_its_own_zip(answers: Answers, tmp_path: Path) -> None:
    """As Lambda loads it: the folder's files at the root, nothing of this project on the path."""
    shutil.copytree(FOLDER, tmp_path / "task", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-c", "import handler, json, sys; handler.handler(json.load(sys.stdin), None)"],
        input=json.dumps(request(answers, "Delete")),
        text=True,
        cwd=tmp_path / "task",
        check=True,
        timeout=60,
        env={"PATH": os.defpath},
    )
    assert answers.bodies[0]["Status"] == "SUCCESS"
