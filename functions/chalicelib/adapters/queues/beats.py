"""The queues whose messages are beats, of heartbeats and of the watcher: a schedule puts each minute's first one in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib.adapters.queues.calls import BATCH, calling, refuse_parts
from chalicelib.services.heartbeat import INTERVAL_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef


class SqsHeartbeats:
    """The queue of heartbeats."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def schedule_next(self, number: int) -> None:
        """Has the beat of that number come `INTERVAL_SECONDS` later. Raises `Unavailable`."""
        with calling("heartbeats"):
            self._client.send_message(
                QueueUrl=self._url, MessageBody=json.dumps({"beat": number}), DelaySeconds=INTERVAL_SECONDS
            )


class SqsTicks:
    """`Ticks` on SQS."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def wake(self) -> None:
        with calling("ticks"):
            self._client.send_message(QueueUrl=self._url, MessageBody=json.dumps({"tick": "wake"}))

    def schedule(self, delays: Sequence[int]) -> None:
        for start in range(0, len(delays), BATCH):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(delay), "MessageBody": json.dumps({"tick": "beat"}), "DelaySeconds": delay}
                for delay in delays[start : start + BATCH]
            ]
            with calling("ticks"):
                refuse_parts("ticks", self._client.send_message_batch(QueueUrl=self._url, Entries=entries))
