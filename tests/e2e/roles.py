"""The roles of the deployed functions: taking a single permission away, and finding in a log what IAM denied."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from localstack.local_stack.stack_for_tests import Stack

DENIED = re.compile(r"not authorized to perform: ([a-z0-9-]+:\w+)", re.IGNORECASE)
TAKE_A_BATCH = ("ExecuteOrders", "PushStatus", "DeadLetter", "Heartbeat", "Watch")
POLICY = "function"
Line = dict[str, Any]


@dataclass(frozen=True)
class Permission:
    """One action on one resource, named as in template.yaml; connections by the method, the index by its name."""

    function: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.function} {self.action} {self.resource}"


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def denials(lines: list[Line]) -> set[str]:
    """The actions that IAM denied, as the log lines tell."""
    return {action for line in lines for action in DENIED.findall(json.dumps(line))}


@dataclass
class Roles:
    """What the deployed functions may do."""

    stack: Stack

    def client(self, service: str) -> Any:
        """A client of the emulator's root."""
        return self.stack.clients.other(service)

    @cached_property
    def iam(self) -> Any:
        return self.client("iam")

    @cached_property
    def table(self) -> Any:
        return self.client("dynamodb")

    @cached_property
    def _resources(self) -> Mapping[str, str]:
        """How the ARN of each resource ends."""
        outputs = self.stack.outputs
        queues = {name.removesuffix("Url"): url for name, url in outputs.values.items() if name.endswith("QueueUrl")}
        table = outputs["ConnectionsTableName"]
        return {
            **{name: f":{url.rsplit('/', 1)[1]}" for name, url in queues.items()},
            "ConnectionsTable": f":table/{table}",
            "POST": "/POST/@connections/*",
            "DELETE": "/DELETE/@connections/*",
        }

    def _role(self, function: str) -> str:
        configuration = self.stack.clients.functions.get_function_configuration(
            FunctionName=self.stack.function_names[function]
        )
        return configuration["Role"].rsplit("/", 1)[1]

    def _statements(self, role: str) -> list[dict[str, Any]]:
        document: Any = self.iam.get_role_policy(RoleName=role, PolicyName=POLICY)["PolicyDocument"]
        statements: list[dict[str, Any]] = document["Statement"]
        return statements

    def permissions(self, function: str) -> set[Permission]:
        """All that a function may do, except for what stands in CloudWatch and X-Ray."""
        found = set()
        for statement in self._statements(self._role(function)):
            for action in _listed(statement["Action"]):
                if not action.startswith(("logs:", "xray:")):
                    found |= {Permission(function, action, self._named(arn)) for arn in _listed(statement["Resource"])}
        return found

    def _named(self, arn: str) -> str:
        return next(name for name, ending in self._resources.items() if arn.endswith(ending))

    def close(self) -> None:
        """Closes the clients."""
        self.iam.close()
        self.table.close()

    @contextmanager
    def without(self, *taken: Permission) -> Iterator[None]:
        """Takes permissions of one function away, and gives them back whatever happens."""
        (function,) = {permission.function for permission in taken}
        role = self._role(function)
        before = self._statements(role)
        kept = [
            {"Effect": "Allow", "Action": action, "Resource": arn}
            for statement in before
            for action in _listed(statement["Action"])
            for arn in _listed(statement["Resource"])
            if arn == "*" or not self._is(taken, function, action, arn)
        ]
        self._put(role, kept)
        try:
            yield
        finally:
            self._put(role, before)

    def _is(self, taken: tuple[Permission, ...], function: str, action: str, arn: str) -> bool:
        if action.startswith("logs:"):
            return False
        return Permission(function, action, self._named(arn)) in taken

    def _put(self, role: str, statements: list[dict[str, Any]]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.iam.put_role_policy(RoleName=role, PolicyName=POLICY, PolicyDocument=document)

    def logged(self, function: str, since: float) -> list[Line]:
        """The JSON lines that a function wrote in invocations that ended after this time (seconds since the epoch)."""
        group = f"/aws/lambda/{self.stack.function_names[function]}"
        configuration = self.stack.clients.functions.get_function_configuration(
            FunctionName=self.stack.function_names[function]
        )
        group = configuration.get("LoggingConfig", {}).get("LogGroup", group)
        events = self.stack.clients.logs.filter_log_events(logGroupName=group, startTime=int(since * 1000))["events"]
        lines = (event["message"] for event in events)
        return [json.loads(line) for line in lines if line.startswith("{") and '"message"' in line]

    def call(self, function: str, event: object) -> list[Line]:
        """Calls a function with this event; gives what it logged."""
        since = time.time()
        self._invoke(function, event)
        lines = self.logged(function, since)
        if function in TAKE_A_BATCH and all(line["message"] != "invocation" for line in lines):
            # A busy emulator takes the last lines for silence and hands them out with the next invocation's.
            self._invoke(function, {"Records": []})
            lines = self.logged(function, since)
        return lines

    def _invoke(self, function: str, event: object) -> None:
        self.stack.clients.functions.invoke(
            FunctionName=self.stack.function_names[function], Payload=json.dumps(event).encode()
        )
