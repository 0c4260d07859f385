"""Answering CloudFormation, which waits for what a custom resource came to."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping

ANSWER_SECONDS = 5
TRIES = 2
MAX_REASON = 1_000


def answer(event: Mapping[str, object], *, failure: str = "", resource_id: str) -> None:
    """Tells CloudFormation that its request succeeded, or why not. `resource_id` stays the same, or it would delete.

    Raises URLError where the answer cannot be delivered, so that Lambda repeats the call.
    """
    body = {
        "Status": "FAILED" if failure else "SUCCESS",
        "Reason": failure[:MAX_REASON],
        "PhysicalResourceId": resource_id,
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    # The address is signed without a content type.
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own address
        str(event["ResponseURL"]), data=json.dumps(body).encode(), method="PUT", headers={"Content-Type": ""}
    )
    for attempt in range(1, TRIES + 1):
        try:
            urllib.request.urlopen(request, timeout=ANSWER_SECONDS).close()  # noqa: S310
        except urllib.error.URLError:
            if attempt == TRIES:
                raise
        else:
            return
