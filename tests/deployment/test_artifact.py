"""The artifact for this platform: every handler in an interpreter that finds nothing but the zip's own files."""

import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

from docs.api.examples import FIELDS
from localstack.local_stack.ports import free_port
from localstack.packaging import lambda_package, wheels
from localstack.packaging.source_zip import Artifact
from localstack.paths import ROOT
from tests.fakes.aws import SCHEDULED
from tests.fakes.http_server import answer, body_of, serving

CALL = Path(__file__).with_name("call_handler.py")
# What is in a zip and comes from no wheel.
OURS = {"app.py", "chalicelib", "handler.py", "migrate.py", "owner.py", "roles.py", "env.py", "versions"}
_LINE = "-----{} PRIVATE KEY-----"
_PLANTED = f"{_LINE.format('BEGIN')}\n{'MC4CAQAwBQYDK2VwBCIEIJ' * 3}\n{_LINE.format('END')}"
WHOLE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{60}")
# In one process: what is built once is used by all.
pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("artifact")]


@dataclass(frozen=True)
class Call:
    """A handler and a minimal event."""

    handler: str
    event: Mapping[str, object]


@dataclass(frozen=True)
class Outcome:
    """What a handler answered, or why it didn't."""

    answer: object
    error: str


def rest(method: str, path: str) -> dict[str, object]:
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": {"host": "localhost"},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
        "requestContext": {"httpMethod": method, "resourcePath": path, "path": path, "requestId": "a-request"},
    }


def websocket(route: str, **more: object) -> dict[str, object]:
    context = {"routeKey": route, "connectionId": "a-connection", "requestId": "a-request", "stage": "live"}
    return {
        "requestContext": {**context, "domainName": "localhost", "apiId": "an-api"},
        "isBase64Encoded": False,
        **more,
    }


@pytest.fixture(scope="module")
def here() -> wheels.Platform:
    return wheels.this_platform()


@pytest.fixture(scope="module")
def functions(here: wheels.Platform) -> Artifact:
    return lambda_package.build(lambda_package.FUNCTIONS, here)


@pytest.fixture(scope="module")
def migrations(here: wheels.Platform) -> Artifact:
    return lambda_package.build(lambda_package.MIGRATIONS, here)


@pytest.fixture
def frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the functions, so that a change of theirs between two builds does not show."""
    copy = tmp_path / "functions"
    shutil.copytree(lambda_package.FUNCTIONS, copy)
    recipe = replace(lambda_package.RECIPES[lambda_package.FUNCTIONS], sources=copy)
    monkeypatch.setattr(lambda_package, "RECIPES", {copy: recipe})
    return copy


def unpack(built: Artifact, folder: Path) -> Path:
    zipfile.ZipFile(io.BytesIO(built.content)).extractall(folder)
    return folder


@pytest.fixture(scope="module")
def installed(functions: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(functions, tmp_path_factory.mktemp("functions"))


@pytest.fixture(scope="module")
def installed_migrations(migrations: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(migrations, tmp_path_factory.mktemp("migrations"))


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """What the template gives, with nobody behind any address."""
    nobody = f"http://127.0.0.1:{free_port()}"
    return {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": nobody,
        "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none",
        "ORDERS_QUEUE_URL": f"{nobody}/000000000000/orders",
        "HEARTBEATS_QUEUE_URL": f"{nobody}/000000000000/heartbeats",
        "TICKS_QUEUE_URL": f"{nobody}/000000000000/ticks",
        "ORDERS_DEAD_LETTER_QUEUE_URL": f"{nobody}/000000000000/orders-dlq",
        "STATUS_EVENTS_QUEUE_URL": f"{nobody}/000000000000/status-events.fifo",
        "CONNECTIONS_TABLE": "connections",
        "WEBSOCKET_MANAGEMENT_URL": f"{nobody}/live",
        "PUBLIC_WEBSOCKET_URL": "ws://localhost/api/orders/execute",
        "CURSOR_SECRET": "a secret",
        "AUTH_MODE": "open",
        "AUTH_JWKS_URL": f"{nobody}/keys",
        "AUTH_JWKS_OVER_HTTP": "true",
        "AUTH_ISSUER": "https://issuer.example",
        "ISSUER_KEYS_QUEUE_URL": f"{nobody}/000000000000/issuer-keys",
        "SIMULATED_DELAY_SCALE": "0",
        "POWERTOOLS_SERVICE_NAME": "order-engine",
        "POWERTOOLS_METRICS_NAMESPACE": "OrderEngine",
    }


def invoke(folder: Path, call: Call, environment: Mapping[str, str]) -> Outcome:
    """Calls a handler of an unpacked artifact; fails where anything came from outside of it."""
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-B", str(CALL), str(folder), call.handler],
        input=json.dumps({"environment": dict(environment), "event": call.event}),
        env={},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    result = json.loads(ended.stdout.splitlines()[-1])
    assert result["outside"] == []
    return Outcome(result.get("answer"), result.get("error", ""))


# What each handler is called with, and what stands in its answer or its error.
CALLS: Mapping[str, tuple[Mapping[str, object], str]] = {
    **{
        f"app.{name}": ({"Records": []}, '{"batchItemFailures": []}')
        for name in ("execute_orders", "push_status", "dead_letter")
    },
    # Queues that hand over one message at a time have no partial batches.
    **{f"app.{name}": ({"Records": []}, "null") for name in ("heartbeat", "watch", "store_keys")},
    "app.app": (rest("GET", "/api/tokens"), '"statusCode": 200'),
    # An issuer that is away is asked again in a minute.
    "app.fetch_keys": ({}, "null"),
    "app.websocket_message": (websocket("$default", body='{"action":"ping"}'), "pong"),
    "app.websocket_connect": (websocket("$connect"), '{"statusCode": 400}'),
    # They have nobody to answer: the error is what Lambda counts and tries again.
    "app.websocket_disconnect": (websocket("$disconnect"), "Unavailable: The connections table cannot be"),
    "app.reconcile": (SCHEDULED, "Unavailable: The database cannot be reached"),
}
HANDLERS = set(re.findall(r"^ +Handler: (\S+)$", (ROOT / "template.yaml").read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("handler", sorted(HANDLERS - {"handler.handler"}))
def test_every_handler_of_the_template_runs(installed: Path, environment: dict[str, str], handler: str) -> None:
    event, said = CALLS[handler]
    outcome = invoke(installed, Call(handler, event), environment)
    assert said in (outcome.error or json.dumps(outcome.answer))


def test_it_signs_iam_tokens_for_the_database(installed: Path, environment: dict[str, str]) -> None:
    """As on AWS, where there is no DATABASE_URL: the token is signed with the zip's own botocore."""
    with_iam = {name: value for name, value in environment.items() if name != "DATABASE_URL"}
    with_iam |= {"DATABASE_HOST": "127.0.0.1", "DATABASE_PORT": str(free_port()), "DATABASE_NAME": "orders"}
    with_iam["DATABASE_USER"] = "order_engine"
    answer = invoke(installed, Call("app.app", rest("GET", "/health")), with_iam).answer
    assert isinstance(answer, dict)
    health = json.loads(answer["body"])
    assert (answer["statusCode"], health["ok"]) == (503, False)
    assert health["checks"]["database"]["error"] == "cannot be reached"


def test_the_migrations_migrate(installed_migrations: Path, environment: dict[str, str], database_url: str) -> None:
    told: list[str] = []

    def hear(request: BaseHTTPRequestHandler) -> None:
        told.append(json.loads(body_of(request))["Status"])
        answer(request)

    with serving(hear) as cloudformation:
        event = {
            "RequestType": "Create",
            "ResponseURL": f"{cloudformation}/",
            "StackId": "a-stack",
            "RequestId": "a-request",
            "LogicalResourceId": "Migrations",
        }
        for url in (database_url, environment["DATABASE_URL"]):
            outcome = invoke(installed_migrations, Call("handler.handler", event), environment | {"DATABASE_URL": url})
            assert outcome == Outcome(None, "")
    assert told == ["SUCCESS", "FAILED"]


def test_the_zips_are_small_enough_and_hold_no_strangers(functions: Artifact, migrations: Artifact) -> None:
    assert len(functions.content) <= lambda_package.MAX_BYTES
    assert len(migrations.content) <= lambda_package.MAX_BYTES
    names = zipfile.ZipFile(io.BytesIO(functions.content)).namelist()
    assert {"app.py", "chalicelib/bootstrap.py", "chalice/app.py", "chalice/__init__.py"} <= set(names)
    assert [name for name in names if name.startswith("chalice/")] == ["chalice/__init__.py", "chalice/app.py"]
    services = {name.split("/")[2] for name in names if name.startswith("botocore/data/") and name.count("/") > 2}
    assert services == lambda_package.AWS_SERVICES
    assert not [name for name in names if name.endswith(".pyc") or "/tests/" in name or name.startswith(".")]


def secrets_in(paths: Iterable[Path]) -> list[str]:
    """What the scanner of `./dev check` finds, as it is set up there, besides the docs' example of a ticket."""
    baseline = json.loads((ROOT / ".secrets.baseline").read_text())
    found = SecretsCollection()
    with transient_settings({name: baseline[name] for name in ("plugins_used", "filters_used")}):
        for path in paths:
            found.scan_file(str(path))
    example = str(FIELDS["ticket"])
    return [f"{path}: {secret.type}" for path, secret in found if str(secret.secret_value) not in example]


def test_the_zips_hold_no_secret(installed: Path, installed_migrations: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(f'KEY = """{_PLANTED}"""\n')
    assert secrets_in([planted])
    for folder in (installed, installed_migrations):
        files = [path for path in folder.rglob("*") if path.is_file()]
        # Libraries name the first line of a key, and come by their hashes: there only whole keys are looked for.
        ours = [path for path in files if path.relative_to(folder).parts[0] in OURS]
        assert len(ours) > 3
        assert secrets_in(ours) == []
        assert [path for path in files if WHOLE_KEY.search(path.read_bytes())] == []
    assert WHOLE_KEY.search(_PLANTED.encode())


def test_the_same_commit_gives_the_same_bytes(
    frozen: Path, here: wheels.Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every library fetched anew."""
    first = lambda_package.build(frozen, here)

    def anew(lock: Path, target: wheels.Platform, report: wheels.Report) -> list[Path]:
        return wheels.fetch(lock, target, report, cache=tmp_path / "another cache")

    monkeypatch.setattr(lambda_package, "fetch", anew)
    assert lambda_package.build(frozen, here) == first
    assert list((tmp_path / "another cache").rglob("*.whl"))


def test_bytecode_is_the_same_each_time_and_is_used(
    functions: Artifact, here: wheels.Platform, environment: dict[str, str], tmp_path: Path, frozen: Path
) -> None:
    compiled = lambda_package.build(frozen, here, compiler=Path(sys.executable))
    assert lambda_package.build(frozen, here, compiler=Path(sys.executable)) == compiled
    assert compiled.digest != functions.digest
    assert len(compiled.content) <= lambda_package.MAX_BYTES
    folder = unpack(compiled, tmp_path / "unpacked")
    (folder / "app.py").write_text("raise RuntimeError('compiled again')\n")
    assert invoke(folder, Call("app.push_status", {"Records": []}), environment).error == ""


@pytest.mark.parametrize("architecture", wheels.ARCHITECTURES)
def test_the_templates_own_runtime_on_both_processors(architecture: str) -> None:
    target = wheels.lambda_platform("python3.13", architecture)
    machine = {"arm64": b"\xb7\x00", "x86_64": b"\x3e\x00"}[architecture]
    for folder in lambda_package.RECIPES:
        archive = zipfile.ZipFile(io.BytesIO(lambda_package.build(folder, target).content))
        libraries = [name for name in archive.namelist() if ".so" in Path(name).suffixes]
        # What ELF says it is for, so that no wheel for this machine slipped in.
        assert {archive.read(name)[18:20] for name in libraries} == {machine}
        assert any("cpython-313-" in name for name in libraries)
        assert not [name for name in libraries if "cpython-3" in name and "cpython-313-" not in name]
