"""The connections table in DynamoDB: who follows which order, or all orders of which user, and nothing else.

Each follower has an item, found by its order or its user; who follows a user gets one, too, for each order that he is
sent something of. Each connection has one with what it asked to follow, under its own id in both keys: a set that is
written on a condition is what makes their limit exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
)
from pynamodb.exceptions import PynamoDBException, UpdateError
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.followers import MAX_SUBSCRIPTIONS, Follower, TooManySubscriptions

if TYPE_CHECKING:
    from chalicelib.adapters.aws.dynamo_calls import DynamoCalls

# API Gateway ends a connection after two hours; a row outlives it by a little.
ROW_LIFETIME = timedelta(hours=2, minutes=15)
Result = TypeVar("Result")


class Connection(Model):
    """One connection that follows one order, or a user; or, where both keys are its id, what it asked to follow."""

    class Meta:
        table_name = "unnamed"

    order_id = UnicodeAttribute(hash_key=True)
    connection_id = UnicodeAttribute(range_key=True)
    last_sequence = NumberAttribute(null=True)
    connected_at = UTCDateTimeAttribute(null=True)
    opened = BooleanAttribute(null=True)
    session_ends_at = UTCDateTimeAttribute(null=True)
    apart = BooleanAttribute(null=True)
    of_user = BooleanAttribute(null=True)
    opening = NumberAttribute(null=True)
    shown = JSONAttribute(null=True)
    orders = UnicodeSetAttribute(null=True)
    expires_at = TTLAttribute()


class DynamoFollowers:
    """`Followers` on DynamoDB."""

    def __init__(self, table_name: str, calls: DynamoCalls | None = None) -> None:
        """PynamoDB's own client, botocore's, takes three times the processor time of `calls`; moto knows that one."""

        class Meta(Connection.Meta):
            pass

        Meta.table_name = table_name
        self._model: type[Connection] = type("Connection", (Connection,), {"Meta": Meta})
        if calls is not None:
            self._model._get_connection().connection._client = calls  # type: ignore[assignment]  # noqa: SLF001

    def add(self, follower: Follower) -> None:
        if not follower.of_user:
            self._take_room(follower)
        _translate_errors(self._row(follower).save)

    def _take_room(self, follower: Follower) -> None:
        orders = self._model.orders
        room = (
            orders.does_not_exist() | orders.contains(follower.order_id) | (size(orders) < MAX_SUBSCRIPTIONS)  # type: ignore[no-untyped-call]
        )
        actions: list[Action] = [orders.add({follower.order_id}), self._model.expires_at.set(_expiry())]
        if not self._update(follower.connection_id, follower.connection_id, actions, room):
            raise TooManySubscriptions

    def _row(self, follower: Follower) -> Connection:
        return self._model(
            follower.order_id,
            follower.connection_id,
            last_sequence=follower.last_sequence,
            connected_at=follower.connected_at,
            opened=follower.opened,
            session_ends_at=follower.session_ends_at,
            apart=follower.apart or None,
            of_user=follower.of_user or None,
            opening=follower.opening,
            shown=dict(follower.shown) or None,
            expires_at=_expiry(),
        )

    def begin(self, follower: Follower, opening: int, shown: Mapping[str, int]) -> None:
        actions: list[Action] = [self._model.opening.set(opening), self._model.shown.set(dict(shown))]
        self._update(*follower.key, actions, self._model.connected_at == follower.connected_at)

    def set_apart(self, follower: Follower) -> None:
        if follower.of_user:
            self._save_of_user(replace(follower, apart=True), self._model.connected_at == follower.connected_at)
            return
        self._update(*follower.key, [self._model.apart.set(True)], self._model.connected_at == follower.connected_at)

    def of_order(self, order_id: str) -> Sequence[Follower]:
        return _translate_errors(lambda: _followers(self._model.query(order_id, consistent_read=True)))

    def orders_of(self, connection_id: str) -> Sequence[str]:
        key = self._model.connection_id == connection_id
        found = _translate_errors(lambda: list(self._model.query(connection_id, key, consistent_read=True)))
        return sorted(found[0].orders or ()) if found else []

    def sessions(self) -> Mapping[str, datetime | None]:
        """Every connection that follows an order, and when the last of its sessions ends. Raises `Unavailable`."""
        sessions: dict[str, datetime | None] = {}
        for connection_id, ends_at in _translate_errors(
            lambda: [
                (row.connection_id, row.session_ends_at)
                for row in self._model.scan()
                # A row that came by itself may be left from a connection that has gone.
                if row.order_id != row.connection_id and not row.of_user
            ]
        ):
            known = sessions.setdefault(connection_id, ends_at)
            sessions[connection_id] = max(known, ends_at) if known and ends_at else None
        return sessions

    def find(self, order_id: str, connection_id: str) -> Follower | None:
        key = self._model.connection_id == connection_id
        found = _translate_errors(lambda: _followers(self._model.query(order_id, key, consistent_read=True)))
        return found[0] if found else None

    def record(self, follower: Follower, sequence: int) -> None:
        # Whoever subscribed anew meanwhile is to be sent again what it asked for: its row is another subscription's.
        # One that left, or has been told more already, is fine too.
        same_and_behind = (self._model.connected_at == follower.connected_at) & (self._model.last_sequence < sequence)
        if follower.of_user:
            self._save_of_user(replace(follower, last_sequence=sequence, opened=True), same_and_behind)
            return
        actions: list[Action] = [self._model.last_sequence.set(sequence), self._model.opened.set(True)]
        self._update(*follower.key, actions, same_and_behind)

    def _save_of_user(self, follower: Follower, as_known: Condition) -> None:
        """Its first row, or a later state of the same; one of an earlier subscription makes way, a named order not."""
        model = self._model
        earlier = model.of_user.exists() & (model.connected_at < follower.connected_at)
        condition = model.connected_at.does_not_exist() | earlier | (model.of_user.exists() & as_known)
        ends_at = follower.session_ends_at
        actions: list[Action] = [
            model.last_sequence.set(follower.last_sequence),
            model.connected_at.set(follower.connected_at),
            model.opened.set(follower.opened),
            model.session_ends_at.set(ends_at) if ends_at else model.session_ends_at.remove(),
            model.apart.set(True) if follower.apart else model.apart.remove(),
            model.of_user.set(True),
            model.expires_at.set(_expiry()),
        ]
        self._update(*follower.key, actions, condition)

    def leave_to_user(self, order_id: str, connection_id: str) -> None:
        now = datetime.now(UTC)
        actions: list[Action] = [self._model.of_user.set(True), self._model.connected_at.set(now)]
        self._update(order_id, connection_id, actions, self._model.connected_at.exists())
        orders = self._model.orders
        self._update(connection_id, connection_id, [orders.delete({order_id})], orders.contains(order_id))

    def remove(self, order_id: str, connection_id: str) -> None:
        _translate_errors(self._model(order_id, connection_id).delete)
        orders = self._model.orders
        self._update(connection_id, connection_id, [orders.delete({order_id})], orders.contains(order_id))

    def forget(self, connection_id: str) -> Sequence[str]:
        followed = self.orders_of(connection_id)
        _translate_errors(lambda: self._delete_all([*followed, connection_id], connection_id))
        return followed

    def _delete_all(self, order_ids: Sequence[str], connection_id: str) -> None:
        """In calls of 25 at most."""
        with self._model.batch_write() as batch:
            for order_id in order_ids:
                batch.delete(self._model(order_id, connection_id))

    def _update(self, order_id: str, connection_id: str, actions: list[Action], condition: Condition) -> bool:
        """Whether the condition held, and the item was written. Raises `Unavailable`."""
        try:
            self._model(order_id, connection_id).update(actions=actions, condition=condition)
        except UpdateError as error:
            if error.cause_response_code == "ConditionalCheckFailedException":
                return False
            raise Unavailable(f"The connections table cannot be reached: {error}") from error
        except PynamoDBException as error:
            raise Unavailable(f"The connections table cannot be reached: {error}") from error
        return True


def _expiry() -> datetime:
    return datetime.now(UTC) + ROW_LIFETIME


def _followers(rows: Iterable[Connection]) -> list[Follower]:
    return [
        Follower(
            order_id=row.order_id,
            connection_id=row.connection_id,
            last_sequence=int(row.last_sequence),
            connected_at=row.connected_at,
            opened=bool(row.opened),
            session_ends_at=row.session_ends_at,
            apart=bool(row.apart),
            of_user=bool(row.of_user),
            opening=int(row.opening) if row.opening is not None else None,
            shown=row.shown or {},
        )
        for row in rows
    ]


def _translate_errors(call: Callable[[], Result]) -> Result:
    try:
        return call()
    except PynamoDBException as error:
        raise Unavailable(f"The connections table cannot be reached: {error}") from error
