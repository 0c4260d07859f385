"""Cold starts: every function's first call finds imported what it needs (real Postgres, a stand-in for AWS)."""

from collections.abc import Iterator

import pytest

from tests.fakes.first_call import ORDER, Aws, Functions, aws, environment, post
from tests.unit.template.facts import HANDLERS

BATCHES = ("execute_orders", "push_status", "dead_letter")


@pytest.fixture
def services() -> Iterator[Aws]:
    with aws() as running:
        yield running


@pytest.fixture
def functions(services: Aws, database_url: str) -> Functions:
    return Functions(environment(services, database_url))


def test_no_function_s_first_call_imports_anything(functions: Functions, services: Aws) -> None:
    functions.follow_an_order(services)
    assert {name: call.late for name, call in functions.calls.items()} == {name: [] for name in HANDLERS.values()}
    answers = {name: call.answer for name, call in functions.calls.items()}
    assert answers["app"]["statusCode"] == 202
    assert answers["websocket_connect"] == {"statusCode": 200}
    assert answers["websocket_message"]["statusCode"] == 200
    assert answers["reconcile"] == {"repairs": 0}
    assert all(answers[name] == {"batchItemFailures": []} for name in BATCHES)


def test_a_wrong_setting_is_told_by_the_call_not_by_the_start(functions: Functions) -> None:
    functions.environment["DATABASE_CONNECTIONS"] = "many"
    refused = functions.call("app", post("/api/orders/execute", ORDER))
    assert refused["statusCode"] == 500
