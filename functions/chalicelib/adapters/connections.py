"""The connections table in DynamoDB: who follows which order, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pynamodb.attributes import BooleanAttribute, NumberAttribute, TTLAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.exceptions import PynamoDBException, UpdateError
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from chalicelib.domain.errors import Unavailable
from chalicelib.services.followers import Follower

# API Gateway ends a connection after two hours; a row outlives it by a little.
ROW_LIFETIME = timedelta(hours=2, minutes=15)
Result = TypeVar("Result")


class ByConnection(GlobalSecondaryIndex["Connection"]):  # type: ignore[no-untyped-call]
    """Finds a connection's rows for the clean-up."""

    class Meta:
        index_name = "by_connection"
        projection = KeysOnlyProjection()

    connection_id = UnicodeAttribute(hash_key=True)


class Connection(Model):
    """One connection that follows one order."""

    class Meta:
        table_name = "unnamed"
        # Given up after 4.5 s at most, which a pusher's reserve (batches.RESERVE_MS) has room for behind its last post.
        connect_timeout_seconds = 0.5
        read_timeout_seconds = 1.25
        max_retry_attempts = 1
        max_pool_connections = 32

    order_id = UnicodeAttribute(hash_key=True)
    connection_id = UnicodeAttribute(range_key=True)
    last_sequence = NumberAttribute()
    connected_at = UTCDateTimeAttribute()
    opened = BooleanAttribute(null=True)
    session_ends_at = UTCDateTimeAttribute(null=True)
    expires_at = TTLAttribute()
    by_connection = ByConnection()


class DynamoFollowers:
    """`Followers` on DynamoDB."""

    def __init__(self, table_name: str) -> None:
        class Meta(Connection.Meta):
            pass

        Meta.table_name = table_name
        self._model: type[Connection] = type("Connection", (Connection,), {"Meta": Meta})

    def prepare(self) -> None:
        """Makes the client, which PynamoDB would do at the first call only."""
        self._model._get_connection().connection.client  # noqa: B018, SLF001  # a property that makes it

    def add(self, follower: Follower) -> None:
        row = self._model(
            follower.order_id,
            follower.connection_id,
            last_sequence=follower.last_sequence,
            connected_at=follower.connected_at,
            opened=follower.opened,
            session_ends_at=follower.session_ends_at,
            expires_at=datetime.now(UTC) + ROW_LIFETIME,
        )
        _reaching(row.save)

    def of_order(self, order_id: str) -> Sequence[Follower]:
        return _reaching(lambda: _followers(self._model.query(order_id, consistent_read=True)))

    def orders_of(self, connection_id: str) -> Sequence[str]:
        return _reaching(lambda: [row.order_id for row in self._model.by_connection.query(connection_id)])

    def sessions(self) -> Mapping[str, datetime | None]:
        """Every connection that follows an order, and when the last of its sessions ends. Raises `Unavailable`."""
        sessions: dict[str, datetime | None] = {}
        for connection_id, ends_at in _reaching(
            lambda: [(row.connection_id, row.session_ends_at) for row in self._model.scan()]
        ):
            known = sessions.setdefault(connection_id, ends_at)
            sessions[connection_id] = max(known, ends_at) if known and ends_at else None
        return sessions

    def find(self, order_id: str, connection_id: str) -> Follower | None:
        key = self._model.connection_id == connection_id
        found = _reaching(lambda: _followers(self._model.query(order_id, key, consistent_read=True)))
        return found[0] if found else None

    def record(self, follower: Follower, sequence: int) -> None:
        row = self._model(follower.order_id, follower.connection_id)
        # Whoever subscribed anew meanwhile is to be sent again what it asked for: its row is another subscription's.
        same_and_behind = (self._model.connected_at == follower.connected_at) & (self._model.last_sequence < sequence)
        try:
            row.update(
                actions=[self._model.last_sequence.set(sequence), self._model.opened.set(True)],
                condition=same_and_behind,
            )
        except UpdateError as error:
            # The follower left, subscribed anew, or has been told more already: each is fine.
            if error.cause_response_code != "ConditionalCheckFailedException":
                raise Unavailable(f"The connections table cannot be reached: {error}") from error
        except PynamoDBException as error:
            raise Unavailable(f"The connections table cannot be reached: {error}") from error

    def remove(self, order_id: str, connection_id: str) -> None:
        _reaching(self._model(order_id, connection_id).delete)


def _followers(rows: Iterable[Connection]) -> list[Follower]:
    return [
        Follower(
            order_id=row.order_id,
            connection_id=row.connection_id,
            last_sequence=int(row.last_sequence),
            connected_at=row.connected_at,
            opened=bool(row.opened),
            session_ends_at=row.session_ends_at,
        )
        for row in rows
    ]


def _reaching(call: Callable[[], Result]) -> Result:
    try:
        return call()
    except PynamoDBException as error:
        raise Unavailable(f"The connections table cannot be reached: {error}") from error
