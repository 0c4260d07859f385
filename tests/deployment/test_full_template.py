"""The template as for AWS, with its own VPC and database, on the emulator: deployed, updated, failed and deleted.

MiniStack provisions network and RDS as records. The database behind the RDS address is a real Postgres here: libpq is
told where it is, so that the migrations run through the custom resource as they would on AWS. (No TLS, though: this
Postgres has none. And no IAM: nothing here checks tokens.)
"""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import scalar_row

from localstack.deployment import deploying
from localstack.deployment.aws_clients import Clients
from localstack.errors import UserError
from localstack.local_stack import cloudformation, emulator, postgres
from localstack.local_stack.processes import Reaper
from localstack.packaging import source_zip

# In one process: what is set up once is used by all.
pytestmark = pytest.mark.xdist_group("full template")
ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "infra" / "migrations"
NAME = "full"
REGION = "us-east-1"
REVISION = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "{name}", "{after}", None, None


def upgrade() -> None:
    op.execute("{statement}")
"""

Inventory = dict[str, list[str]]


@dataclass(frozen=True)
class World:
    """An emulator, a Postgres, and how the template is deployed to them."""

    database_url: str
    clients: Clients
    deployment: cloudformation.Deployment

    def client(self, service: str) -> Any:
        return self.clients.other(service)

    def deploy(
        self, package: Callable[[Path], source_zip.Artifact] = source_zip.build, **parameters: str
    ) -> cloudformation.Outputs:
        digest = {"MigrationsDigest": package(MIGRATIONS).digest}
        changed = replace(
            self.deployment, package=package, parameters={**self.deployment.parameters, **digest, **parameters}
        )
        return cloudformation.deploy(self.clients, changed)

    def query(self, statement: str) -> list[Any]:
        with psycopg.connect(self.database_url, row_factory=scalar_row) as connection:
            return connection.execute(statement).fetchall()

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.database_url) as connection:
            connection.execute(statement)

    def inventory(self) -> Inventory:
        """Everything that the stack could leave behind, by kind."""
        ec2, rds, iam, gateway = (self.client(name) for name in ("ec2", "rds", "iam", "apigateway"))
        cloudwatch = self.client("cloudwatch")
        found = {
            "functions": (self.client("lambda").list_functions()["Functions"], "FunctionName"),
            "mappings": (self.client("lambda").list_event_source_mappings()["EventSourceMappings"], "UUID"),
            "tables": ([{"name": name} for name in self.client("dynamodb").list_tables()["TableNames"]], "name"),
            "queues": ([{"url": url} for url in self.client("sqs").list_queues().get("QueueUrls", [])], "url"),
            "rest": (gateway.get_rest_apis()["items"], "id"),
            "websocket": (self.client("apigatewayv2").get_apis()["Items"], "ApiId"),
            "roles": (iam.list_roles()["Roles"], "RoleName"),
            "policies": (iam.list_policies(Scope="Local")["Policies"], "PolicyName"),
            "log groups": (self.client("logs").describe_log_groups()["logGroups"], "logGroupName"),
            "rules": (self.client("events").list_rules()["Rules"], "Name"),
            "secrets": (self.client("secretsmanager").list_secrets()["SecretList"], "Name"),
            "alarms": (cloudwatch.describe_alarms()["MetricAlarms"], "AlarmName"),
            "dashboards": (cloudwatch.list_dashboards()["DashboardEntries"], "DashboardName"),
            "topics": (self.client("sns").list_topics()["Topics"], "TopicArn"),
            "vpcs": (ec2.describe_vpcs()["Vpcs"], "VpcId"),
            "subnets": (ec2.describe_subnets()["Subnets"], "SubnetId"),
            "route tables": (ec2.describe_route_tables()["RouteTables"], "RouteTableId"),
            "security groups": (ec2.describe_security_groups()["SecurityGroups"], "GroupId"),
            "endpoints": (ec2.describe_vpc_endpoints()["VpcEndpoints"], "VpcEndpointId"),
            "databases": (rds.describe_db_instances()["DBInstances"], "DBInstanceIdentifier"),
            "database subnets": (rds.describe_db_subnet_groups()["DBSubnetGroups"], "DBSubnetGroupName"),
            "database settings": (rds.describe_db_parameter_groups()["DBParameterGroups"], "DBParameterGroupName"),
        }
        return {kind: sorted(item[key] for item in items) for kind, (items, key) in found.items()}


def _as_rds_is(running: postgres.Postgres, home: Path) -> None:
    """The roles and the database that RDS starts with; the owner's password is only known to the stack."""
    rules = home / "data" / "pg_hba.conf"
    rules.write_text(f"host orders order_owner 127.0.0.1/32 trust\n{rules.read_text()}")
    with psycopg.connect(running.url, autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE ROLE rds_iam")
        connection.execute("CREATE ROLE order_owner LOGIN CREATEROLE")
        connection.execute("GRANT rds_iam TO order_owner WITH ADMIN OPTION")
        connection.execute("CREATE DATABASE orders OWNER order_owner")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("postgres")
    with Reaper() as reaper:
        database = postgres.run(home, home / "log", reaper, durable=False)
        _as_rds_is(database, home)
        running = emulator.run(
            tmp_path_factory.mktemp("emulator") / "log", reaper, environment={"PGHOSTADDR": "127.0.0.1"}
        )
        clients = Clients(running.target(REGION))
        clients.s3.create_bucket(Bucket="artifacts")
        deployment = cloudformation.Deployment(
            name=NAME,
            path=ROOT / "template.yaml",
            bucket="artifacts",
            parameters={
                "GatewayBaseUrl": f"{running.endpoint_url}/_aws/execute-api",
                "PythonRuntime": f"python3.{sys.version_info.minor}",
                "Architecture": "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
                "DatabasePort": str(database.port),
                "DatabaseTls": "prefer",
                "Monitoring": "true",
                "DatabaseDeletionProtection": "false",
                "AlarmEmail": "someone@example.com",
            },
        )
        orders = database.url.rsplit("/", 1)[0] + "/orders"
        yield World(orders, clients, deployment)
        running.stop()
        database.stop()


@pytest.fixture(scope="module")
def before(world: World) -> Inventory:
    """What an emulator has before anything is deployed."""
    return world.inventory()


@pytest.fixture(scope="module")
def outputs(world: World, before: Inventory) -> cloudformation.Outputs:
    return world.deploy()


def with_revision(folder: Path, name: str, after: str, statement: str) -> Callable[[Path], source_zip.Artifact]:
    """Packages the migrations with one more revision."""

    def package(source: Path) -> source_zip.Artifact:
        if source != MIGRATIONS:
            return source_zip.build(source)
        changed = folder / name
        shutil.copytree(source, changed, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        (changed / "versions" / f"{name}.py").write_text(REVISION.format(name=name, after=after, statement=statement))
        return source_zip.build(changed)

    return package


def test_the_migrations_ran_and_the_functions_role_may_log_in_by_iam(
    world: World, outputs: cloudformation.Outputs
) -> None:
    assert world.query("SELECT count(*) FROM orders") == [0]
    for role in ("order_engine", "order_engine_api"):
        assert world.query(f"SELECT pg_has_role('{role}', 'rds_iam', 'member')") == [True]
    assert world.query("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'") == ["order_owner"]


def test_an_update_changes_what_it_should_and_replaces_nothing(world: World, outputs: cloudformation.Outputs) -> None:
    def left() -> Inventory:
        return {name: items for name, items in world.inventory().items() if name != "mappings"}

    kept = left()
    changed = world.deploy(WorkerConcurrency="20", ApiConnections="30", DatabaseBackupDays="14", DatabaseMultiAz="true")
    assert (changed.values, left()) == (outputs.values, kept)
    (database,) = world.client("rds").describe_db_instances()["DBInstances"]
    assert (database["BackupRetentionPeriod"], database["MultiAZ"]) == (14, True)
    mappings = world.clients.functions.list_event_source_mappings(FunctionName=outputs.function_names["ExecuteOrders"])
    assert [mapping["ScalingConfig"] for mapping in mappings["EventSourceMappings"]] == [{"MaximumConcurrency": 20}]
    budgets = "SELECT rolname || '=' || rolconnlimit FROM pg_roles WHERE rolname LIKE 'order_engine%' ORDER BY rolname"
    assert world.query(budgets) == ["order_engine=92", "order_engine_api=30"]


def test_a_new_revision_is_applied_by_the_next_deployment(
    world: World, outputs: cloudformation.Outputs, tmp_path: Path
) -> None:
    (revision,) = world.query("SELECT version_num FROM alembic_version")
    world.deploy(with_revision(tmp_path, "test1", revision, "CREATE TABLE added (i int)"))
    assert world.query("SELECT version_num FROM alembic_version") == ["test1"]
    assert world.query("SELECT has_table_privilege('order_engine', 'added', 'INSERT')") == [True]
    # Deployed without it again, as a roll-back does: the database is ahead, and that is no failure.
    world.deploy()
    assert world.query("SELECT version_num FROM alembic_version") == ["test1"]
    world.execute("DROP TABLE added")
    world.execute(f"UPDATE alembic_version SET version_num = '{revision}'")


def test_a_failing_revision_stops_the_deployment_and_says_why(
    world: World, outputs: cloudformation.Outputs, tmp_path: Path
) -> None:
    (revision,) = world.query("SELECT version_num FROM alembic_version")
    with pytest.raises(UserError, match=r"Migrations.*no_such_table") as failure:
        world.deploy(with_revision(tmp_path, "test2", revision, "INSERT INTO no_such_table VALUES (1)"))
    assert "UPDATE_ROLLBACK_COMPLETE" in str(failure.value)
    assert world.query("SELECT version_num FROM alembic_version") == [revision]


def test_the_database_of_a_stack_that_never_came_up_is_let_go_of(world: World, outputs: cloudformation.Outputs) -> None:
    """MiniStack deletes a protected database in a rollback; on AWS that ends as ROLLBACK_FAILED, before a deletion."""
    # What failed before is no obstacle, either.
    assert world.deploy(DatabaseDeletionProtection="true").values == outputs.values
    (database,) = world.client("rds").describe_db_instances()["DBInstances"]
    assert database["DeletionProtection"]
    deploying.unprotect(world.clients, NAME)
    (database,) = world.client("rds").describe_db_instances()["DBInstances"]
    assert not database["DeletionProtection"]


def test_deleting_leaves_nothing_but_the_data(world: World, outputs: cloudformation.Outputs, before: Inventory) -> None:
    # MiniStack takes no last snapshot of a nested stack's database: the unit tests read that from the template.
    world.clients.cloudformation.delete_stack(StackName=NAME)
    world.clients.cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    assert world.inventory() == before
    assert world.query("SELECT count(*) FROM orders") == [0]
