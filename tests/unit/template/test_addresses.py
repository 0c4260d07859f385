"""Whoever is told an address can reach it, on each target."""

import pytest

from tests.unit.infra.sam import Stack
from tests.unit.template.facts import AWS, EMBEDDED, functions


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
    # Deployed before there is one, the route would answer nothing until the next deployment.
    stage = stack.of_type("AWS::ApiGatewayV2::Stage")["WebSocketStage"]
    assert ("<MessageRouteResponse>" in stage["Description"]) == created
    default = stack.resources["MessageRoute"]["Properties"]
    assert default["RouteResponseSelectionExpression"] == "$default"
