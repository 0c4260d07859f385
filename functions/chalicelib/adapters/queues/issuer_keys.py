"""An issuer's keys on their way into the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.queues.calls import calling, trace
from chalicelib.ports.access import KeyDocument
from chalicelib.services.issuer_keys import message_of

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsIssuerKeys:
    """The queue of issuers' keys."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, document: KeyDocument) -> None:
        """Queues the document. Raises `Unavailable`."""
        with calling("issuer-keys"):
            self._client.send_message(
                QueueUrl=self._url, MessageBody=message_of(document), MessageSystemAttributes=trace()
            )
