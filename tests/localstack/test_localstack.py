"""The template, unedited, on a real LocalStack: from the first deployment to the last resource that is gone.

Each test stands where the ones before it left the stack.
"""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from localstack.deployment.aws_clients import Clients
from localstack.deployment.aws_target import Target
from localstack.local_stack import cloudformation
from localstack.local_stack.processes import wait_until
from localstack.packaging import interpreters
from localstack.paths import ROOT
from order_engine import OVER
from tests.localstack.server import MISSING, PYTHON, Server

pytestmark = [
    # Not skipif: pytest says this one in one line for all tests.
    *([] if interpreters.find(PYTHON) else [pytest.mark.skip(reason=MISSING)]),
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("localstack"),
]
NAME = "engine"
ORDER = {
    "userId": "somebody",
    "walletAddress": "wallet_of_somebody",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": "1.5",
    "side": "sell",
}
_COMMAND_SECONDS = 900
_ORDER_SECONDS = 120


@pytest.fixture(scope="module")
def clients(localstack: Server) -> Iterator[Clients]:
    made = Clients(Target("LocalStack", endpoint_url=localstack.endpoint_url))
    yield made
    made.close()


@pytest.fixture(scope="module")
def dev(localstack: Server) -> Callable[..., str]:
    """`./dev COMMAND --target localstack`, as a person types it; what it printed."""

    def run(command: str, *arguments: str) -> str:
        ended = subprocess.run(
            [ROOT / "dev", command, "--target", "localstack", "--stack-name", NAME, *arguments],
            env={"PATH": "/usr/bin:/bin", "HOME": str(localstack.folder), "LOCALSTACK_HOST": localstack.host},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout[-6000:]
        return ended.stdout

    return run


@dataclass(frozen=True)
class Answer:
    """What the REST API answered."""

    status: int
    kind: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Api:
    """The deployed REST API."""

    url: str

    def call(self, method: str, path: str, body: object = None) -> Answer:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers.get_content_type(), json.load(answer))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers.get_content_type(), json.load(error))

    def order_to_its_end(self) -> list[str]:
        """The statuses of an order that is placed now, until it has ended."""
        placed = self.call("POST", "/api/orders/execute", ORDER)
        assert placed.status == 202, placed
        deadline = time.monotonic() + _ORDER_SECONDS
        statuses: list[str] = []
        while not OVER & set(statuses):
            assert time.monotonic() < deadline, statuses
            time.sleep(0.5)
            answer = self.call("GET", f"/api/orders/{placed.body['orderId']}/events")
            statuses = [event["status"] for event in answer.body["events"]]
        return statuses


@pytest.fixture(scope="module")
def api(dev: Callable[..., str], clients: Clients, database_url: str) -> Api:
    """The first deployment, once it is ready: the first probes wake LocalStack's own services and may take too long."""
    dev("deploy", "--parameter", f"DatabaseUrl={database_url}", "--parameter", "SimulatedDelayScale=0.1")
    deployed = Api(cloudformation.outputs(clients, NAME).rest_url)
    assert wait_until(lambda: deployed.call("GET", "/health").status == 200, 120, 1), deployed.call("GET", "/health")
    return deployed


def test_the_migrations_ran_before_the_functions_came(api: Api, clients: Clients, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)
    resource = clients.cloudformation.describe_stack_resource(StackName=NAME, LogicalResourceId="Migrations")
    # The id that the function answered, not one that LocalStack made up.
    assert resource["StackResourceDetail"]["PhysicalResourceId"] == "order-engine-migrations"


def test_an_order_is_executed_to_its_end(api: Api) -> None:
    assert api.order_to_its_end() == ["pending", "routing", "building", "submitted", "confirmed"]


def test_statuses_are_pushed(api: Api, clients: Clients, localstack: Server, database_url: str) -> None:
    """Over the FIFO queue to the function that would post them: nobody can follow, for there are no WebSocket APIs."""
    queue = cloudformation.outputs(clients, NAME)["StatusEventsQueueUrl"]
    # Nobody else marks it: what nobody follows is told to nobody.
    with psycopg.connect(database_url) as connection:
        connection.execute(
            """
            CREATE FUNCTION mark_as_followed() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.followed_until := clock_timestamp() + interval '1 hour'; RETURN NEW; END $$;
            CREATE TRIGGER mark_as_followed BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION mark_as_followed();
            """
        )
    api.order_to_its_end()
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP FUNCTION mark_as_followed() CASCADE")

    assert wait_until(lambda: not clients.count_messages(queue), 60, 0.5)
    assert "invocation" in localstack.function_log("PushStatusFunction")


def test_an_unknown_path_is_our_problem(api: Api) -> None:
    for method, path in (("GET", "/nothing"), ("GET", "/nothing/here"), ("DELETE", "/api/orders")):
        answer = api.call(method, path)
        assert (answer.status, answer.kind, answer.body["code"]) == (404, "application/problem+json", "not_found")


def test_an_update_changes_what_is_named_and_keeps_the_rest(
    api: Api, dev: Callable[..., str], clients: Clients, localstack: Server
) -> None:
    assert "* Modify" in dev("deploy", "--parameter", "LogLevel=DEBUG")
    function = cloudformation.outputs(clients, NAME).function_names["ExecuteOrders"]
    settings = clients.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    assert settings["LOG_LEVEL"] == "DEBUG"
    assert settings["SIMULATED_DELAY_SCALE"] == "0.1"
    assert api.order_to_its_end()[-1] == "confirmed"
    # They are the same migrations.
    assert migrations(localstack) == [("Create", "SUCCESS")]


def test_other_migrations_run_at_an_update(api: Api, clients: Clients, localstack: Server) -> None:
    deployed = clients.cloudformation.describe_stacks(StackName=NAME)["Stacks"][0]["Parameters"]
    template: Any = clients.cloudformation.get_template(StackName=NAME, TemplateStage="Original")["TemplateBody"]
    kept = [item["ParameterKey"] for item in deployed if item["ParameterKey"] != "MigrationsDigest"]
    clients.cloudformation.update_stack(
        StackName=NAME,
        # LocalStack does not take UsePreviousTemplate.
        TemplateBody=template if isinstance(template, str) else json.dumps(template),
        Parameters=[
            {"ParameterKey": "MigrationsDigest", "ParameterValue": "00"},
            *[{"ParameterKey": name, "UsePreviousValue": True} for name in kept],  # type: ignore[list-item]
        ],
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    clients.cloudformation.get_waiter("stack_update_complete").wait(
        StackName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 180}
    )
    assert migrations(localstack) == [("Create", "SUCCESS"), ("Update", "SUCCESS")]


def migrations(localstack: Server) -> list[tuple[str, str]]:
    """What CloudFormation asked of the migrations so far, and how it ended."""
    lines = localstack.function_log("MigrateFunction").splitlines()
    logged = [json.loads(line) for line in lines if '"message": "migrations"' in line]
    return [(entry["request"], entry["status"]) for entry in logged]


def test_nothing_is_left_of_a_destroyed_stack(api: Api, dev: Callable[..., str], clients: Clients) -> None:
    assert set(left(clients)) >= {"functions", "queues", "tables", "roles", "log groups", "buckets", "stacks"}
    assert f"The stack {NAME} is deleted." in dev("destroy", "--yes")
    assert left(clients) == {}


def test_localstacks_own_modules_are_found_from_this_folder(localstack: Server) -> None:
    """Both are named `localstack`, and ours comes first here."""
    program = """
import importlib.util, pkgutil, sys
import localstack.paths, localstack.runtime.main
theirs = [path for path in localstack.__path__ if path.startswith(sys.prefix)]
names = [found.name for found in pkgutil.iter_modules(theirs)]
assert len(names) > 5
for name in names:
    origin = importlib.util.find_spec(f"localstack.{name}").origin
    assert origin.startswith(sys.prefix), origin
print(localstack.__path__[0])
"""
    said = subprocess.run(
        [localstack.python, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "HOME": str(localstack.folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert said.stdout.strip() == str(ROOT / "localstack"), said.stderr


def left(clients: Clients) -> dict[str, list[str]]:
    """What there is in the account, by kind."""
    cloudformation, iam, events = (clients.other(name) for name in ("cloudformation", "iam", "events"))
    found = {
        "stacks": [
            item["StackName"]
            for item in cloudformation.list_stacks()["StackSummaries"]
            if item["StackStatus"] != "DELETE_COMPLETE"
        ],
        "functions": [item["FunctionName"] for item in clients.functions.list_functions()["Functions"]],
        "mappings": [item["UUID"] for item in clients.functions.list_event_source_mappings()["EventSourceMappings"]],
        "queues": clients.sqs.list_queues().get("QueueUrls", []),
        "tables": clients.other("dynamodb").list_tables()["TableNames"],
        "roles": [item["RoleName"] for item in iam.list_roles()["Roles"]],
        "policies": [item["PolicyName"] for item in iam.list_policies(Scope="Local")["Policies"]],
        "log groups": [item["logGroupName"] for item in clients.logs.describe_log_groups()["logGroups"]],
        "buckets": [item["Name"] for item in clients.s3.list_buckets()["Buckets"]],
        "APIs": [item["id"] for item in clients.other("apigateway").get_rest_apis()["items"]],
        "rules": [item["Name"] for item in events.list_rules()["Rules"]],
        "alarms": [item["AlarmName"] for item in clients.other("cloudwatch").describe_alarms()["MetricAlarms"]],
        "secrets": [item["Name"] for item in clients.other("secretsmanager").list_secrets()["SecretList"]],
    }
    return {kind: names for kind, names in found.items() if names}
