"""Storing the issuer's keys, each message of which has all of them."""

from __future__ import annotations

from chalice.app import SQSEvent

from chalicelib import bootstrap
from chalicelib.handlers.sqs_message import messages_of
from chalicelib.services.issuer_keys import document_of


def handle(event: SQSEvent) -> None:
    """Stores what each message carries; one that is none of ours is left out. Raises `Unavailable`: it comes again."""
    for message in messages_of(event):
        try:
            document = document_of(message.body)
        except (ValueError, KeyError, TypeError) as error:
            bootstrap.telemetry().warn("issuer_keys_unreadable", reason=f"{type(error).__name__}: {error}")
            continue
        bootstrap.issuer_keys().write(document)
