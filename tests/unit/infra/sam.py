"""Reads templates as CloudFormation would, enough for the tests: SAM's expansion, conditions, values."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from samtranslator.translator.transform import transform

from localstack.packaging import template

ROOT = Path(__file__).parents[3]
# What a stack says about itself; resources stand for themselves as `<LogicalId>` and `<LogicalId.Attribute>`.
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "000000000000",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "stack",
    "AWS::StackId": "arn:aws:cloudformation:us-east-1:000000000000:stack/stack/uuid",
}
NO_VALUE = object()


@cache
def source(name: str) -> dict[str, Any]:
    """A template as it is written."""
    return dict(template.read(ROOT / name))


@cache
def expanded(name: str) -> dict[str, Any]:
    """A template after SAM's transformation."""
    written: Any = template.read(ROOT / name)
    for resource in written["Resources"].values():
        if resource["Type"] == "AWS::CloudFormation::Stack":
            resource["Properties"]["TemplateURL"] = "https://example.com/nested"
    for function in [written.get("Globals", {}).get("Function", {})] + [
        resource["Properties"]
        for resource in written["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]:
        if "CodeUri" in function:
            function["CodeUri"] = "s3://bucket/" + function["CodeUri"].strip("/").replace("/", "-") + ".zip"
    with mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": "us-east-1"}):
        result: dict[str, Any] = transform(written, {}, SimpleNamespace(load=dict))
    return result


class Stack:
    """A template with parameters: its resources that exist, with every function resolved."""

    def __init__(self, name: str, parameters: Mapping[str, str] | None = None) -> None:
        self.template = expanded(name)
        defaults = {key: parameter.get("Default", f"<{key}>") for key, parameter in self.template["Parameters"].items()}
        unknown = set(parameters or {}) - set(defaults)
        if unknown:
            raise KeyError(f"{name} has no parameters {unknown}")
        self.parameters = {**defaults, **(parameters or {})}
        self.resources: dict[str, Any] = {
            logical: {**self.resolve(resource), "DependsOn": resource.get("DependsOn", [])}
            for logical, resource in self.template["Resources"].items()
            if self.exists(resource)
        }
        self.outputs: dict[str, str] = {
            key: self.resolve(output["Value"])
            for key, output in self.template.get("Outputs", {}).items()
            if self.exists(output)
        }

    def exists(self, item: Mapping[str, Any]) -> bool:
        """Whether a resource's or output's condition holds."""
        return "Condition" not in item or self.condition(item["Condition"])

    def condition(self, name: str) -> bool:
        return self._decide(self.template["Conditions"][name])

    def _decide(self, rule: Any) -> bool:
        ((function, value),) = rule.items()
        if function == "Condition":
            return self.condition(value)
        if function == "Fn::Equals":
            return str(self.resolve(value[0])) == str(self.resolve(value[1]))
        if function == "Fn::Not":
            return not self._decide(value[0])
        if function == "Fn::And":
            return all(self._decide(part) for part in value)
        if function == "Fn::Or":
            return any(self._decide(part) for part in value)
        raise ValueError(f"No condition function that CloudFormation knows: {function}")

    @property
    def refusals(self) -> list[str]:
        """The sentences with which CloudFormation refuses these parameters, by the template's Rules."""
        return [
            assertion["AssertDescription"]
            for rule in self.template.get("Rules", {}).values()
            if "RuleCondition" not in rule or self._decide(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self._decide(assertion["Assert"])
        ]

    def of_type(self, kind: str) -> dict[str, Any]:
        """The properties of the resources of a type, by logical id."""
        return {
            logical: resource["Properties"] for logical, resource in self.resources.items() if resource["Type"] == kind
        }

    def resolve(self, value: Any) -> Any:
        """The value with every CloudFormation function replaced by what it gives."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if function == "Ref" or (function.startswith("Fn::") and function != "Fn::Transform"):
                return getattr(self, "_" + function.removeprefix("Fn::").lower())(argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        return self.parameters.get(name, PSEUDO.get(name, f"<{name}>"))

    def _getatt(self, path: str | list[str]) -> str:
        name = path if isinstance(path, str) else ".".join(path)
        # The only ARN that a template takes apart.
        return f"arn:aws:rds:us-east-1:000000000000:db-proxy:<{name}>" if name.endswith("ProxyArn") else f"<{name}>"

    def _if(self, argument: list[Any]) -> Any:
        return self.resolve(argument[1] if self.condition(argument[0]) else argument[2])

    def _sub(self, argument: Any) -> str:
        text, local = (argument, {}) if isinstance(argument, str) else argument
        values = {key: self.resolve(item) for key, item in local.items()}
        parts = text.split("${")
        result: str = parts[0]
        for part in parts[1:]:
            name, _, rest = part.partition("}")
            if name.startswith("!"):
                result += "${" + name[1:] + "}" + rest
            else:
                result += str(values.get(name, self._ref(name))) + rest
        return result

    def _join(self, argument: list[Any]) -> str:
        return str(argument[0]).join(map(str, self.resolve(argument[1])))

    def _split(self, argument: list[Any]) -> list[str]:
        return str(self.resolve(argument[1])).split(argument[0])

    def _select(self, argument: list[Any]) -> Any:
        return self.resolve(argument[1])[int(argument[0])]

    def _findinmap(self, argument: list[Any]) -> Any:
        table, first, second = (self.resolve(item) for item in argument)
        return self.template["Mappings"][table][first][second]

    def _getazs(self, _region: Any) -> list[str]:
        return ["us-east-1a", "us-east-1b", "us-east-1c"]

    def _cidr(self, argument: list[Any]) -> list[str]:
        return [f"<subnet {number}>" for number in range(int(argument[1]))]
