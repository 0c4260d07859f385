"""SAM CLI with what it lacks: runs in its own environment (.venv-deploy), where nothing else of this project is.

An update's change set includes the nested stacks, so that a replacement in one of them (the database!) is shown before
anybody says yes (aws-sam-cli#2406); and `sam delete` knows the addresses that `sam deploy` gives to nested templates
where an emulator's endpoint is set.
"""

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from samcli.lib.utils import s3

_parse_s3_url = s3.parse_s3_url


def _parse_any_s3_url(url: Any, *arguments: Any, **settings: Any) -> dict[str, str]:
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
    if endpoint and isinstance(url, str) and url.startswith(f"{endpoint}/"):
        url = "s3://" + url.removeprefix(f"{endpoint}/")
    parsed: dict[str, str] = _parse_s3_url(url, *arguments, **settings)
    return parsed


# Before the modules that import it by name are imported.
s3.parse_s3_url = _parse_any_s3_url

from samcli.cli.main import cli  # noqa: E402
from samcli.commands.deploy import deploy_context  # noqa: E402
from samcli.commands.deploy.exceptions import ChangeSetError  # noqa: E402
from samcli.lib.deploy.deployer import Deployer  # noqa: E402


class NestedDeployer(Deployer):  # type: ignore[misc]  # not in the environment that mypy runs in
    """Creates, waits for and shows change sets with those of the nested stacks."""

    _nested_too = True

    def create_and_wait_for_changeset(self, stack_name: str, *arguments: Any, **settings: Any) -> Any:
        # The first deployment replaces nothing.
        self._nested_too = self.has_stack(stack_name)
        try:
            return super().create_and_wait_for_changeset(stack_name, *arguments, **settings)
        except ChangeSetError as error:
            if not self._nested_too:
                raise
            # CloudFormation checks nested templates before it knows what other resources will hand them.
            print(f"Without what would change inside of nested stacks, for CloudFormation can't tell: {error}")
        self._nested_too = False
        time.sleep(1)  # a change set's name is that of the second
        return super().create_and_wait_for_changeset(stack_name, *arguments, **settings)

    def _create_change_set(self, stack_name: str, changeset_type: str, **settings: Any) -> Any:
        nested = {"IncludeNestedStacks": True} if self._nested_too else {}
        return super()._create_change_set(stack_name, changeset_type, **settings, **nested)

    def describe_changeset(self, change_set_id: str, stack_name: str, **settings: Any) -> Any:
        changes = super().describe_changeset(change_set_id, stack_name, **settings)
        for name, nested in self._nested(change_set_id, stack_name):
            stack = self._client.describe_change_set(ChangeSetName=nested)["StackId"]
            print(f"Inside of the nested stack {name}:")
            self.describe_changeset(nested, stack, **settings)
        return changes

    def _nested(self, change_set_id: str, stack_name: str) -> Iterator[tuple[str, str]]:
        """Logical id and change set of each nested stack that would change."""
        pages = self._client.get_paginator("describe_change_set").paginate(
            ChangeSetName=change_set_id, StackName=stack_name
        )
        for page in pages:
            for change in page["Changes"]:
                resource: Mapping[str, str] = change.get("ResourceChange", {})
                if resource.get("ChangeSetId"):
                    yield resource["LogicalResourceId"], resource["ChangeSetId"]


deploy_context.Deployer = NestedDeployer

if __name__ == "__main__":
    cli(prog_name="sam")
