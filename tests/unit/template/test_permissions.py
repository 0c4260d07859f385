"""Every function may do what it needs and nothing else."""

from typing import Any

import pytest

from tests.unit.infra.sam import Stack, source
from tests.unit.template.facts import ANSWER_CLIENTS, AWS, DATABASE, EMBEDDED, SETTINGS, functions, listed, statements

# What Lambda needs to read a queue for a function.
CONSUME = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
POSTPONE = {"sqs:ChangeMessageVisibility"}
STATUS_EVENTS = ("<StatusEventsQueue.Arn>", {"sqs:SendMessage"})
TICKS = ("<TicksQueue.Arn>", {"sqs:SendMessage"})
TABLE = "<ConnectionsTable.Arn>"
FOLLOW = (TABLE, {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Query"})
CONNECTIONS = "arn:aws:execute-api:us-east-1:000000000000:<WebSocketApi>/live/{}/@connections/*"
PERMISSIONS: dict[str, dict[str, set[str]]] = {
    "Api": dict([STATUS_EVENTS, TICKS, ("<OrdersQueue.Arn>", {"sqs:SendMessage", "sqs:GetQueueAttributes"})]),
    "ExecuteOrders": dict([STATUS_EVENTS, TICKS, ("<OrdersQueue.Arn>", CONSUME | POSTPONE)]),
    "PushStatus": {
        "<StatusEventsQueue.Arn>": CONSUME | POSTPONE | {"sqs:SendMessage"},
        TABLE: {"dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"},
        CONNECTIONS.format("POST"): {"execute-api:ManageConnections"},
        CONNECTIONS.format("DELETE"): {"execute-api:ManageConnections"},
    },
    "Heartbeat": {
        "<HeartbeatsQueue.Arn>": CONSUME | {"sqs:SendMessage"},
        TABLE: {"dynamodb:Scan", "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"},
        CONNECTIONS.format("POST"): {"execute-api:ManageConnections"},
        CONNECTIONS.format("DELETE"): {"execute-api:ManageConnections"},
    },
    "WebsocketConnect": dict([STATUS_EVENTS, FOLLOW]),
    "WebsocketMessage": dict([STATUS_EVENTS, FOLLOW]),
    "WebsocketDisconnect": {TABLE: {"dynamodb:Query", "dynamodb:BatchWriteItem"}},
    "Reconcile": dict([STATUS_EVENTS, ("<OrdersQueue.Arn>", {"sqs:SendMessage", "sqs:GetQueueAttributes"})]),
    "Watch": dict(
        [
            STATUS_EVENTS,
            ("<OrdersQueue.Arn>", {"sqs:SendMessage"}),
            ("<TicksQueue.Arn>", CONSUME | {"sqs:SendMessage"}),
        ]
    ),
    "DeadLetter": dict([STATUS_EVENTS, ("<OrdersDeadLetterQueue.Arn>", CONSUME | POSTPONE)]),
    "Migrate": {},
}
# The only actions on every resource, and why.
ON_EVERYTHING = {
    "xray:PutTraceSegments": "X-Ray has no resources to name",
    "xray:PutTelemetryRecords": "X-Ray has no resources to name",
    "ec2:CreateNetworkInterface": "Lambda refuses a role that names interfaces, which don't exist yet",
    "ec2:DescribeNetworkInterfaces": "EC2 has no resource for it",
    "ec2:DescribeSubnets": "EC2 has no resource for it",
    "ec2:DeleteNetworkInterface": "Lambda refuses a role that names interfaces, which don't exist yet",
    "ec2:AssignPrivateIpAddresses": "Lambda refuses a role that names interfaces, which don't exist yet",
    "ec2:UnassignPrivateIpAddresses": "Lambda refuses a role that names interfaces, which don't exist yet",
}


@pytest.mark.parametrize("parameters", [EMBEDDED, AWS], ids=["embedded", "aws"])
def test_every_function_has_a_role_of_its_own(parameters: dict[str, str]) -> None:
    stack = Stack("template.yaml", parameters)
    roles = {name: function["Role"] for name, function in functions(stack).items()}
    assert roles == {name: f"<{name}Role.Arn>" for name in SETTINGS}
    assert set(stack.of_type("AWS::IAM::Role")) == {f"{name}Role" for name in SETTINGS}


@pytest.mark.parametrize("name", PERMISSIONS)
def test_a_role_allows_what_its_function_does_and_nothing_else(name: str) -> None:
    allowed: dict[str, set[str]] = {}
    for statement in statements(Stack("template.yaml", AWS), f"{name}Role"):
        for resource in listed(statement["Resource"]):
            if statement["Effect"] == "Allow" and resource != "*":
                allowed.setdefault(resource, set()).update(listed(statement["Action"]))
    expected = PERMISSIONS[name] | {f"<{name}Logs.Arn>": {"logs:CreateLogStream", "logs:PutLogEvents"}}
    if name != "Migrate" and SETTINGS[name] >= DATABASE:
        role = "Api" if name in ANSWER_CLIENTS else "Worker"
        expected |= {f"<Database.Outputs.{role}LoginArn>": {"rds-db:connect"}}
    if name == "Migrate":
        expected |= {"<Database.Outputs.OwnerLoginArn>": {"rds-db:connect"}}
    assert allowed == expected


@pytest.mark.parametrize("name", PERMISSIONS)
def test_the_exceptions_that_may_do_something_to_everything(name: str) -> None:
    everywhere: set[str] = set()
    denied: set[str] = set()
    for statement in statements(Stack("template.yaml", AWS), f"{name}Role"):
        assert not any("*" in action for action in listed(statement["Action"]))
        if statement["Resource"] == "*":
            (everywhere if statement["Effect"] == "Allow" else denied).update(listed(statement["Action"]))
    assert everywhere <= set(ON_EVERYTHING)
    # The interfaces are for Lambda itself: the functions' own code is denied them.
    assert denied == {action for action in everywhere if action.startswith("ec2:")}
    assert bool(denied) == (SETTINGS[name] >= DATABASE)


def allowing(value: Any) -> list[dict[str, Any]]:
    """Every statement that allows something, wherever it stands."""
    if isinstance(value, list):
        return [statement for item in value for statement in allowing(item)]
    if not isinstance(value, dict):
        return []
    own = [value] if value.get("Effect") == "Allow" and "Resource" in value else []
    return own + [statement for item in value.values() for statement in allowing(item)]


def test_no_policy_anywhere_is_for_everything_where_it_could_name_something() -> None:
    for file in ("template.yaml", "infra/network.yaml", "infra/database.yaml", "infra/monitoring.yaml"):
        # As written, whatever its condition.
        for logical, resource in source(file)["Resources"].items():
            for statement in allowing(resource):
                if "*" in listed(statement["Resource"]):
                    assert set(listed(statement["Action"])) <= set(ON_EVERYTHING), (file, logical)
                    assert "NotAction" not in statement


def test_roles_are_only_for_lambda_and_name_no_policy_of_aws() -> None:
    for role in Stack("template.yaml", AWS).of_type("AWS::IAM::Role").values():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert all(attached.startswith("<") for attached in role.get("ManagedPolicyArns", []))


def test_only_this_stack_s_apis_and_rules_may_call_a_function() -> None:
    for permission in Stack("template.yaml", AWS).of_type("AWS::Lambda::Permission").values():
        assert permission["SourceArn"].startswith(
            (
                "arn:aws:execute-api:us-east-1:000000000000:<WebSocketApi>/live/$",
                "arn:aws:execute-api:us-east-1:000000000000:<RestApi>/",
                "<ReconcileFunctionEveryMinute.Arn>",
                "<FetchKeysFunctionEveryMinute.Arn>",
            )
        )
