"""Connections to Postgres: what every function may open, and whether the created instance has that many."""

import re
from typing import Any

import pytest

from localstack.deployment.preflight import connections_of, worker_connections
from tests.unit.infra.sam import ROOT, Stack, source
from tests.unit.template.facts import ANSWER_CLIENTS, AWS, LOGIN, SETTINGS, functions

CHOICES = source("template.yaml")["Parameters"]["WorkerConcurrency"]["AllowedValues"]
# Calls at once of functions that no queue calls: a schedule waits for nobody, so one call may overlap the next.
SCHEDULED = {"Reconcile": 2}


def variables(stack: Stack, name: str) -> dict[str, Any]:
    found: dict[str, Any] = functions(stack)[name]["Environment"]["Variables"]
    return found


def budgets(stack: Stack) -> dict[str, int]:
    """What Postgres lets each role hold, as the migrations are told."""
    pairs = variables(stack, "Migrate")["DATABASE_ROLES"].split(",")
    return {role: int(connections) for role, _, connections in (pair.partition("=") for pair in pairs)}


def calls_at_once(stack: Stack, name: str) -> int:
    """How often a function runs at the same time, by what calls it."""
    if name in SCHEDULED:
        return SCHEDULED[name]
    (limit,) = [
        mapping["ScalingConfig"]["MaximumConcurrency"]
        for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values()
        if mapping["FunctionName"] == f"<{name}Function>"
    ]
    return int(limit)


def test_the_default_budgets_fit_the_default_instance() -> None:
    stack = Stack("template.yaml", AWS)
    allowed = connections_of(stack.parameters["DatabaseInstanceClass"])
    assert allowed is not None
    assert sum(budgets(stack).values()) <= allowed


def test_every_function_logs_in_as_a_role_with_a_budget_and_clients_never_take_the_workers() -> None:
    stack = Stack("template.yaml", AWS)
    roles = {name: variables(stack, name)["DATABASE_USER"] for name in SETTINGS if SETTINGS[name] >= LOGIN}
    assert set(roles.values()) == set(budgets(stack))
    theirs = {role for name, role in roles.items() if name in ANSWER_CLIENTS}
    assert theirs.isdisjoint({role for name, role in roles.items() if name not in ANSWER_CLIENTS})


@pytest.mark.parametrize("choice", CHOICES)
def test_the_workers_budget_covers_all_their_calls_twice(choice: str) -> None:
    stack = Stack("template.yaml", {**AWS, "WorkerConcurrency": choice})
    workers = [name for name in SETTINGS if SETTINGS[name] >= LOGIN and name not in (*ANSWER_CLIENTS, "StoreKeys")]
    most = sum(
        calls_at_once(stack, name) * int(variables(stack, name).get("DATABASE_CONNECTIONS", "1")) for name in workers
    )
    # Twice: after an update the environments of the version before are frozen with theirs.
    assert budgets(stack)["order_engine"] == 2 * most == worker_connections(int(choice))
    assert budgets(stack)["order_engine_keys"] == 2 * calls_at_once(stack, "StoreKeys")


def test_a_changed_budget_reaches_the_roles() -> None:
    def migrations(**parameters: str) -> dict[str, Any]:
        return dict(Stack("template.yaml", {**AWS, **parameters}).of_type("Custom::Migrations")["Migrations"])

    assert budgets(Stack("template.yaml", {**AWS, "ApiConnections": "7"}))["order_engine_api"] == 7
    # CloudFormation calls the custom resource again only where one of its properties changes.
    assert migrations(ApiConnections="7") != migrations()
    assert migrations(WorkerConcurrency="20") != migrations()


def test_the_docs_table_is_the_template_s() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text()
    rows = re.findall(r"^\| (db\.\S+) \| \d GiB \| (\d+) \| (.+) \|$", text, re.MULTILINE)
    assert len(rows) >= 3
    for instance_class, connections, pairs in rows:
        have = connections_of(instance_class)
        assert have == int(connections) - 10, instance_class
        for workers, calls in re.findall(r"(\d+) with (\d+)", pairs):
            assert worker_connections(int(workers)) + int(calls) <= have
