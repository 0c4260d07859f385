"""Fetching the issuer's keys: for a schedule, and for CloudFormation, which waits for an answer."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib import bootstrap
from chalicelib.services.issuer_keys import KeysNotFetched

RESOURCE_ID = "order-engine-issuer-keys"


def handle(event: Mapping[str, object]) -> None:
    """An issuer that is away changes nothing each minute: its last keys count. It fails a deployment that names it."""
    if "RequestType" in event:
        _answer_cloudformation(event)
        return
    try:
        bootstrap.key_fetcher().run()
    except KeysNotFetched:
        return  # logged and counted; the next minute asks again


def _answer_cloudformation(event: Mapping[str, object]) -> None:
    failure = ""
    if event["RequestType"] != "Delete":
        try:
            bootstrap.key_fetcher().run()
        except Exception as error:  # noqa: BLE001 - unanswered, CloudFormation would wait for a minute
            failure = str(error) or type(error).__name__
    bootstrap.cloudformation()(event, failure=failure, resource_id=RESOURCE_ID)
