"""The template and the app agree, and every function may do what it needs and nothing else."""

import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from tests.unit.infra.sam import ROOT, Stack, source

EMBEDDED = {
    "DatabaseUrl": "postgresql://someone@127.0.0.1:5432/orders",
    "GatewayBaseUrl": "http://127.0.0.1:4566/_aws/execute-api",
    "PublicUrl": "http://localhost:3000",
    "CursorSecret": "secret",
}
AWS: dict[str, str] = {}
# The queue names in the decorators, and what they are in the template.
QUEUES = {
    "orders": "OrdersQueue",
    "heartbeats": "HeartbeatsQueue",
    "orders-dlq": "OrdersDeadLetterQueue",
    "status-events.fifo": "StatusEventsQueue",
}
# What each function knows beside the settings that all share.
DATABASE = {"DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_USER", "PGSSLMODE"}
SIMULATION = {"SIMULATED_DELAY_SCALE", "SIMULATED_FAULTS"}
SHARED = {"LOG_LEVEL", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"}
SETTINGS = {
    "Api": DATABASE
    | SIMULATION
    | {"ORDERS_QUEUE_URL", "STATUS_EVENTS_QUEUE_URL", "PUBLIC_WEBSOCKET_URL", "CURSOR_SECRET", "STRICT_WALLETS"},
    "ExecuteOrders": DATABASE | SIMULATION | {"ORDERS_QUEUE_URL", "STATUS_EVENTS_QUEUE_URL"},
    "PushStatus": {"STATUS_EVENTS_QUEUE_URL", "CONNECTIONS_TABLE", "WEBSOCKET_MANAGEMENT_URL"},
    "Heartbeat": {"HEARTBEATS_QUEUE_URL", "CONNECTIONS_TABLE", "WEBSOCKET_MANAGEMENT_URL"},
    "WebsocketConnect": DATABASE | {"STATUS_EVENTS_QUEUE_URL", "CONNECTIONS_TABLE"},
    "WebsocketMessage": DATABASE | {"STATUS_EVENTS_QUEUE_URL", "CONNECTIONS_TABLE"},
    "WebsocketDisconnect": {"CONNECTIONS_TABLE"},
    "Reconcile": DATABASE | {"ORDERS_QUEUE_URL", "STATUS_EVENTS_QUEUE_URL"},
    "DeadLetter": DATABASE | SIMULATION | {"STATUS_EVENTS_QUEUE_URL", "ORDERS_DEAD_LETTER_QUEUE_URL"},
    "Migrate": DATABASE | {"DATABASE_OWNER", "DATABASE_OWNER_PASSWORD"},
}
HANDLERS = {
    "Api": "app",
    "ExecuteOrders": "execute_orders",
    "PushStatus": "push_status",
    "Heartbeat": "heartbeat",
    "WebsocketConnect": "websocket_connect",
    "WebsocketMessage": "websocket_message",
    "WebsocketDisconnect": "websocket_disconnect",
    "Reconcile": "reconcile",
    "DeadLetter": "dead_letter",
}
# What Lambda needs to read a queue for a function.
CONSUME = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
POSTPONE = {"sqs:ChangeMessageVisibility"}
STATUS_EVENTS = ("<StatusEventsQueue.Arn>", {"sqs:SendMessage"})
TABLE, INDEX = "<ConnectionsTable.Arn>", "<ConnectionsTable.Arn>/index/by_connection"
CONNECTIONS = "arn:aws:execute-api:us-east-1:000000000000:<WebSocketApi>/live/{}/@connections/*"
PERMISSIONS: dict[str, dict[str, set[str]]] = {
    "Api": dict([STATUS_EVENTS, ("<OrdersQueue.Arn>", {"sqs:SendMessage", "sqs:GetQueueAttributes"})]),
    "ExecuteOrders": dict([STATUS_EVENTS, ("<OrdersQueue.Arn>", CONSUME | POSTPONE)]),
    "PushStatus": {
        "<StatusEventsQueue.Arn>": CONSUME | {"sqs:SendMessage"},
        TABLE: {"dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"},
        CONNECTIONS.format("POST"): {"execute-api:ManageConnections"},
        CONNECTIONS.format("DELETE"): {"execute-api:ManageConnections"},
    },
    "Heartbeat": {
        "<HeartbeatsQueue.Arn>": CONSUME | {"sqs:SendMessage"},
        TABLE: {"dynamodb:Query", "dynamodb:DeleteItem"},
        INDEX: {"dynamodb:Scan", "dynamodb:Query"},
        CONNECTIONS.format("POST"): {"execute-api:ManageConnections"},
    },
    "WebsocketConnect": dict([STATUS_EVENTS, (TABLE, {"dynamodb:PutItem", "dynamodb:DeleteItem"})]),
    "WebsocketMessage": dict(
        [
            STATUS_EVENTS,
            (TABLE, {"dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Query"}),
            (INDEX, {"dynamodb:Query"}),
        ]
    ),
    "WebsocketDisconnect": {INDEX: {"dynamodb:Query"}, TABLE: {"dynamodb:DeleteItem"}},
    "Reconcile": dict([STATUS_EVENTS, ("<OrdersQueue.Arn>", {"sqs:SendMessage"})]),
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


def facts(question: str, given: object = None) -> Any:
    """What the app says about itself, asked in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "unit" / "infra" / "app_facts.py"), str(ROOT / "functions"), question],
        input=json.dumps(given),
        env={"PATH": os.defpath, "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@cache
def chalice() -> dict[str, Any]:
    """The resources that `chalice package` generates."""
    resources: dict[str, Any] = facts("template")["Resources"]
    return resources


def function_name(logical: str) -> str:
    return logical.removesuffix("Function")


def functions(stack: Stack) -> dict[str, Any]:
    return {function_name(logical): value for logical, value in stack.of_type("AWS::Lambda::Function").items()}


def routes(paths: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in paths.items() for method in methods if method != "options"}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(stack: Stack, role: str) -> list[dict[str, Any]]:
    """What a role allows or denies, its attached policies included."""
    properties = stack.resources[role]["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    documents += [
        stack.resources[attached.strip("<>")]["Properties"]["PolicyDocument"]
        for attached in properties.get("ManagedPolicyArns", [])
    ]
    return [statement for document in documents for statement in document["Statement"]]


# ---------------------------------------------------------------- the app


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
        if target["Arn"] == "<HeartbeatsQueue.Arn>":  # a queue between, which no decorator can say
            assert rule["ScheduleExpression"] == "rate(1 minute)"
            continue
        handler = lambdas[target["Arn"].strip("<>").removesuffix(".Arn")]["Handler"]
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


@pytest.mark.parametrize("name", SETTINGS)
def test_a_function_knows_only_what_it_needs(name: str) -> None:
    on_aws = functions(Stack("template.yaml", AWS))[name]["Environment"]["Variables"]
    assert set(on_aws) == SETTINGS[name] | SHARED
    embedded = functions(Stack("template.yaml", EMBEDDED))[name]["Environment"]["Variables"]
    without_database = {key for key in SETTINGS[name] if not key.startswith(("DATABASE_", "PGSSLMODE"))} | SHARED
    assert set(embedded) == without_database | ({"DATABASE_URL"} if SETTINGS[name] >= DATABASE else set())


@pytest.mark.parametrize("name", [name for name in SETTINGS if SETTINGS[name] >= DATABASE])
def test_a_database_is_verified_with_the_certificates_beside_the_code(name: str) -> None:
    verified = functions(Stack("template.yaml", {**AWS, "DatabaseTls": "verify-full"}))[name]
    settings = verified["Environment"]["Variables"]
    assert settings["PGSSLMODE"] == "verify-full"
    assert settings["PGSSLROOTCERT"] == "/var/task/database-ca.pem"


# ---------------------------------------------------------------- permissions


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
        expected |= {"<Database.Outputs.LoginArn>": {"rds-db:connect"}}
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
            )
        )


# ---------------------------------------------------------------- where functions run


def test_functions_that_need_the_database_run_in_the_vpc_and_the_others_never_do() -> None:
    inside = {
        name
        for name, function in functions(Stack("template.yaml", AWS)).items()
        if function.get("VpcConfig", {}).get("SubnetIds")
    }
    assert inside == {name for name in SETTINGS if SETTINGS[name] >= DATABASE}
    assert {"PushStatus", "WebsocketDisconnect"}.isdisjoint(inside)
    assert not any("VpcConfig" in function for function in functions(Stack("template.yaml", EMBEDDED)).values())


def test_no_function_in_the_vpc_posts_to_connections() -> None:
    stack = Stack("template.yaml", AWS)
    for name, function in functions(stack).items():
        if "VpcConfig" in function:
            actions = [
                action for statement in statements(stack, f"{name}Role") for action in listed(statement["Action"])
            ]
            assert "execute-api:ManageConnections" not in actions


def test_functions_wait_for_the_migrations() -> None:
    stack = Stack("template.yaml", AWS)
    for name, settings in SETTINGS.items():
        waits = "Migrations" in listed(stack.resources[f"{name}Function"]["DependsOn"])
        assert waits == (settings >= DATABASE and name != "Migrate")
    migrations = stack.resources["Migrations"]["Properties"]
    # A version is published, under another name, whenever the code changes: that calls the custom resource again.
    assert migrations["CodeVersion"].startswith("<MigrateFunctionVersion")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://someone:secret@db.example:5432/orders", "db.example:5432/orders"),
        ("postgresql:///orders?host=/run/postgresql", ""),
    ],
)
def test_the_custom_resource_is_never_told_the_password(url: str, place: str) -> None:
    migrations = Stack("template.yaml", {**EMBEDDED, "DatabaseUrl": url}).resources["Migrations"]["Properties"]
    assert migrations["Database"] == place
    assert "secret" not in json.dumps(migrations)


# ---------------------------------------------------------------- addresses


def test_addresses_on_aws() -> None:
    stack = Stack("template.yaml", AWS)
    host = "<WebSocketApi>.execute-api.us-east-1.amazonaws.com/live"
    variables = {name: function["Environment"]["Variables"] for name, function in functions(stack).items()}
    assert variables["Api"]["PUBLIC_WEBSOCKET_URL"] == f"wss://{host}"
    assert variables["PushStatus"]["WEBSOCKET_MANAGEMENT_URL"] == f"https://{host}"
    assert stack.outputs["WebSocketUrl"] == f"wss://{host}"
    assert stack.outputs["RestApiUrl"] == "https://<RestApi>.execute-api.us-east-1.amazonaws.com/live"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_addresses_on_an_emulator(scheme: str) -> None:
    base = f"{scheme}://httpbox:4566/_aws/execute-api"
    stack = Stack("template.yaml", {**EMBEDDED, "GatewayBaseUrl": base, "PublicUrl": f"{scheme}://http.example"})
    websocket = scheme.replace("http", "ws")
    variables = {name: function["Environment"]["Variables"] for name, function in functions(stack).items()}
    assert variables["Api"]["PUBLIC_WEBSOCKET_URL"] == f"{websocket}://http.example/api/orders/execute"
    assert variables["PushStatus"]["WEBSOCKET_MANAGEMENT_URL"] == f"{base}/<WebSocketApi>/live"
    assert stack.outputs["WebSocketUrl"] == f"{websocket}://httpbox:4566/_aws/execute-api/<WebSocketApi>/live"
    assert stack.outputs["RestApiUrl"] == f"{base}/<RestApi>/live"


def test_an_emulator_without_a_front_door_gives_its_own_websocket_address() -> None:
    stack = Stack("template.yaml", {**EMBEDDED, "PublicUrl": ""})
    variables = functions(stack)["Api"]["Environment"]["Variables"]
    assert variables["PUBLIC_WEBSOCKET_URL"] == stack.outputs["WebSocketUrl"]


@pytest.mark.parametrize(
    ("parameters", "created"),
    [
        (AWS, True),
        (EMBEDDED, False),
        ({**EMBEDDED, "WebSocketRouteResponse": "true"}, True),
        ({"WebSocketRouteResponse": "false"}, False),
    ],
)
def test_answers_over_the_websocket_need_a_route_response_on_aws(parameters: dict[str, str], created: bool) -> None:
    stack = Stack("template.yaml", parameters)
    assert bool(stack.of_type("AWS::ApiGatewayV2::RouteResponse")) == created
    default = stack.resources["MessageRoute"]["Properties"]
    assert default["RouteResponseSelectionExpression"] == "$default"


# ---------------------------------------------------------------- queues, table, APIs


def test_queues_are_encrypted_and_outlast_their_consumers() -> None:
    stack = Stack("template.yaml", AWS)
    queues, lambdas = stack.of_type("AWS::SQS::Queue"), stack.of_type("AWS::Lambda::Function")
    assert all(queue["SqsManagedSseEnabled"] for queue in queues.values())
    for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values():
        queue = queues[mapping["EventSourceArn"].strip("<>").removesuffix(".Arn")]
        timeout = lambdas[mapping["FunctionName"].strip("<>")]["Timeout"]
        # AWS refuses a mapping whose messages come back while their function may still run.
        assert queue["VisibilityTimeout"] >= timeout
        # Of a single message, either all or nothing has failed.
        assert (mapping.get("FunctionResponseTypes") == ["ReportBatchItemFailures"]) == (mapping["BatchSize"] > 1)
    # The end of an order is told even when nobody could be told anything for half an hour.
    events = queues["StatusEventsQueue"]
    assert events["RedrivePolicy"]["maxReceiveCount"] * events["VisibilityTimeout"] > 30 * 60
    # An order whose worker was killed starts again within half a minute.
    assert queues["OrdersQueue"]["VisibilityTimeout"] <= 30
    for name in ("Orders", "StatusEvents"):
        redrive = queues[f"{name}Queue"]["RedrivePolicy"]
        dead = queues[f"{name}DeadLetterQueue"]
        assert redrive["deadLetterTargetArn"] == f"<{name}DeadLetterQueue.Arn>"
        assert dead["MessageRetentionPeriod"] > queues[f"{name}Queue"]["MessageRetentionPeriod"]
        assert dead.get("FifoQueue") == queues[f"{name}Queue"].get("FifoQueue")


def test_queues_refuse_plain_http_except_on_emulators() -> None:
    policies = Stack("template.yaml", AWS).of_type("AWS::SQS::QueuePolicy")
    refused = {
        resource
        for policy in policies.values()
        for statement in policy["PolicyDocument"]["Statement"]
        if (statement["Effect"], statement["Action"]) == ("Deny", "sqs:*")
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for resource in listed(statement["Resource"])
    }
    queues = Stack("template.yaml", AWS).of_type("AWS::SQS::Queue")
    assert refused == {f"<{name}.Arn>" for name in queues}
    assert {queue for policy in policies.values() for queue in policy["Queues"]} == {f"<{name}>" for name in queues}
    emulated = Stack("template.yaml", EMBEDDED).of_type("AWS::SQS::QueuePolicy")
    assert "Deny" not in json.dumps(emulated)


@pytest.mark.parametrize("choice", source("template.yaml")["Parameters"]["WorkerConcurrency"]["AllowedValues"])
def test_the_worker_s_concurrency_is_a_number(choice: str) -> None:
    mappings = Stack("template.yaml", {"WorkerConcurrency": choice}).of_type("AWS::Lambda::EventSourceMapping")
    (scaling,) = [mapping["ScalingConfig"] for mapping in mappings.values() if "ScalingConfig" in mapping]
    assert scaling == {"MaximumConcurrency": int(choice)}
    assert type(scaling["MaximumConcurrency"]) is int


def test_connections_are_found_by_order_and_by_connection_and_expire() -> None:
    (table,) = Stack("template.yaml", AWS).of_type("AWS::DynamoDB::Table").values()
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["order_id", "connection_id"]
    (index,) = table["GlobalSecondaryIndexes"]
    assert (index["IndexName"], index["KeySchema"][0]["AttributeName"]) == ("by_connection", "connection_id")
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["SSESpecification"]["SSEEnabled"]


def test_api_gateway_answers_in_problem_documents_everywhere() -> None:
    body = Stack("template.yaml", AWS).of_type("AWS::ApiGateway::RestApi")["RestApi"]["Body"]
    defined = body["x-amazon-apigateway-gateway-responses"]
    assert str(defined["MISSING_AUTHENTICATION_TOKEN"]["statusCode"]) == "404"
    for response in defined.values():
        assert response["responseParameters"]["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        template = response["responseTemplates"]["application/json"]
        json.loads(template.replace("$context.error.messageString", '"message"'))
    emulated = Stack("template.yaml", EMBEDDED).of_type("AWS::ApiGateway::GatewayResponse")
    for response in emulated.values():
        same = defined[response["ResponseType"]]
        assert json.loads(response["ResponseTemplates"]["application/json"]) == {
            key: value
            for key, value in json.loads(same["responseTemplates"]["application/json"]).items()
            if key != "instance"
        }
        assert response["ResponseParameters"] == same["responseParameters"]
    assert Stack("template.yaml", AWS).of_type("AWS::ApiGateway::GatewayResponse") == {}


def test_stages_are_throttled() -> None:
    stack = Stack("template.yaml", {"ThrottleRate": "7", "ThrottleBurst": "9"})
    (rest,) = stack.of_type("AWS::ApiGateway::Stage").values()
    assert (rest["StageName"], stack.of_type("AWS::ApiGatewayV2::Stage")["WebSocketStage"]["StageName"]) == (
        "live",
        "live",
    )
    (settings,) = rest["MethodSettings"]
    limits = {"ThrottlingRateLimit": "7", "ThrottlingBurstLimit": "9"}
    assert limits.items() <= settings.items()
    websocket = stack.of_type("AWS::ApiGatewayV2::Stage")["WebSocketStage"]
    assert limits.items() <= websocket["DefaultRouteSettings"].items()
    assert websocket["AutoDeploy"] is True


def test_logs_are_kept_for_as_long_as_asked() -> None:
    stack = Stack("template.yaml", {"LogRetentionDays": "7", "AccessLogs": "true"})
    groups = stack.of_type("AWS::Logs::LogGroup")
    assert {group["RetentionInDays"] for group in groups.values()} == {"7"}
    for name, function in functions(stack).items():
        assert function["LoggingConfig"] == {"LogGroup": f"<{name}Logs>"}


@pytest.mark.parametrize("mode", ["Active", "PassThrough"])
def test_tracing_can_be_switched(mode: str) -> None:
    stack = Stack("template.yaml", {"Tracing": mode})
    assert {function["TracingConfig"]["Mode"] for function in functions(stack).values()} == {mode}
    (stage,) = stack.of_type("AWS::ApiGateway::Stage").values()
    assert stage["TracingEnabled"] == (mode == "Active")


def test_concurrency_is_reserved_only_where_asked() -> None:
    assert not any(
        "ReservedConcurrentExecutions" in function for function in functions(Stack("template.yaml", AWS)).values()
    )
    reserved = functions(Stack("template.yaml", {"ApiReservedConcurrency": "50", "WorkerReservedConcurrency": "12"}))
    assert reserved["Api"]["ReservedConcurrentExecutions"] == "50"
    assert reserved["ExecuteOrders"]["ReservedConcurrentExecutions"] == "12"
