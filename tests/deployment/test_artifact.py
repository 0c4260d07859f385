"""The artifact for this platform: every handler in an interpreter that finds nothing but the zip's own files."""

import io
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
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
from tests.fakes import first_call
from tests.fakes.aws import SCHEDULED, websocket_event
from tests.fakes.first_call import Aws, request
from tests.fakes.http_server import answer, body_of, serving
from tests.fakes.programs import ended

CALL = Path(__file__).with_name("call_handler.py")
# What is in a zip and comes from no wheel.
OURS = {"app.py", "chalicelib", "handler.py", "migrate.py", "owner.py", "roles.py", "env.py", "versions"}
_LINE = "-----{} PRIVATE KEY-----"
_PLANTED = f"{_LINE.format('BEGIN')}\n{'MC4CAQAwBQYDK2VwBCIEIJ' * 3}\n{_LINE.format('END')}"
WHOLE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{60}")
# In one process: what is built once is used by all.
pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("artifact")]


@dataclass(frozen=True)
class Outcome:
    """What a handler answered, or why it didn't."""

    answer: object
    error: str


@pytest.fixture(scope="module")
def here() -> wheels.Platform:
    return wheels.this_platform()


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the functions, so that a change of theirs between two builds does not show."""
    copy = tmp_path_factory.mktemp("frozen") / "functions"
    shutil.copytree(lambda_package.FUNCTIONS, copy)
    recipe = replace(lambda_package.RECIPES[lambda_package.FUNCTIONS], sources=copy)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lambda_package, "RECIPES", {**lambda_package.RECIPES, copy: recipe})
        yield copy


@pytest.fixture(scope="module")
def functions(frozen: Path, here: wheels.Platform) -> Artifact:
    return lambda_package.build(frozen, here)


@pytest.fixture(scope="module")
def migrations(here: wheels.Platform) -> Artifact:
    return lambda_package.build(lambda_package.MIGRATIONS, here)


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
    nobody = Aws(f"http://127.0.0.1:{free_port()}")
    return first_call.environment(nobody, f"postgresql://nobody@127.0.0.1:{free_port()}/none")


def invoke(folder: Path, handler: str, event: Mapping[str, object], environment: Mapping[str, str]) -> Outcome:
    """Calls a handler of an unpacked artifact; fails where anything came from outside of it."""
    given = json.dumps({"environment": dict(environment), "event": event})
    done = ended(sys.executable, "-I", "-S", CALL, folder, handler, input=given, env={}, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
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
    "app.app": (request("GET", "/api/tokens"), '"statusCode": 200'),
    # An issuer that is away is asked again in a minute.
    "app.fetch_keys": ({}, "null"),
    "app.websocket_message": (websocket_event("$default", body='{"action":"ping"}'), "pong"),
    "app.websocket_connect": (websocket_event("$connect"), '{"statusCode": 400}'),
    # They have nobody to answer: the error is what Lambda counts and tries again.
    "app.websocket_disconnect": (websocket_event("$disconnect"), "Unavailable: The connections table cannot be"),
    "app.reconcile": (SCHEDULED, "Unavailable: The database cannot be reached"),
}
HANDLERS = set(re.findall(r"^ +Handler: (\S+)$", (ROOT / "template.yaml").read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("handler", sorted(HANDLERS - {"handler.handler"}))
def test_every_handler_of_the_template_runs(installed: Path, environment: dict[str, str], handler: str) -> None:
    event, said = CALLS[handler]
    outcome = invoke(installed, handler, event, environment)
    assert said in (outcome.error or json.dumps(outcome.answer))


def test_it_signs_iam_tokens_for_the_database(installed: Path, environment: dict[str, str]) -> None:
    """As on AWS, where there is no DATABASE_URL: the token is signed with the zip's own botocore."""
    with_iam = {name: value for name, value in environment.items() if name != "DATABASE_URL"}
    with_iam |= {"DATABASE_HOST": "127.0.0.1", "DATABASE_PORT": str(free_port()), "DATABASE_NAME": "orders"}
    with_iam["DATABASE_USER"] = "order_engine"
    answer = invoke(installed, "app.app", request("GET", "/health"), with_iam).answer
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
            outcome = invoke(installed_migrations, "handler.handler", event, environment | {"DATABASE_URL": url})
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
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        # Libraries name the first line of a key, and come by their hashes: there only whole keys are looked for.
        ours = [path for path in files if path.relative_to(folder).parts[0] in OURS]
        assert len(ours) > 3
        assert secrets_in(ours) == []
        assert [path for path in files if WHOLE_KEY.search(path.read_bytes())] == []
    assert WHOLE_KEY.search(_PLANTED.encode())


def test_the_same_commit_gives_the_same_bytes_and_its_bytecode_is_used(
    frozen: Path,
    functions: Artifact,
    here: wheels.Platform,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second time with every library fetched anew."""
    compiled = lambda_package.build(frozen, here, compiler=Path(sys.executable))

    def anew(lock: Path, target: wheels.Platform, report: wheels.Report) -> list[Path]:
        return wheels.fetch(lock, target, report, cache=tmp_path / "another cache")

    monkeypatch.setattr(lambda_package, "fetch", anew)
    assert lambda_package.build(frozen, here, compiler=Path(sys.executable)) == compiled
    assert list((tmp_path / "another cache").rglob("*.whl"))
    assert compiled.digest != functions.digest
    assert len(compiled.content) <= lambda_package.MAX_BYTES
    folder = unpack(compiled, tmp_path / "unpacked")
    (folder / "app.py").write_text("raise RuntimeError('compiled again')\n")
    assert invoke(folder, "app.push_status", {"Records": []}, environment).error == ""


@pytest.mark.parametrize("architecture", wheels.ARCHITECTURES)
def test_the_templates_own_runtime_on_both_processors(architecture: str) -> None:
    target = wheels.lambda_platform("python3.13", architecture)
    machine = {"arm64": b"\xb7\x00", "x86_64": b"\x3e\x00"}[architecture]
    for folder in (lambda_package.FUNCTIONS, lambda_package.MIGRATIONS):
        archive = zipfile.ZipFile(io.BytesIO(lambda_package.build(folder, target).content))
        libraries = [name for name in archive.namelist() if ".so" in Path(name).suffixes]
        # What ELF says it is for, so that no wheel for this machine slipped in.
        assert {archive.read(name)[18:20] for name in libraries} == {machine}
        assert any("cpython-313-" in name for name in libraries)
        assert not [name for name in libraries if "cpython-3" in name and "cpython-313-" not in name]
