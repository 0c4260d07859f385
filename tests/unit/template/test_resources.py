"""Queues, table, stages and logs are as operating them needs."""

import graphlib
import json
import re
from collections.abc import Iterator, KeysView, Mapping, Sequence
from typing import Any

import pytest

from chalicelib.domain.order import MAX_ATTEMPTS
from chalicelib.handlers.sqs_batch import RESERVE_MS
from chalicelib.http.responses import HSTS, SECURITY_HEADERS
from tests.unit.infra.sam import Stack, expanded, source
from tests.unit.template.facts import AWS, EMBEDDED, functions, listed

# What of a request the access logs may name: a query holds stream tickets.
LOGGED = {
    *("requestId", "connectionId", "eventType", "routeKey", "identity", "requestTime", "httpMethod", "path"),
    *("status", "responseLength", "responseLatency", "xrayTraceId"),
}


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
    # No second push of an order begins while the first may run, however long that took to start.
    assert events["VisibilityTimeout"] - lambdas["PushStatusFunction"]["Timeout"] >= 6
    # An order whose worker was killed starts again within half a minute.
    assert queues["OrdersQueue"]["VisibilityTimeout"] <= 30
    # Nor is one given up whose transactions are all dropped by a chain on which they live for 90 s.
    turn = lambdas["ExecuteOrdersFunction"]["Timeout"] - RESERVE_MS / 1000
    assert queues["OrdersQueue"]["RedrivePolicy"]["maxReceiveCount"] * turn > MAX_ATTEMPTS * 90
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
def test_the_worker_s_and_the_pusher_s_concurrency_is_a_number(choice: str) -> None:
    mappings = Stack("template.yaml", {"WorkerConcurrency": choice}).of_type("AWS::Lambda::EventSourceMapping")
    for function in ("ExecuteOrdersFunctionOrders", "PushStatusFunctionStatusEvents"):
        scaling = mappings[function]["ScalingConfig"]
        assert scaling == {"MaximumConcurrency": int(choice)}
        assert type(scaling["MaximumConcurrency"]) is int


def test_connections_expire_and_are_found_without_an_index() -> None:
    (table,) = Stack("template.yaml", AWS).of_type("AWS::DynamoDB::Table").values()
    # A connection's orders stand in an item of its own: an index would follow a moment later, and cost as much.
    assert "GlobalSecondaryIndexes" not in table
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


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
        https_only = {"gatewayresponse.header.Strict-Transport-Security"}
        assert response["ResponseParameters"].items() == {
            (name, value) for name, value in same["responseParameters"].items() if name not in https_only
        }
    assert Stack("template.yaml", AWS).of_type("AWS::ApiGateway::GatewayResponse") == {}


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [("", None), ("*", "'*'"), ("https://a.example,http://localhost:5173", "method.request.header.Origin")],
)
def test_pages_of_allowed_origins_may_read_what_api_gateway_answers_by_itself(allowed: str, origin: str | None) -> None:
    stack = Stack("template.yaml", {**EMBEDDED, "AllowedOrigins": allowed})
    defined = stack.of_type("AWS::ApiGateway::RestApi")["RestApi"]["Body"]["x-amazon-apigateway-gateway-responses"]
    emulated = stack.of_type("AWS::ApiGateway::GatewayResponse").values()
    for headers in [one["responseParameters"] for one in defined.values()] + [
        one["ResponseParameters"] for one in emulated
    ]:
        assert headers.get("gatewayresponse.header.Access-Control-Allow-Origin") == origin


@pytest.mark.parametrize(
    ("place", "hsts"), [(AWS, HSTS), (EMBEDDED, {}), ({**EMBEDDED, "WebSocketRouteResponse": "true"}, {})]
)
def test_what_api_gateway_answers_by_itself_has_the_functions_security_headers(
    place: Mapping[str, str], hsts: Mapping[str, str]
) -> None:
    stack = Stack("template.yaml", place)
    defined = stack.of_type("AWS::ApiGateway::RestApi")["RestApi"]["Body"]["x-amazon-apigateway-gateway-responses"]
    emulated = stack.of_type("AWS::ApiGateway::GatewayResponse").values()
    own = {name: f"'{value}'" for name, value in {**SECURITY_HEADERS, "Cache-Control": "no-store"}.items()}
    with_hsts = {**own, **{name: f"'{value}'" for name, value in hsts.items()}}
    for headers in [one["responseParameters"] for one in defined.values()]:
        assert headers.items() >= {(f"gatewayresponse.header.{name}", value) for name, value in with_hsts.items()}
        assert bool(hsts) == ("gatewayresponse.header.Strict-Transport-Security" in headers)
    for headers in [one["ResponseParameters"] for one in emulated]:
        assert headers.items() >= {(f"gatewayresponse.header.{name}", value) for name, value in own.items()}
    for method in stack.of_type("AWS::ApiGateway::Method").values():
        (answer,) = method["Integration"]["IntegrationResponses"]
        assert answer["ResponseParameters"].items() >= {
            (f"method.response.header.{name}", value) for name, value in own.items()
        }
        assert set(answer["ResponseParameters"]) == set(method["MethodResponses"][0]["ResponseParameters"])


def test_an_access_log_names_no_query_no_header_and_no_ticket() -> None:
    stack = Stack("template.yaml", {"AccessLogs": "true"})
    (rest,) = stack.of_type("AWS::ApiGateway::Stage").values()
    websocket = stack.of_type("AWS::ApiGatewayV2::Stage")["WebSocketStage"]
    for settings in (rest["AccessLogSetting"], websocket["AccessLogSettings"]):
        named = set(re.findall(r"\$context\.(\w+)", settings["Format"]))
        assert named <= LOGGED
    # Execution logs would hold whole requests.
    assert all(setting.get("LoggingLevel", "OFF") == "OFF" for setting in rest["MethodSettings"])
    assert websocket["DefaultRouteSettings"].get("LoggingLevel", "OFF") == "OFF"
    assert not any(setting.get("DataTraceEnabled") for setting in rest["MethodSettings"])


def test_stages_are_throttled() -> None:
    given = {"ThrottleRate": "7", "ThrottleBurst": "9", "WebSocketThrottleRate": "5", "WebSocketThrottleBurst": "6"}
    stack = Stack("template.yaml", given)
    (rest,) = stack.of_type("AWS::ApiGateway::Stage").values()
    websocket = stack.of_type("AWS::ApiGatewayV2::Stage")["WebSocketStage"]
    for settings, limits in (
        (rest["MethodSettings"][0], {"ThrottlingRateLimit": "7", "ThrottlingBurstLimit": "9"}),
        (websocket["DefaultRouteSettings"], {"ThrottlingRateLimit": "5", "ThrottlingBurstLimit": "6"}),
    ):
        assert limits.items() <= settings.items()


@pytest.mark.parametrize("mode", ["Active", "PassThrough"])
def test_tracing_can_be_switched(mode: str) -> None:
    stack = Stack("template.yaml", {"Tracing": mode})
    modes = {name: function["TracingConfig"]["Mode"] for name, function in functions(stack).items()}
    # X-Ray takes the first call of each second, which are all that the watcher gets.
    assert modes.pop("Watch") == "PassThrough"
    assert set(modes.values()) == {mode}
    (stage,) = stack.of_type("AWS::ApiGateway::Stage").values()
    assert stage["TracingEnabled"] == (mode == "Active")


def _needs(value: object, known: KeysView[str]) -> Iterator[str]:
    """The resources that a part of a template names, in whichever branch of a condition."""
    if isinstance(value, list):
        for item in value:
            yield from _needs(item, known)
    elif isinstance(value, dict):
        for key, item in value.items():
            texts = [item] if isinstance(item, str) else item[:1] if isinstance(item, list) else []
            if key == "Fn::Sub":
                yield from known & set(re.findall(r"\$\{(\w+)", str(texts[0])))
            elif key in ("Ref", "Fn::GetAtt"):
                yield from known & {str(texts[0]).split(".")[0]}
            yield from _needs(item, known)


def test_no_resource_waits_for_itself() -> None:
    """cfn-lint does not see what DependsOn closes: CloudFormation would refuse the whole template."""
    resources = expanded("template.yaml")["Resources"]
    graph = {
        logical: {*_needs(resource, resources.keys()), *_depends_on(resource)}
        for logical, resource in resources.items()
    }
    graphlib.TopologicalSorter(graph).prepare()


def _depends_on(resource: Mapping[str, Any]) -> Sequence[str]:
    named = resource.get("DependsOn", [])
    return [named] if isinstance(named, str) else named
