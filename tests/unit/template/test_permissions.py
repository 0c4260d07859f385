"""Every function may do what it needs and nothing else."""

from typing import Any

import pytest

from tests.unit.infra.sam import Stack, source
from tests.unit.template.facts import ANSWER_CLIENTS, AWS, DATABASE, EMBEDDED, SETTINGS, functions, listed, statements

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
LOGINS = dict.fromkeys(ANSWER_CLIENTS, "Api") | {"StoreKeys": "Keys", "Migrate": "Owner"}


@pytest.mark.parametrize("parameters", [EMBEDDED, AWS], ids=["embedded", "aws"])
def test_every_function_has_a_role_of_its_own(parameters: dict[str, str]) -> None:
    stack = Stack("template.yaml", parameters)
    roles = {name: function["Role"] for name, function in functions(stack).items()}
    assert roles == {name: f"<{name}Role.Arn>" for name in SETTINGS}
    assert set(stack.of_type("AWS::IAM::Role")) == {f"{name}Role" for name in SETTINGS}


def allowed(name: str, parameters: dict[str, str]) -> set[tuple[str, str]]:
    """What a function's role allows: resources, where it names any, and actions."""
    return {
        (resource, action)
        for statement in statements(Stack("template.yaml", parameters), f"{name}Role")
        if statement["Effect"] == "Allow"
        for resource in listed(statement["Resource"])
        for action in listed(statement["Action"])
        if resource != "*"
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_on_aws_a_role_allows_what_it_does_on_an_emulator_and_to_log_in(name: str) -> None:
    """What that is, tests/e2e/test_permissions.py proves by taking each permission away."""
    on_aws, emulated = (allowed(name, parameters) for parameters in (AWS, EMBEDDED))
    login = f"<Database.Outputs.{LOGINS.get(name, 'Worker')}LoginArn>"
    assert on_aws - emulated == ({(login, "rds-db:connect")} if SETTINGS[name] >= DATABASE else set())
    assert emulated <= on_aws
    logs = {(resource, action) for resource, action in on_aws if action.startswith("logs:")}
    assert logs == {(f"<{name}Logs.Arn>", action) for action in ("logs:CreateLogStream", "logs:PutLogEvents")}


@pytest.mark.parametrize("name", SETTINGS)
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
