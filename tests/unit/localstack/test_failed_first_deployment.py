"""A first deployment that failed and could not be rolled back, on an account that answers as CloudFormation and RDS do.

No emulator keeps a protected database in a rollback: this stands in for AWS, which nobody could try.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import Result

from localstack.commands import deploy as commands
from localstack.deployment import deploying, targets
from localstack.deployment.aws_clients import Clients
from localstack.deployment.aws_target import Target
from localstack.deployment.targets import DeployTarget
from localstack.packaging import lambda_package, sam_build
from tests.fakes.programs import invoke

NAME, DATABASE = "mine", "mine-database-1"
GIVEN = {"DatabaseDeletionProtection": "true", "LogLevel": "ERROR", "DatabaseUrl": "****"}


class NotFoundError(Exception):
    """As RDS says it."""


@dataclass
class Account:
    """One stack with a nested one that holds a database, and the tool that deploys."""

    status: str = "ROLLBACK_FAILED"
    protected: bool = True
    database: bool = True
    sam: list[str] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=lambda: dict(GIVEN))

    # CloudFormation
    def describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803
        if not self.status:
            refusal = {"Error": {"Code": "ValidationError", "Message": f"Stack {StackName} does not exist"}}
            raise ClientError(refusal, "DescribeStacks")  # type: ignore[arg-type]
        pairs = [{"ParameterKey": name, "ParameterValue": value} for name, value in self.parameters.items()]
        found = {"StackId": f"arn:{NAME}", "StackStatus": self.status, "Parameters": pairs, "Outputs": []}
        return {"Stacks": [{**found, "Outputs": [{"OutputKey": "RestApiUrl", "OutputValue": "https://x"}]}]}

    def get_paginator(self, name: str) -> Any:
        answer = {"list_stack_resources": self.resources, "describe_stack_events": self.events}[name]
        return SimpleNamespace(paginate=lambda *, StackName: [answer(StackName)])  # noqa: N803

    def resources(self, stack: str) -> Any:
        nested = ("Database", "AWS::CloudFormation::Stack", "arn:nested", "DELETE_FAILED")
        kept = ("Instance", "AWS::RDS::DBInstance", DATABASE, "DELETE_FAILED" if self.protected else "CREATE_COMPLETE")
        gone = ("Other", "AWS::RDS::DBInstance", "never-asked-about", "DELETE_COMPLETE")
        never_made = ("Proxy", "AWS::RDS::DBProxy", "", "CREATE_FAILED")
        keys = ("LogicalResourceId", "ResourceType", "PhysicalResourceId", "ResourceStatus")
        rows = [nested] if stack in (NAME, f"arn:{NAME}") else [kept, gone, never_made]
        return {"StackResourceSummaries": [dict(zip(keys, row, strict=True)) for row in rows]}

    def events(self, _: str) -> Any:
        reason = "Cannot delete protected DB Instance, please disable deletion protection and try again."
        event = {"LogicalResourceId": "Instance", "PhysicalResourceId": DATABASE, "ResourceStatusReason": reason}
        shared = {"StackId": "arn:nested", "ResourceType": "AWS::RDS::DBInstance", "Timestamp": datetime.now(UTC)}
        return {"StackEvents": [{**event, **shared, "ResourceStatus": "DELETE_FAILED"}]}

    # RDS
    class exceptions:  # noqa: N801
        DBInstanceNotFoundFault = NotFoundError

    def modify_db_instance(self, *, DBInstanceIdentifier: str, DeletionProtection: bool, **_: Any) -> None:  # noqa: N803
        assert DBInstanceIdentifier == DATABASE
        if not self.database:
            raise NotFoundError
        self.protected = DeletionProtection

    def get_waiter(self, _: str) -> Any:
        return SimpleNamespace(wait=lambda **_: None)

    def close(self) -> None: ...

    # SAM CLI
    def run(self, _: DeployTarget, *arguments: str, report: object) -> bool:
        self.sam.append(arguments[0])
        if arguments[0] == "deploy":
            assert not self.status, "CloudFormation deploys to no stack that is left of a failure"
            self.status = "CREATE_COMPLETE"
            return True
        if self.protected and self.database:
            self.status = "DELETE_FAILED"
            return False
        self.status = ""
        return True


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Account:
    account = Account()
    clients = Clients(Target("AWS", region="eu-west-1"))
    vars(clients)["cloudformation"] = account
    monkeypatch.setattr(clients, "other", lambda _: account)
    monkeypatch.setattr(DeployTarget, "clients", lambda _: clients)
    monkeypatch.setattr(targets, "aws", lambda _: DeployTarget("aws", clients.target, "123456789012"))
    monkeypatch.setattr(deploying, "_sam", account.run)
    monkeypatch.setattr(commands, "preflight", lambda *_: [])
    monkeypatch.setattr(lambda_package, "build_all", lambda *_: {})
    monkeypatch.setattr(sam_build, "parameters", lambda *_: {})
    monkeypatch.setattr(sam_build, "write", lambda *_: tmp_path / "template.yaml")
    return account


def call(*arguments: str) -> Result:
    return invoke(commands, *arguments, "--target", "aws", "--stack-name", NAME, "--yes")


@pytest.mark.parametrize("database", [True, False], ids=["the database is left", "it is only listed still"])
@pytest.mark.parametrize("status", ["ROLLBACK_FAILED", "CREATE_FAILED", "ROLLBACK_COMPLETE"])
def test_it_is_repeated_by_the_same_command(account: Account, status: str, database: bool) -> None:
    account.status, account.database = status, database
    ended = call("deploy")
    assert ended.exception is None, ended.output
    assert f"Its first deployment failed ({status}): what is left of it is deleted first." in ended.output
    assert f"{NAME} is deployed." in ended.output
    assert account.sam == ["delete", "deploy"]
    # What was given at the first try counts at the second.
    assert "DatabaseDeletionProtection" in ended.output
    assert account.protected == (database is False)


def test_what_cannot_be_deleted_is_named(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploying, "unprotect", lambda *_: None)
    ended = call("destroy")
    assert "Instance (AWS::RDS::DBInstance): Cannot delete protected DB Instance" in str(ended.exception)
    assert account.status == "DELETE_FAILED"
    # A deletion that stopped half-way is finished first, and says so.
    assert "finish deleting it with ./dev destroy" in str(call("deploy").exception)
