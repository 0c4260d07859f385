"""What each function does with each of its permissions: calls of the deployed functions that need one."""

import asyncio
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import psycopg

from localstack.local_stack.stack_for_tests import Stack
from tests.e2e.roles import Line, Permission, Roles
from tests.e2e.trader import ORDER
from tests.fakes.aws import SCHEDULED, sqs_event, sqs_record, websocket_event

PARKED_SECONDS = 86_400
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
GONE = "gone="


@dataclass
class World:
    """A deployed stack with orders that are over, some that nobody works on, and what is needed to call functions."""

    stack: Stack
    roles: Roles
    settled: str = ""
    another: str = ""
    parked: list[str] = field(default_factory=list)

    def post(self, path: str, body: object = None) -> Any:
        """The answer to a POST, whatever its status."""
        request = urllib.request.Request(
            f"{self.stack.base_url}{path}",
            method="POST",
            data=json.dumps(body).encode() if body is not None else b"",
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def get(self, path: str) -> Any:
        """The JSON of a GET, whatever its status."""
        try:
            with urllib.request.urlopen(f"{self.stack.base_url}{path}", timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def status(self, order_id: str) -> str:
        """The status of an order."""
        return str(self.get(f"/api/orders/{order_id}")["status"])

    def sql(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.stack.database_url) as connection:
            connection.execute(statement.encode(), values)

    def park(self) -> str:
        """An order that stays pending and has a follower: not enqueued, and reconcile has no business with it."""
        order_id = str(self.post("/api/orders/execute", ORDER)["orderId"])
        self.sql("UPDATE orders SET followed_until = clock_timestamp() + interval '1 hour' WHERE id = %s", order_id)
        self.due(order_id, PARKED_SECONDS)
        return order_id

    def due(self, order_id: str, seconds: int) -> None:
        """When reconcile has to look at an order."""
        moment = "clock_timestamp() + make_interval(secs => %s)"
        self.sql(f"UPDATE orders SET attention_at = {moment} WHERE id = %s", seconds, order_id)
        self.sql(f"UPDATE order_attention SET look_at = {moment} WHERE order_id = %s", seconds, order_id)

    def rest(self, changes: str) -> str:
        """An order that waits for a price that never comes, with these changes to its row; nobody watches."""
        limit = {**ORDER, "orderType": "limit", "limitPrice": "3000"}
        order_id = str(self.post("/api/orders/execute", limit)["orderId"])
        self.sql(f"UPDATE orders SET {changes} WHERE id = %s", order_id)
        self.sql("UPDATE watch SET awake_until = '2000-01-01T00:00:00Z'")
        return order_id

    def held(self) -> str:
        """A parked order that another worker has."""
        lease = "lease_token = %s, lease_expires_at = clock_timestamp() + interval '1 hour'"
        self.sql(f"UPDATE orders SET {lease} WHERE id = %s", uuid.uuid4(), self.parked[0])
        return self.parked[0]

    def follow(
        self,
        connection_id: str,
        *,
        sequence: int = 0,
        since: datetime = LONG_AGO,
        session_is_over: bool = False,
        apart: bool = False,
    ) -> None:
        """Stores a follower of the settled order."""
        row: dict[str, Any] = {
            "order_id": {"S": self.settled},
            "connection_id": {"S": connection_id},
            "last_sequence": {"N": str(sequence)},
            "connected_at": {"S": since.strftime("%Y-%m-%dT%H:%M:%S.%f+0000")},
            "expires_at": {"N": str(int(time.time()) + 600)},
        }
        if session_is_over:
            row["session_ends_at"] = row["connected_at"]
        if apart:
            row["apart"] = {"BOOL": True}
        itself = {"order_id": {"S": connection_id}, "connection_id": {"S": connection_id}}
        orders = {"orders": {"SS": [self.settled]}, "expires_at": row["expires_at"]}
        for item in (row, {**itself, **orders}):
            self.roles.table.put_item(TableName=self.stack.outputs["ConnectionsTableName"], Item=item)

    def connections(self) -> list[str]:
        """Who follows the settled order."""
        rows = self.roles.table.query(
            TableName=self.stack.outputs["ConnectionsTableName"],
            KeyConditionExpression="order_id = :order",
            ExpressionAttributeValues={":order": {"S": self.settled}},
        )["Items"]
        return [row["connection_id"]["S"] for row in rows]

    def forget(self, connection_id: str) -> None:
        """Removes that follower."""
        key = {"order_id": {"S": self.settled}, "connection_id": {"S": connection_id}}
        self.roles.table.delete_item(TableName=self.stack.outputs["ConnectionsTableName"], Key=key)

    def push(self, connection_id: str | None = None, *, tries: int | None = None) -> object:
        """The event of a push of the settled order's history; with `tries`, in the follower's own group."""
        history = {
            "order": self.get(f"/api/orders/{self.settled}"),
            "events": self.get(f"/api/orders/{self.settled}/events")["events"],
        }
        body = {"history": history, "connectionId": connection_id, "apart": tries is not None}
        return sqs_event([sqs_record(json.dumps(body), group=self.settled, receives=(tries or 0) + 1)])


def order_event(order_id: str) -> object:
    return sqs_event([sqs_record(json.dumps({"orderId": order_id}))])


TO_THE_WORKERS = Permission("Api", "sqs:SendMessage", "OrdersQueue")
MANAGE = "execute-api:ManageConnections"
Trigger = Callable[[World], list[Line]]
CASES: dict[Permission, Trigger] = {}


def needs(function: str, action: str, resource: str) -> Callable[[Trigger], Trigger]:
    """Registers what a function does with a permission; several may share it."""

    def register(trigger: Trigger) -> Trigger:
        CASES[Permission(function, action, resource)] = trigger
        return trigger

    return register


def over_http(world: World, call: Callable[[], object]) -> list[Line]:
    since = time.time()
    call()
    return world.roles.logged("Api", since)


@needs("Api", "sqs:SendMessage", "OrdersQueue")
def accept(world: World) -> list[Line]:
    return over_http(world, world.park)


@needs("Api", "sqs:GetQueueAttributes", "OrdersQueue")
def be_healthy(world: World) -> list[Line]:
    return over_http(world, lambda: world.get("/health"))


@needs("Api", "sqs:SendMessage", "StatusEventsQueue")
def cancel(world: World) -> list[Line]:
    return over_http(world, lambda: world.post(f"/api/orders/{world.parked.pop()}/cancel"))


@needs("Api", "sqs:SendMessage", "TicksQueue")
def send_for_the_watcher(world: World) -> list[Line]:
    world.sql("UPDATE watch SET awake_until = '2000-01-01T00:00:00Z'")
    return over_http(world, lambda: world.rest("fires_from = NULL"))


@needs("ExecuteOrders", "sqs:SendMessage", "TicksQueue")
def rest_again(world: World) -> list[Line]:
    order_id = world.rest("status = 'routing', sequence = 2, fires = 1, attention_at = clock_timestamp()")
    world.sql(
        "INSERT INTO order_events (order_id, sequence, status, attempt, message, meta, occurred_at)"
        " VALUES (%s, 2, 'routing', 1, 'Asked.', '{}', now() - interval '1 hour')",
        order_id,
    )
    return world.roles.call("ExecuteOrders", order_event(order_id))


@needs("Watch", "sqs:SendMessage", "TicksQueue")
def queue_beats(world: World) -> list[Line]:
    world.rest("fires_from = NULL")
    return world.roles.call("Watch", sqs_event([sqs_record('{"tick": "minute"}')]))


@needs("Watch", "sqs:SendMessage", "OrdersQueue")
def fire(world: World) -> list[Line]:
    world.rest("bound = 1, limit_price = 1, least_output = 1")
    return world.roles.call("Watch", sqs_event([sqs_record('{"tick": "beat"}')]))


@needs("Watch", "sqs:SendMessage", "StatusEventsQueue")
def tell_what_expired(world: World) -> list[Line]:
    world.rest("expires_at = now(), followed_until = now() + interval '1 hour'")
    return world.roles.call("Watch", sqs_event([sqs_record('{"tick": "beat"}')]))


@needs("ExecuteOrders", "sqs:SendMessage", "StatusEventsQueue")
def tell_an_end(world: World) -> list[Line]:
    world.due(world.settled, PARKED_SECONDS)  # not told yet
    return world.roles.call("ExecuteOrders", order_event(world.settled))


@needs("ExecuteOrders", "sqs:ChangeMessageVisibility", "OrdersQueue")
def postpone(world: World) -> list[Line]:
    return world.roles.call("ExecuteOrders", order_event(world.held()))


@needs("DeadLetter", "sqs:ChangeMessageVisibility", "OrdersDeadLetterQueue")
def postpone_a_burial(world: World) -> list[Line]:
    return world.roles.call("DeadLetter", order_event(world.held()))


@needs("DeadLetter", "sqs:SendMessage", "StatusEventsQueue")
def bury(world: World) -> list[Line]:
    order_id = world.parked.pop()
    world.sql("UPDATE orders SET fruitless_claims = 2 WHERE id = %s", order_id)
    return world.roles.call("DeadLetter", order_event(order_id))


@needs("Reconcile", "sqs:GetQueueAttributes", "OrdersQueue")
@needs("Reconcile", "sqs:SendMessage", "OrdersQueue")
def enqueue_again(world: World) -> list[Line]:
    world.due(world.held(), -1)
    return world.roles.call("Reconcile", SCHEDULED)


@needs("Reconcile", "sqs:SendMessage", "StatusEventsQueue")
def tell_again(world: World) -> list[Line]:
    world.due(world.settled, -1)
    return world.roles.call("Reconcile", SCHEDULED)


@needs("PushStatus", "dynamodb:Query", "ConnectionsTable")
def find_followers(world: World) -> list[Line]:
    return world.roles.call("PushStatus", world.push())


@needs("PushStatus", "dynamodb:UpdateItem", "ConnectionsTable")
def record(world: World) -> list[Line]:
    # Of another order: what can't be recorded comes again after 30 s, and holds up the order's messages until then.
    other = World(world.stack, world.roles, settled=world.another)

    async def push_to_somebody() -> list[Line]:
        url = f"{world.stack.ws_url}/api/orders/execute?orderId={other.settled}"
        async with aiohttp.ClientSession() as http, http.ws_connect(url):
            return await asyncio.to_thread(push)

    def push() -> list[Line]:
        (connection_id, *_) = other.connections()
        other.follow(connection_id)  # as if it had seen nothing
        return other.roles.call("PushStatus", other.push(connection_id))

    return asyncio.run(push_to_somebody())


@needs("PushStatus", "dynamodb:DeleteItem", "ConnectionsTable")
@needs("PushStatus", MANAGE, "POST")
def drop(world: World) -> list[Line]:
    world.follow(GONE)
    return world.roles.call("PushStatus", world.push(GONE))


@needs("PushStatus", "sqs:SendMessage", "StatusEventsQueue")
def give_way(world: World) -> list[Line]:
    world.follow(GONE, since=datetime.now(UTC))
    try:
        return world.roles.call("PushStatus", world.push(GONE))
    finally:
        world.forget(GONE)


@needs("PushStatus", "sqs:ChangeMessageVisibility", "StatusEventsQueue")
def send_off(world: World) -> list[Line]:
    world.follow(GONE, since=datetime.now(UTC), apart=True)
    try:
        return world.roles.call("PushStatus", world.push(GONE, tries=1))
    finally:
        world.forget(GONE)


@needs("Heartbeat", "sqs:SendMessage", "HeartbeatsQueue")
def ask_for_another_beat(world: World) -> list[Line]:
    return world.roles.call("Heartbeat", sqs_event([sqs_record('{"beat": 1}')]))


@needs("Heartbeat", "dynamodb:Scan", "ConnectionsTable")
@needs("Heartbeat", "dynamodb:Query", "ConnectionsTable")
@needs("Heartbeat", "dynamodb:DeleteItem", "ConnectionsTable")
@needs("Heartbeat", "dynamodb:UpdateItem", "ConnectionsTable")
@needs("Heartbeat", MANAGE, "POST")
def beat(world: World) -> list[Line]:
    world.follow(GONE)
    return world.roles.call("Heartbeat", sqs_event([sqs_record('{"beat": 2}')]))


@needs("Heartbeat", MANAGE, "DELETE")
def end_a_session(world: World) -> list[Line]:
    world.follow(GONE, session_is_over=True)
    return world.roles.call("Heartbeat", sqs_event([sqs_record('{"beat": 2}')]))


@needs("WebsocketConnect", "dynamodb:PutItem", "ConnectionsTable")
@needs("WebsocketConnect", "dynamodb:UpdateItem", "ConnectionsTable")
@needs("WebsocketConnect", "dynamodb:Query", "ConnectionsTable")
@needs("WebsocketConnect", "sqs:SendMessage", "StatusEventsQueue")
def connect(world: World) -> list[Line]:
    query = {"orderId": world.settled}
    return world.roles.call("WebsocketConnect", websocket_event("$connect", GONE, query=query))


@needs("WebsocketConnect", "dynamodb:DeleteItem", "ConnectionsTable")
def connect_to_nothing(world: World) -> list[Line]:
    query = {"orderId": f"ord_{'0' * 32}"}
    return world.roles.call("WebsocketConnect", websocket_event("$connect", GONE, query=query))


def say(world: World, action: str) -> list[Line]:
    body = json.dumps({"action": action, "orderId": world.settled})
    return world.roles.call("WebsocketMessage", websocket_event("$default", GONE, body=body))


@needs("WebsocketMessage", "dynamodb:UpdateItem", "ConnectionsTable")
@needs("WebsocketMessage", "dynamodb:PutItem", "ConnectionsTable")
@needs("WebsocketMessage", "sqs:SendMessage", "StatusEventsQueue")
def subscribe(world: World) -> list[Line]:
    world.forget(GONE)
    return say(world, "subscribe")


@needs("WebsocketMessage", "dynamodb:Query", "ConnectionsTable")
def subscribe_anew(world: World) -> list[Line]:
    world.follow(GONE)
    return say(world, "subscribe")


@needs("WebsocketMessage", "dynamodb:DeleteItem", "ConnectionsTable")
def unsubscribe(world: World) -> list[Line]:
    return say(world, "unsubscribe")


@needs("WebsocketDisconnect", "dynamodb:Query", "ConnectionsTable")
@needs("WebsocketDisconnect", "dynamodb:BatchWriteItem", "ConnectionsTable")
def forget_connection(world: World) -> list[Line]:
    world.follow(GONE)
    return world.roles.call("WebsocketDisconnect", websocket_event("$disconnect", GONE))
