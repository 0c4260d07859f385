"""Every permission of every role is needed and enforced: without it exactly that call fails, with it all is well."""

from collections.abc import Iterator
from functools import partial

import pytest

from localstack.local_stack.processes import wait_until
from localstack.local_stack.stack_for_tests import Stack
from tests.e2e.calls import CASES, GONE, MANAGE, TO_THE_WORKERS, Trigger, World
from tests.e2e.roles import Permission, Roles, denials
from tests.e2e.trader import ORDER

LIMIT_SECONDS = 60
POST, DELETE = (Permission("PushStatus", MANAGE, method) for method in ("POST", "DELETE"))
# Lambda itself does this for a function, with the function's role; the emulator doesn't ask IAM then.
READING = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
CONSUMED = {
    "ExecuteOrders": "OrdersQueue",
    "PushStatus": "StatusEventsQueue",
    "Heartbeat": "HeartbeatsQueue",
    "Watch": "TicksQueue",
    "DeadLetter": "OrdersDeadLetterQueue",
}
DONE_BY_LAMBDA = {Permission(name, action, queue) for name, queue in CONSUMED.items() for action in READING}


def is_confirmed(world: World, order_id: str) -> bool:
    return world.status(order_id) == "confirmed"


def what_is_denied(trigger: Trigger, world: World) -> set[str]:
    """On a crowded machine a function may give up on a slow call before the denied one: it is called three times."""
    found: set[str] = set()
    for _ in range(3):
        found = found or denials(trigger(world))
    return found


@pytest.fixture(scope="module")
def roles(stack: Stack) -> Iterator[Roles]:
    roles = Roles(stack)
    yield roles
    roles.close()


@pytest.fixture(scope="module")
def world(stack: Stack, roles: Roles) -> Iterator[World]:
    world = World(stack, roles)
    world.settled, world.another = (str(world.post("/api/orders/execute", ORDER)["orderId"]) for _ in range(2))
    with roles.without(TO_THE_WORKERS):
        world.parked = [world.park() for _ in range(6)]
    for order_id in (world.settled, world.another):
        assert wait_until(partial(is_confirmed, world, order_id), LIMIT_SECONDS)
    yield world
    for connection_id in world.connections():
        world.forget(connection_id)
    for order_id in world.parked:
        world.sql("UPDATE orders SET lease_expires_at = NULL, lease_token = NULL WHERE id = %s", order_id)
        world.due(order_id, 0)


def test_every_permission_is_taken_away_somewhere(world: World) -> None:
    held = {permission for name in world.stack.function_names for permission in world.roles.permissions(name)}
    assert held == set(CASES) | {DELETE} | DONE_BY_LAMBDA


@pytest.mark.parametrize("permission", CASES, ids=str)
def test_without_a_permission_exactly_its_call_is_denied(world: World, permission: Permission) -> None:
    trigger = CASES[permission]
    with world.roles.without(permission):
        assert what_is_denied(trigger, world) == {permission.action}
    assert denials(trigger(world)) == set()


def test_a_connection_that_may_not_be_closed_is_kept_for_later(world: World) -> None:
    def push() -> list[tuple[str, bool]]:
        world.follow(GONE, apart=True)
        lines = world.roles.call("PushStatus", world.push(GONE, tries=9))
        return [(line["message"], bool(denials([line]))) for line in lines if line["message"].endswith("_refused")]

    with world.roles.without(POST):
        assert push() == [("post_refused", True), ("close_refused", False)]
    with world.roles.without(POST, DELETE):
        assert push() == [("post_refused", True), ("close_refused", True)]
    assert push() == []
