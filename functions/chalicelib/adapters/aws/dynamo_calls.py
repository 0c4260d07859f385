"""The calls of DynamoDB that PynamoDB's models make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.session import Session

    from chalicelib.adapters.aws.json_calls import JsonCalls

# Of the regions whose addresses end otherwise: botocore's own table of all regions takes 20 ms to read.
_SUFFIXES = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}


class DynamoCalls:
    """As much of botocore's client as PynamoDB's connection uses; raises what it raises."""

    _request_signer = None  # PynamoDB makes another client where this one has no credentials; ours asks for them anew

    def __init__(self, session: Session, calls: JsonCalls) -> None:
        self._calls = calls
        self.longest_seconds = calls.longest_seconds
        region = str(session.get_config_variable("region"))
        suffix = next((suffix for begin, suffix in _SUFFIXES.items() if region.startswith(begin)), "amazonaws.com")
        self._endpoint = f"https://dynamodb.{region}.{suffix}"

    def _make_api_call(self, operation_name: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        return self._calls.call(operation_name, parameters, self._endpoint)
