"""The template and the app agree: routes, queues, schedules, handlers and settings."""

import pytest

from chalicelib.config import VARIABLES
from localstack.packaging import authorities
from tests.unit.infra.sam import Stack
from tests.unit.template.facts import (
    AWS,
    DATABASE,
    EMBEDDED,
    HANDLERS,
    LOGIN,
    QUEUES,
    SETTINGS,
    SHARED,
    chalice,
    facts,
    functions,
    routes,
)


def test_every_route_of_the_app_is_a_route_of_the_api_and_the_reverse() -> None:
    generated = chalice()["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    written = Stack("template.yaml", AWS).of_type("AWS::ApiGateway::RestApi")["RestApi"]["Body"]["paths"]
    assert routes(written) == routes(generated)


def test_every_route_goes_to_the_api_function() -> None:
    paths = Stack("template.yaml", AWS).of_type("AWS::ApiGateway::RestApi")["RestApi"]["Body"]["paths"]
    for methods in paths.values():
        for operation in methods.values():
            integration = operation["x-amazon-apigateway-integration"]
            assert integration["type"] == "aws_proxy"
            assert "/functions/<ApiFunction.Arn>/invocations" in integration["uri"]


def test_queues_and_schedules_are_those_of_the_decorators() -> None:
    generated = {}
    for resource in chalice().values():
        for event in resource["Properties"].get("Events", {}).values():
            handler, properties = resource["Properties"]["Handler"], event["Properties"]
            if event["Type"] == "SQS":
                queue = QUEUES[properties["Queue"]["Fn::Sub"].rsplit(":", 1)[1]]
                scaling = properties.get("ScalingConfig", {}).get("MaximumConcurrency")
                generated[handler] = ("SQS", queue, properties["BatchSize"], scaling)
            elif event["Type"] == "Schedule":
                generated[handler] = ("Schedule", properties["Schedule"], None, None)
    stack = Stack("template.yaml", AWS)
    lambdas = stack.of_type("AWS::Lambda::Function")
    written = {}
    for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values():
        written[lambdas[mapping["FunctionName"].strip("<>")]["Handler"]] = (
            "SQS",
            mapping["EventSourceArn"].strip("<>").removesuffix(".Arn"),
            mapping["BatchSize"],
            mapping.get("ScalingConfig", {}).get("MaximumConcurrency"),
        )
    for rule in stack.of_type("AWS::Events::Rule").values():
        (target,) = rule["Targets"]
        if target["Arn"] in (
            "<HeartbeatsQueue.Arn>",
            "<TicksQueue.Arn>",
        ):  # a queue between, which no decorator can say
            assert rule["ScheduleExpression"] == "rate(1 minute)"
            continue
        handler = lambdas[target["Arn"].strip("<>").removesuffix(".Arn")]["Handler"]
        if handler == "app.fetch_keys":  # CloudFormation calls it too, and no decorator knows both events
            assert rule["ScheduleExpression"] == "rate(1 minute)"
            continue
        written[handler] = ("Schedule", rule["ScheduleExpression"], None, None)
    assert written == generated


def test_websocket_routes_are_those_of_the_decorators() -> None:
    generated = {
        resource["Properties"]["RouteKey"]: chalice()[logical.replace("Route", "")]["Properties"]["Handler"]
        for logical, resource in chalice().items()
        if resource["Type"] == "AWS::ApiGatewayV2::Route"
    }
    stack = Stack("template.yaml", AWS)
    integrations = stack.of_type("AWS::ApiGatewayV2::Integration")
    lambdas = stack.of_type("AWS::Lambda::Function")
    written = {}
    for route in stack.of_type("AWS::ApiGatewayV2::Route").values():
        uri = integrations[route["Target"].removeprefix("integrations/").strip("<>")]["IntegrationUri"]
        written[route["RouteKey"]] = lambdas[uri.split("<")[1].split(".Arn>")[0]]["Handler"]
    assert written == generated


def test_every_function_has_its_handler() -> None:
    expected = {name: f"app.{handler}" for name, handler in HANDLERS.items()} | {"Migrate": "handler.handler"}
    found = {name: value["Handler"] for name, value in functions(Stack("template.yaml", AWS)).items()}
    assert found == expected


def as_lambda_sets_it(parameters: dict[str, str], name: str) -> dict[str, str]:
    """A function's environment, the ids that only CloudFormation knows replaced."""
    variables = functions(Stack("template.yaml", parameters))[name]["Environment"]["Variables"]
    known = {key: str(value).replace("<", "").replace(">", "") for key, value in variables.items()}
    if "DATABASE_PORT" in known:
        known["DATABASE_PORT"] = "5432"
    return {**known, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.mark.parametrize("parameters", [EMBEDDED, AWS], ids=["embedded", "aws"])
def test_a_function_knows_all_that_its_handler_asks_for(parameters: dict[str, str]) -> None:
    asked = [(handler, as_lambda_sets_it(parameters, name)) for name, handler in HANDLERS.items()]
    missing = dict(zip(HANDLERS, facts("build", asked), strict=True))
    assert missing == dict.fromkeys(HANDLERS, "")


def test_a_missing_setting_would_be_noticed() -> None:
    (problem,) = facts("build", [("push_status", {"AWS_DEFAULT_REGION": "us-east-1"})])
    assert "CONNECTIONS_TABLE" in problem


def test_every_variable_says_what_it_is() -> None:
    assert set(VARIABLES) == set.union(SHARED, *SETTINGS.values()) | {"DATABASE_URL"}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_function_knows_only_what_it_needs(name: str) -> None:
    on_aws = functions(Stack("template.yaml", AWS))[name]["Environment"]["Variables"]
    assert set(on_aws) == SETTINGS[name] | SHARED
    embedded = functions(Stack("template.yaml", EMBEDDED))[name]["Environment"]["Variables"]
    of_our_own_database = LOGIN | {"DATABASE_ROLES", "DATABASE_OWNER", "DATABASE_OWNER_PASSWORD"}
    without_database = (SETTINGS[name] - of_our_own_database) | SHARED
    assert set(embedded) == without_database | ({"DATABASE_URL"} if SETTINGS[name] >= DATABASE else set())


@pytest.mark.parametrize("name", [name for name in SETTINGS if SETTINGS[name] >= DATABASE])
def test_a_database_is_verified_with_the_certificates_beside_the_code(name: str) -> None:
    settings = functions(Stack("template.yaml", AWS))[name]["Environment"]["Variables"]
    assert settings["PGSSLMODE"] == "verify-full"
    assert settings["PGSSLROOTCERT"] == f"/var/task/{authorities.file_of('us-east-1')}"
    unchecked = functions(Stack("template.yaml", {**AWS, "DatabaseTls": "require"}))[name]["Environment"]["Variables"]
    assert unchecked["PGSSLMODE"] == "require"
    assert "PGSSLROOTCERT" not in unchecked
