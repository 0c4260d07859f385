"""Clients as strangers get them: our own by `pip install`, those that generators make of the specification, and one
that tries whatever it allows or forbids."""

import json
import os
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from localstack.deployment import tools
from localstack.environment import pip_environment
from localstack.local_stack.stack_for_tests import Stack, boot
from localstack.paths import ROOT
from tests.fakes.programs import ended

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("clients")]
ORDER = {
    "inputToken": "SOL",
    "outputToken": "USDC",
    "side": "sell",
    "amount": "1.5",
    "userId": "generated",
    "walletAddress": "wallet_12345",
}
WITH_GENERATED_CLIENT = """
import json, sys, time
from client import Client, models
from client.api.orders import get_order, place_order

kind = getattr(models, "MarketOrder", None) or models.OrderBody
with Client(base_url=sys.argv[1]) as client:
    wanted = kind.from_dict(json.loads(sys.argv[2]))
    placed = place_order.sync(client=client, body=wanted, idempotency_key="generated-1")
    assert place_order.sync(client=client, body=wanted, idempotency_key="generated-1").order_id == placed.order_id
    for _ in range(300):
        order = get_order.sync(placed.order_id, client=client)
        if order.status in ("confirmed", "failed"):
            break
        time.sleep(0.1)
    print(order.status, order.executed_output.token)
"""
WITH_GENERATED_MODELS = """
import json, sys, httpx, models

kind = getattr(models, "MarketOrder", None) or models.OrderBody
wanted = kind.model_validate(json.loads(sys.argv[2]))
answer = httpx.post(
    f"{sys.argv[1]}/api/orders/execute", content=wanted.model_dump_json(exclude_unset=True),
    headers={"Content-Type": "application/json"},
)
placed = models.Placed.model_validate_json(answer.text)
order = models.Order.model_validate_json(httpx.get(f"{sys.argv[1]}/api/orders/{placed.orderId}").text)
print(order.userId, order.amount)
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with boot(tmp_path_factory.mktemp("stack"), parameters={"SimulatedDelayScale": "0.05"}) as running:
        yield running


@pytest.fixture(scope="module")
def generators() -> Path:
    """The folder of the commands."""
    return tools.ensure("openapi-python-client", print).parent


def ran(folder: Path, *command: str | Path, **environment: str) -> str:
    # httpx can't read [::1] there.
    settings = {**tools.environment(), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **environment}
    done = ended(*command, cwd=folder, env=settings, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def specification(stack: Stack, tmp_path: Path) -> Path:
    """The document as the service serves it."""
    path = tmp_path / "openapi.json"
    with urllib.request.urlopen(f"{stack.base_url}/openapi.json", timeout=60) as answer:
        path.write_bytes(answer.read())
    return path


def test_openapi_python_client_makes_a_client_that_places_an_order(
    stack: Stack, generators: Path, specification: Path
) -> None:
    folder = specification.parent
    made = (*tools.command(generators / "openapi-python-client"), "generate", "--path", specification.name)
    # Its own formatter is called by name.
    path = f"{generators}{os.pathsep}{os.environ['PATH']}"
    said = ran(folder, *made, "--meta", "none", "--output-path", "client", "--fail-on-warning", PATH=path)
    assert "Warning" not in said
    shown = ran(folder, generators / "python", "-c", WITH_GENERATED_CLIENT, stack.base_url, json.dumps(ORDER))
    assert shown == "confirmed USDC\n"


def test_datamodel_code_generator_makes_models_that_place_an_order(
    stack: Stack, generators: Path, specification: Path
) -> None:
    folder = specification.parent
    ran(
        folder,
        *(*tools.command(generators / "datamodel-codegen"), "--input", specification.name, "--output", "models.py"),
        *("--input-file-type", "openapi", "--output-model-type", "pydantic_v2.BaseModel"),
        *("--formatters", "builtin", "--target-python-version", "3.11"),
    )
    shown = ran(folder, generators / "python", "-c", WITH_GENERATED_MODELS, stack.base_url, json.dumps(ORDER))
    assert shown == "generated 1.5\n"


def test_pip_installs_the_client_and_nothing_of_the_service(stack: Stack, tmp_path: Path) -> None:
    environment = tmp_path / "of a stranger"
    ended(sys.executable, "-I", "-m", "venv", "--without-pip", environment, check=True, timeout=120)
    pip = (sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--python", environment)
    settings = pip_environment(os.environ, sys.executable)
    ended(*pip, "install", "-q", ROOT, check=True, timeout=600, env=settings)
    listed = ended(*pip, "list", "--format", "json", check=True, env=settings).stdout
    names = {each["name"].lower() for each in json.loads(listed)}
    assert names >= {"order-engine", "aiohttp", "msgspec", "textual", "typer"}
    assert not names & {"boto3", "chalice", "psycopg", "ministack", "alembic", "pytest"}
    program = tools.command(environment / "bin" / "order-engine")
    shown = ran(tmp_path, *program, "order", "--amount", "2", ORDER_ENGINE_URL=stack.base_url)
    assert shown.startswith("Sell 2 SOL → USDC  ord_")
    assert "confirmed in" in shown
    typed = "from order_engine import Client; reveal_type(Client('http://a').get)"
    (tmp_path / "strict.py").write_text(typed)
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", environment / "bin" / "python")
    assert "order_id: str" in ran(tmp_path, *mypy, "strict.py")


CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "allow_header_conformance",
    "ensure_resource_availability",
)  # fmt: skip
EXAMPLES = 15
SCHEMATHESIS_SECONDS = 300


def test_whatever_the_document_allows_or_forbids(stack: Stack, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{stack.base_url}/openapi.json"),
        *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing,stateful"),
        *("--max-examples", str(EXAMPLES), "--generation-deterministic", "--continue-on-failure"),
        *("--workers", "1", "--request-timeout", "30", "--warnings", "off", "--no-color"),
        *("--report", "json,ndjson", "--report-dir", str(tmp_path)),
        *("--report-json-path", str(tmp_path / "run.json"), "--report-ndjson-path", str(tmp_path / "run.ndjson")),
    ]
    done = ended(*command, timeout=SCHEMATHESIS_SECONDS, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert json.loads((tmp_path / "run.json").read_text())["test_cases"]["generated"] > 300
    statuses = set(re.findall(r'"status_code":\s*(\d{3})', (tmp_path / "run.ndjson").read_text()))
    assert statuses >= {"200", "202", "400", "404", "415", "426"}
