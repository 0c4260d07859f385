"""The nested templates: what the parent gives them, and what an AWS reviewer looks for."""

import json
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import pytest
import yaml

from chalicelib.adapters.telemetry import UNITS
from tests.fakes.telemetry import METRICS
from tests.unit.infra.sam import ROOT, Stack, source

NESTED = {"Network": "network", "Database": "database", "Watch": "monitoring"}
FILES = ["template.yaml", *(f"infra/{name}.yaml" for name in NESTED.values())]


@pytest.mark.parametrize("file", FILES)
def test_parameters_explain_themselves_and_stand_in_groups(file: str) -> None:
    template = source(file)
    grouped = [
        name
        for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        for name in group["Parameters"]
    ]
    if file != "infra/monitoring.yaml":
        assert sorted(grouped) == sorted(template["Parameters"])
    assert len(grouped) == len(set(grouped))
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"], name
        assert ("AllowedPattern" in parameter) <= ("ConstraintDescription" in parameter), name
    for name, output in template.get("Outputs", {}).items():
        assert output["Description"], name


def test_what_the_parent_reads_of_a_nested_template_is_an_output_of_it() -> None:
    text = (ROOT / "template.yaml").read_text()
    for logical, name in NESTED.items():
        read = {
            part.split("]")[0].split("}")[0].split()[0].strip(',"') for part in text.split(f"{logical}.Outputs.")[1:]
        }
        read = {name.split(":")[0] for name in read}
        assert read <= set(source(f"infra/{name}.yaml").get("Outputs", {})), logical


def test_the_network_has_no_way_out() -> None:
    network = Stack("infra/network.yaml")
    kinds = {resource["Type"] for resource in network.resources.values()}
    assert kinds.isdisjoint({"AWS::EC2::NatGateway", "AWS::EC2::InternetGateway", "AWS::EC2::Route"})
    assert len({subnet["AvailabilityZone"] for subnet in network.of_type("AWS::EC2::Subnet").values()}) == 2
    endpoints = network.of_type("AWS::EC2::VPCEndpoint").values()
    assert {each["ServiceName"].rsplit(".", 1)[1] for each in endpoints} == {"sqs", "dynamodb", "s3"}
    for endpoint in endpoints:
        for statement in endpoint["PolicyDocument"]["Statement"]:
            assert "*" not in (statement["Resource"], *statement["Action"])


def test_the_endpoints_let_through_what_the_roles_in_the_vpc_allow() -> None:
    stack = Stack("template.yaml")
    inside = {
        function["Role"].strip("<>").removesuffix(".Arn")
        for function in stack.of_type("AWS::Lambda::Function").values()
        if "VpcConfig" in function
    }
    wanted = {
        action
        for role in inside
        for policy in stack.resources[role]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in (statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])
        if action.startswith(("sqs:", "dynamodb:"))
    }
    let_through = {
        action
        for endpoint in Stack("infra/network.yaml").of_type("AWS::EC2::VPCEndpoint").values()
        for statement in endpoint["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    }
    # Lambda itself receives, from outside of the VPC.
    assert wanted - {"sqs:ReceiveMessage"} <= let_through
    given = stack.resources["Network"]["Properties"]["Parameters"]
    queues = {f"<{name}.Arn>" for name in ("OrdersQueue", "OrdersDeadLetterQueue", "TicksQueue", "StatusEventsQueue")}
    assert set(given["QueueArns"].split(",")) == queues
    assert given["TableArn"] == "<ConnectionsTable.Arn>"


def test_only_functions_reach_the_endpoint_and_the_database() -> None:
    network, database = Stack("infra/network.yaml"), Stack("infra/database.yaml", {"UseProxy": "true"})
    (endpoint,) = network.resources["EndpointSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert endpoint["SourceSecurityGroupId"] == "<FunctionSecurityGroup>"
    assert "SecurityGroupIngress" not in network.resources["FunctionSecurityGroup"]["Properties"]
    rules = database.resources["SecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert [rule["SourceSecurityGroupId"] for rule in rules] == ["<FunctionSecurityGroupId>", "<ProxySecurityGroup>"]
    assert all("CidrIp" not in rule for rule in rules)


def test_the_database_is_private_encrypted_and_outlives_its_stack() -> None:
    instance = Stack("infra/database.yaml", {"BackupRetentionDays": "9"}).resources["Instance"]
    assert instance["DeletionPolicy"] == instance["UpdateReplacePolicy"] == "Snapshot"
    properties = instance["Properties"]
    assert (properties["StorageEncrypted"], properties["PubliclyAccessible"]) == (True, False)
    assert properties["EnableIAMDatabaseAuthentication"] is True
    assert (properties["DeletionProtection"], properties["BackupRetentionPeriod"]) == ("true", "9")
    assert properties["MasterUserPassword"].startswith("{{resolve:secretsmanager:<OwnerSecret>")
    settings = Stack("infra/database.yaml").resources["Settings"]["Properties"]
    assert settings["Parameters"]["rds.force_ssl"] == "1"
    # Slow statements are logged, what they say of users and wallets is not.
    assert settings["Parameters"]["log_error_verbosity"] == "terse"
    assert settings["Family"] == f"postgres{properties['EngineVersion']}"


def test_the_proxy_is_optional_and_functions_log_in_to_it_where_it_is() -> None:
    plain, proxied = Stack("infra/database.yaml"), Stack("infra/database.yaml", {"UseProxy": "true"})
    assert plain.of_type("AWS::RDS::DBProxy") == {}
    (proxy,) = proxied.of_type("AWS::RDS::DBProxy").values()
    assert proxy["RequireTLS"] is True
    assert plain.outputs["Host"] == "<Instance.Endpoint.Address>"
    assert proxied.outputs["Host"] == "<Proxy.Endpoint>"
    assert proxied.outputs["DirectHost"] == "<Instance.Endpoint.Address>"
    for role in ("Api", "Worker", "Keys"):
        assert plain.outputs[f"{role}LoginArn"].endswith(f":dbuser:<Instance.DbiResourceId>/<{role}Role>")
        # The proxy's own id stands in its ARN, as the seventh part.
        assert proxied.outputs[f"{role}LoginArn"].endswith(f":dbuser:<Proxy.DBProxyArn>/<{role}Role>")
    (role,) = proxied.of_type("AWS::IAM::Role").values()
    (statement,) = role["Policies"][0]["PolicyDocument"]["Statement"]
    assert [login.rpartition("/")[2] for login in statement["Resource"]] == ["<ApiRole>", "<WorkerRole>", "<KeysRole>"]


def test_connections_of_frozen_functions_are_ended_but_not_those_that_a_proxy_shares() -> None:
    for proxy, limit in (("false", "300000"), ("true", "0")):
        (group,) = Stack("infra/database.yaml", {"UseProxy": proxy}).of_type("AWS::RDS::DBParameterGroup").values()
        assert group["Parameters"]["idle_session_timeout"] == limit


# ---------------------------------------------------------------- monitoring


def dashboard() -> Any:
    (board,) = Stack("infra/monitoring.yaml", {"DatabaseInstance": "db"}).of_type("AWS::CloudWatch::Dashboard").values()
    return yaml.safe_load(board["DashboardBody"])


def test_the_dashboard_is_json_and_its_widgets_do_not_overlap() -> None:
    (board,) = Stack("infra/monitoring.yaml").of_type("AWS::CloudWatch::Dashboard").values()
    taken: set[tuple[int, int]] = set()
    for widget in json.loads(board["DashboardBody"])["widgets"]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert taken.isdisjoint(cells)
        assert widget["x"] + widget["width"] <= 24
        taken |= cells


SEARCH = re.compile(r"SEARCH\('\{OrderEngine,([\w,]+)\} MetricName=\"(\w+)\" service=\"<Service>\"'")


def shown() -> Iterator[tuple[str, frozenset[str]]]:
    """Our own metrics on the dashboard, each with its dimensions."""
    for widget in dashboard()["widgets"]:
        before: list[Any] = []
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], dict):
                yield from (
                    (name, frozenset(dimensions.split(",")))
                    for dimensions, name in SEARCH.findall(metric[0]["expression"])
                )
                continue
            written = [old if new == "." else new for old, new in zip_longest(before, metric[:4])]
            before = written
            if written[0] == "OrderEngine":
                yield written[1], frozenset(written[2:4:2])


def test_the_dashboard_shows_every_metric_under_its_name_and_dimensions() -> None:
    assert set(shown()) == {(name, dimensions | {"service"}) for name, dimensions in METRICS.items()}


def test_alarms_read_metrics_under_their_names_and_dimensions() -> None:
    without_dimensions = {name for name, dimensions in METRICS.items() if not dimensions}
    text = json.dumps(Stack("infra/monitoring.yaml").of_type("AWS::CloudWatch::Alarm"))
    of_ours = r'"Namespace": "OrderEngine", "MetricName": "(\w+)", "Dimensions": '
    single = re.findall(of_ours + r'\[{"Name": "service", "Value": "<Service>"}\]', text)
    assert set(single) <= without_dimensions
    # These sum over every other dimension.
    queried = re.findall(r"SELECT SUM\((\w+)\) FROM OrderEngine WHERE service = '<Service>'", text)
    assert set(queried) <= METRICS.keys()
    assert text.count("OrderEngine") == len(single) + len(queried) > 8


def test_every_metric_of_time_or_share_has_a_unit_without_which_it_would_be_summed() -> None:
    assert set(UNITS) == {name for name in METRICS if name.endswith(("Ms", "Bps"))}


def test_every_alarm_says_what_it_is_about_and_tells_the_operator() -> None:
    watch = Stack(
        "infra/monitoring.yaml",
        {"DatabaseInstance": "db", "AlarmEmail": "a@example.com", "FetchKeysFunctionName": "stack-fetch-keys"},
    )
    alarms = watch.of_type("AWS::CloudWatch::Alarm")
    for alarm in alarms.values():
        assert alarm["AlarmDescription"]
        assert alarm["AlarmActions"] == ["<AlarmTopic>"]


def test_every_function_that_cloudformation_does_not_call_has_an_alarm_on_its_errors() -> None:
    given = Stack("template.yaml").resources["Watch"]["Properties"]["Parameters"]
    alarms = json.dumps(
        [
            alarm
            for alarm in Stack("infra/monitoring.yaml").of_type("AWS::CloudWatch::Alarm").values()
            if "Errors" in json.dumps(alarm)
        ]
    )
    watched = {given[name] for name in given if name.endswith("FunctionName") and f"<{name}>" in alarms}
    all_functions = Stack("template.yaml").of_type("AWS::Lambda::Function")
    assert watched == {f"<{name}>" for name in all_functions} - {"<MigrateFunction>"}


def evaluated(expression: str, **metrics: float) -> float:
    """What CloudWatch makes of a metric's arithmetic; FILL only matters for metrics without data, which are 0 here."""
    python = re.sub(r"FILL\((\w+), (?:\d+|REPEAT)\)", r"values.get('\1', 0)", expression)
    python = re.sub(
        r"(?<![\w'.])([a-z]\w*)(?![\w'(.])",
        lambda name: name[0] if name[0] == "values" else f"values['{name[0]}']",
        python,
    )
    result: float = eval(python, {"values": metrics})  # our own template
    return result


@pytest.mark.parametrize(
    ("alarm", "quiet", "loud"),
    [
        # A message that the dead-letter function takes and gives back all the time is never seen by "visible" alone.
        ("DeadOrders", {}, {"hidden": 1}),
        ("WebSocketErrors", {"connectErrors": 4}, {"connectErrors": 2, "messageThrottles": 2, "disconnectErrors": 1}),
        ("ReconcileStopped", {"calls": 5}, {}),
        ("ReconcileStopped", {"calls": 5, "errors": 4}, {"calls": 5, "errors": 5}),
        ("HeartbeatStopped", {"calls": 1}, {"calls": 3, "errors": 3}),
        ("DatabaseConnections", {"connections": 80}, {"connections": 81}),
        ("WatcherStopped", {}, {"resting": 1}),
        ("WatcherStopped", {"resting": 1, "beats": 9}, {"resting": 9, "beats": 8}),
    ],
)
def test_alarms_go_off_at_what_can_happen_and_not_before(
    alarm: str, quiet: dict[str, float], loud: dict[str, float]
) -> None:
    watch = Stack(
        "infra/monitoring.yaml", {"DatabaseInstance": "db", "DatabaseBudget": "60 + 40", "WatchIntervalSeconds": "10"}
    )
    properties = watch.of_type("AWS::CloudWatch::Alarm")[alarm]
    (returned,) = [metric for metric in properties["Metrics"] if metric["ReturnData"]]
    others = {metric["Id"] for metric in properties["Metrics"]} - {returned["Id"]}
    assert set(quiet) | set(loud) <= others
    breaches = {
        "GreaterThanThreshold": float.__gt__,
        "GreaterThanOrEqualToThreshold": float.__ge__,
        "LessThanThreshold": float.__lt__,
    }[properties["ComparisonOperator"]]
    threshold = float(properties["Threshold"])
    assert not breaches(float(evaluated(returned["Expression"], **quiet)), threshold)
    assert breaches(float(evaluated(returned["Expression"], **loud)), threshold)


def test_what_runs_each_minute_is_missed_when_it_says_nothing() -> None:
    alarms = Stack("infra/monitoring.yaml").of_type("AWS::CloudWatch::Alarm")
    silent = {name for name, alarm in alarms.items() if alarm["TreatMissingData"] == "breaching"}
    assert silent == {"ReconcileStopped", "HeartbeatStopped"}


def test_the_budget_of_connections_is_watched_as_the_roles_have_it() -> None:
    stack = Stack("template.yaml", {"ApiConnections": "20", "WorkerConcurrency": "5"})
    roles = stack.resources["MigrateFunction"]["Properties"]["Environment"]["Variables"]["DATABASE_ROLES"]
    watched = stack.resources["Watch"]["Properties"]["Parameters"]["DatabaseBudget"]
    assert watched == " + ".join(re.findall(r"\d+", roles)) == "20 + 32"


@pytest.mark.parametrize(
    ("parameters", "created"),
    [
        ({}, True),
        ({"Monitoring": "false"}, False),
        ({"GatewayBaseUrl": "http://127.0.0.1:4566/_aws/execute-api"}, False),
        ({"GatewayBaseUrl": "http://127.0.0.1:4566/_aws/execute-api", "Monitoring": "true"}, True),
    ],
)
def test_monitoring_is_made_where_there_is_something_to_see(parameters: dict[str, str], created: bool) -> None:
    assert ("Watch" in Stack("template.yaml", parameters).resources) == created


@pytest.mark.parametrize(("days", "deleted"), [("0", True), ("1", False), ("7", False)])
def test_backups_outlive_the_database_where_there_are_any(days: str, deleted: bool) -> None:
    instance = Stack("infra/database.yaml", {"BackupRetentionDays": days}).resources["Instance"]["Properties"]
    assert instance["DeleteAutomatedBackups"] is deleted
    for file, name in (("template.yaml", "DatabaseBackupDays"), ("infra/database.yaml", "BackupRetentionDays")):
        assert source(file)["Parameters"][name]["MinValue"] == 0


def test_without_a_database_or_an_address_nothing_refers_to_them() -> None:
    watch = Stack("infra/monitoring.yaml", {"MetricMath": "false"})
    alarms = watch.of_type("AWS::CloudWatch::Alarm")
    assert alarms.keys() >= {"DeadStatusEvents", "OldOrders", "DeadLetterErrors", "ServerErrors"}
    assert not any("Metrics" in alarm or "<DatabaseInstance>" in json.dumps(alarm) for alarm in alarms.values())
    assert all(alarm["AlarmActions"] == [] for alarm in alarms.values())
    assert watch.of_type("AWS::SNS::Topic") == {}
