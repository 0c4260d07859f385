"""The calls of SQS that orders make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.adapters.aws.json_calls import JsonCalls


class SqsCalls:
    """The methods of botocore's client that `adapters/queues` uses; raises what it raises."""

    def __init__(self, calls: JsonCalls) -> None:
        self._calls = calls
        self.longest_seconds = calls.longest_seconds

    def send_message(self, **parameters: object) -> dict[str, Any]:
        """One message."""
        return self._call("SendMessage", parameters)

    def send_message_batch(self, **parameters: object) -> dict[str, Any]:
        """Up to ten; those that were refused stand in the answer's `Failed`."""
        return self._call("SendMessageBatch", parameters)

    def change_message_visibility(self, **parameters: object) -> dict[str, Any]:
        """Makes a received message come back later or sooner."""
        return self._call("ChangeMessageVisibility", parameters)

    def change_message_visibility_batch(self, **parameters: object) -> dict[str, Any]:
        """The same for up to ten."""
        return self._call("ChangeMessageVisibilityBatch", parameters)

    def delete_message_batch(self, **parameters: object) -> dict[str, Any]:
        """Deletes up to ten received messages."""
        return self._call("DeleteMessageBatch", parameters)

    def get_queue_attributes(self, **parameters: object) -> dict[str, Any]:
        """Such as how many messages wait."""
        return self._call("GetQueueAttributes", parameters)

    def _call(self, action: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        # A queue's address begins with its region's endpoint.
        return self._calls.call(action, parameters, str(parameters["QueueUrl"]))
