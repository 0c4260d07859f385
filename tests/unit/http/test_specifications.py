"""The specifications say what the code does: every route, status, header, field, code and frame."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

import app
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.events import OrderFailed, apply
from chalicelib.domain.order import Failure
from chalicelib.domain.transitions import OrderStatus
from chalicelib.http.problems import PROBLEM_TYPES, ProblemCode
from chalicelib.http.stream_messages import STREAM_ERRORS, StreamCode
from chalicelib.services.event_messages import describe
from chalicelib.services.views import history_view, status_message
from docs.api.asyncapi import EXAMPLES, asyncapi
from docs.api.generate import FAILURES, FRONT_DOOR, generated
from docs.api.openapi import component_name, openapi
from docs.api.operations import OPERATIONS
from docs.api.samples import BASE, samples
from localstack.gateway.problems import _TITLES
from tests.fakes import an_order
from tests.unit.http.service import Service
from tests.unit.http.specification import check_message

ROOT = Path(__file__).resolve().parents[3]


def references(part: Any) -> Iterator[str]:
    """Every $ref below a part of a document."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def found(document: Any, reference: str) -> Any:
    """What a reference points to."""
    for name in reference.removeprefix("#/").split("/"):
        document = document[name]
    return document


def test_every_route_of_the_app_is_specified_and_the_reverse() -> None:
    routes = {(method, path) for path, methods in app.app.routes.items() for method in methods}
    specified = {(operation.method, operation.path) for operation in OPERATIONS}
    heads = {("HEAD", path) for method, path in specified if method == "GET"}
    assert routes == specified | heads | {("OPTIONS", path) for _, path in specified}


@pytest.mark.parametrize("document", [openapi(), asyncapi()], ids=["openapi", "asyncapi"])
def test_documents_hold_together(document: dict[str, Any]) -> None:
    for reference in references(document):
        assert found(document, reference)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(document)) == document


def test_every_problem_is_documented_where_it_can_come() -> None:
    documented = {code for operation in OPERATIONS for code in operation.all_problems}
    # What API Gateway says to a path that no route has.
    assert documented | {ProblemCode.NOT_FOUND} == set(ProblemCode)


def test_every_example_of_a_request_is_accepted(service: Service) -> None:
    for operation in OPERATIONS:
        if operation.body:
            order_id = service.place(orderType="limit", limitPrice="170").body["orderId"]
            path = operation.path.replace("{order_id}", order_id)
            got = service.call(operation.method, path, body=dict(operation.example))
            assert got.status in operation.answers, got.text


@pytest.mark.parametrize("status", list(OrderStatus))
def test_orders_of_every_status_are_as_specified(service: Service, status: OrderStatus) -> None:
    order = an_order(status)
    service.store.put(order)
    assert service.call("GET", f"/api/orders/{order.id}").body["status"] == status
    events = service.call("GET", f"/api/orders/{order.id}/events").body["events"]
    assert events[-1]["status"] == status


def test_every_frame_of_a_status_is_as_specified(service: Service) -> None:
    order = an_order(OrderStatus.BUILDING, sequence=3)
    failure = Failure(ErrorCode.NO_QUOTE, "No venue gave a quote.", retryable=True)
    event = OrderFailed(failure)
    message, meta = describe(order, event)
    history = history_view(service.store.put(order))
    for told in history["events"]:
        check_message("StatusMessage", status_message(told, None))
    check_message("StatusMessage", status_message(history["events"][-1], history["order"]))
    over = history_view(service.store.put(apply(order, event)))
    last = {**over["events"][-1], "message": message, "meta": json.loads(json.dumps(meta))}
    check_message("StatusMessage", status_message(last, over["order"]))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", list(EXAMPLES), ids=component_name)
def test_examples_of_frames_are_as_specified(kind: type) -> None:
    check_message(component_name(kind), EXAMPLES[kind])


def test_committed_documents_are_up_to_date() -> None:
    for path, content in generated().items():
        assert path.read_text(encoding="utf-8") == content, f"{path.name} is old: run python docs/api/generate.py"


def test_every_code_is_explained() -> None:
    assert set(PROBLEM_TYPES) == set(ProblemCode)
    assert set(STREAM_ERRORS) == set(StreamCode)
    assert set(FAILURES) == set(ErrorCode)
    own = set(_TITLES) - set(FRONT_DOOR) - set(StreamCode)
    assert {code: _TITLES[code] for code in own} == {code: PROBLEM_TYPES[ProblemCode(code)].title for code in own}


def test_the_gateways_own_answers_use_the_catalogue() -> None:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    codes = re.findall(r'"code":"([a-z_]+)"', template)
    assert codes
    for code in codes:
        assert f'"type":"urn:order-engine:problem:{code}"' in template
        title = PROBLEM_TYPES[ProblemCode(code)].title
        assert f'"title":"{title}"' in template, code


def test_every_example_of_an_answer_is_one() -> None:
    document = openapi()
    seen = set()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/json", {})
                if "$ref" in content.get("schema", {}):
                    schema = {**content["schema"], "components": document["components"]}
                    jsonschema.Draft202012Validator(schema).validate(content["example"])
                    seen.add((path, status))
    assert ("/api/orders/{order_id}", "200") in seen
    assert len(seen) >= 11


CALLS = [
    (method, path, operation) for path, methods in openapi()["paths"].items() for method, operation in methods.items()
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[2]["operationId"])
def test_every_call_is_shown_in_each_language_with_the_specification_s_example(call: tuple[str, str, Any]) -> None:
    method, path, operation = call
    shown = samples(method, path, operation)
    if operation["operationId"] == "openStream":
        assert shown.keys() == {"Python", "TypeScript"}
        return
    assert shown.keys() == {"curl", "Python", "TypeScript"}
    words = shlex.split(shown["curl"])
    assert f"{BASE}{path.partition('{')[0]}" in words[-1] or any(word.startswith(BASE) for word in words)
    sent = words[words.index("-X") + 1] if "-X" in words else "POST" if "-d" in words else "GET"
    assert sent.lower() == method
    if "requestBody" in operation:
        example = operation["requestBody"]["content"]["application/json"]["example"]
        assert json.loads(words[words.index("-d") + 1]) == example
        assert json.dumps(example) in shown["TypeScript"]
