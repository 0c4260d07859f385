"""What needs the database runs beside it, and after its migrations; nothing else does."""

import json

import pytest

from tests.unit.infra.sam import Stack
from tests.unit.template.facts import AWS, DATABASE, EMBEDDED, SETTINGS, functions, listed, statements


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


def test_other_migrations_change_the_custom_resource() -> None:
    """A changed property makes CloudFormation call the function again."""
    before, after = (
        Stack("template.yaml", {**AWS, "MigrationsDigest": digest}).resources["Migrations"]["Properties"]
        for digest in ("0a", "0b")
    )
    assert before != after


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
