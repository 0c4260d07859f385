"""The migrations as a CloudFormation custom resource: runs in its own function, before the others change."""

import json
import os
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING or __package__:
    from infra.migrations.migrate import DatabaseIsNewerError, current, upgrade
    from infra.migrations.owner import owner_url
    from infra.migrations.roles import budgets_of, ensure_application_roles, prepare_login
else:  # this folder is the root of the function's zip
    from migrate import DatabaseIsNewerError, current, upgrade
    from owner import owner_url
    from roles import budgets_of, ensure_application_roles, prepare_login

_ANSWER_TRIES = 4
_ANSWER_SECONDS = 10
# CloudFormation takes an answer of 4096 bytes at most.
_REASON_LENGTH = 1000


class Request(TypedDict):
    """What of CloudFormation's request is used; PhysicalResourceId only exists after the creation."""

    RequestType: Literal["Create", "Update", "Delete"]
    ResponseURL: str
    StackId: str
    RequestId: str
    LogicalResourceId: str


def handler(event: Request, context: object) -> None:
    """Create and Update migrate; Delete leaves the data alone. Every outcome is told to CloudFormation.

    Raises URLError where the answer can't be delivered, so that Lambda tries the whole call again.
    """
    started = time.monotonic()
    status, reason, revision = "SUCCESS", "", ""
    try:
        if event["RequestType"] == "Delete":
            reason = "The data stays as it is."
        else:
            revision, reason = _migrate()
    except Exception as error:  # noqa: BLE001 - unanswered, CloudFormation would wait for an hour
        status, reason = "FAILED", f"{type(error).__name__}: {' '.join(str(error).split())}"
    print(
        json.dumps(
            {
                "level": "INFO" if status == "SUCCESS" else "ERROR",
                "message": "migrations",
                "function_request_id": getattr(context, "aws_request_id", ""),
                "xray_trace_id": os.environ.get("_X_AMZN_TRACE_ID", "").partition(";")[0].removeprefix("Root="),
                "request": event["RequestType"],
                "status": status,
                "reason": reason,
                "revision": revision,
                "milliseconds": round((time.monotonic() - started) * 1000),
            }
        )
    )
    _answer(event, status, reason, revision)


def _migrate() -> tuple[str, str]:
    """The database's revision afterwards, and a remark."""
    database_url = os.environ.get("DATABASE_URL") or owner_url()
    remark = ""
    try:
        upgrade(database_url)
    except DatabaseIsNewerError as error:
        # A roll-back (of this deployment, or to an older release) must not fail on it: revisions only
        # ever add what the code before them can live with.
        remark = str(error)
    revision = current(database_url)
    budgets = budgets_of(os.environ.get("DATABASE_ROLES", ""))
    if budgets:
        # Last: it may end the owner's log-in by password (see owner.py).
        ensure_application_roles(database_url, budgets)
    else:
        prepare_login(database_url)
    return revision, remark


def _answer(event: Request, status: str, reason: str, revision: str) -> None:
    body = json.dumps(
        {
            "Status": status,
            "Reason": reason[:_REASON_LENGTH],
            # Always the same: a changing id would make CloudFormation delete the "old" resource.
            "PhysicalResourceId": "order-engine-migrations",
            "StackId": event["StackId"],
            "RequestId": event["RequestId"],
            "LogicalResourceId": event["LogicalResourceId"],
            "Data": {"Revision": revision},
        }
    ).encode()
    # The address is signed without a content type.
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own address
        event["ResponseURL"], data=body, method="PUT", headers={"Content-Type": ""}
    )
    for attempt in range(1, _ANSWER_TRIES + 1):
        try:
            urllib.request.urlopen(request, timeout=_ANSWER_SECONDS).close()  # noqa: S310
        except urllib.error.URLError:
            if attempt == _ANSWER_TRIES:
                raise
            time.sleep(attempt)
        else:
            return
