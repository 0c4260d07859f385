"""The runbook answers every alarm, and its commands, names and log lines are those that there are."""

import importlib
import pkgutil
import re
from functools import cache

import botocore.session
import typer
from botocore import xform_name
from typer.main import get_command

from chalicelib.domain.errors import ErrorCode
from localstack import commands
from tests.unit.infra.sam import ROOT, Stack, calls_of, source
from tests.unit.template.facts import AWS

TEXT = (ROOT / "docs" / "runbook.md").read_text()
# The AWS CLI's own commands and options, which are no API's.
OWN_COMMANDS = {("logs", "tail"): {"since", "filter-pattern", "follow", "format"}}
OWN_OPTIONS = {"query", "output", "cli-binary-format"}
COMMAND = re.compile(r"aws ([a-z0-9]+) ([a-z0-9-]+)([^|`\n]*(?:\\\n[^`\n]*)*)")


@cache
def sections() -> dict[str, str]:
    """What stands under each alarm's name."""
    alarms = TEXT.split("\n## Alarms\n")[1].split("\n## ")[0]
    parts = re.split(r"^### (\w+)$", alarms, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def logged() -> set[str]:
    """The events that the functions log."""
    return {
        node.args[0].value
        for path in (ROOT / "functions").rglob("*.py")
        for node in calls_of(path, "log", "warn", "exception")
    }


def test_every_alarm_has_its_section_in_the_template_s_order() -> None:
    resources = source("infra/monitoring.yaml")["Resources"]
    alarms = [name for name, resource in resources.items() if resource["Type"] == "AWS::CloudWatch::Alarm"]
    assert list(sections()) == alarms


def test_every_aws_command_and_option_exists() -> None:
    session = botocore.session.get_session()
    found = COMMAND.findall(TEXT)
    assert len(found) > 12
    for service, operation, rest in found:
        options = set(re.findall(r"--([a-z-]+)", rest.split(" $(aws ")[0])) - OWN_OPTIONS
        if (service, operation) in OWN_COMMANDS:
            assert options <= OWN_COMMANDS[service, operation]
            continue
        model = session.get_service_model(service)
        names = {xform_name(name, "-"): name for name in model.operation_names}
        assert operation in names, (service, operation)
        shape = model.operation_model(names[operation]).input_shape
        members = {xform_name(name, "-") for name in (shape.members if shape else {})}
        assert {option.removeprefix("no-") for option in options} <= members, (service, operation)


def test_names_of_outputs_resources_and_parameters_are_the_template_s() -> None:
    stack = Stack("template.yaml", AWS)
    outputs = set(re.findall(r"\$\(output (\w+)\)", TEXT))
    assert outputs
    assert outputs <= set(stack.outputs)
    assert set(re.findall(r"--logical-resource-id (\w+)", TEXT)) <= set(stack.resources)
    groups = {group["LogGroupName"] for group in stack.of_type("AWS::Logs::LogGroup").values()}
    logs = set(re.findall(r"\$stack-([a-z-]+)", TEXT))
    assert {f"/aws/lambda/stack-{name}" for name in logs} <= groups
    prose = re.sub(r"```.*?```|`[^`]*`", "", TEXT, flags=re.DOTALL)
    words = set(re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", prose))
    assert words - {"CloudWatch", "WebSocket"} <= set(stack.parameters) | set(sections())


def test_log_lines_and_codes_are_those_of_the_functions() -> None:
    table = TEXT.split("| line | means |\n")[1].split("\n\n")[0]
    told = {name for row in table.splitlines() for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert told
    assert told <= logged()
    assert set(re.findall(r"`([a-z_]+_(?:failed|returned|refused))`", TEXT)) <= logged() | set(ErrorCode)
    failed = sections()["FailedOrders"]
    assert set(re.findall(r"`([a-z_]+)`", failed)) == set(ErrorCode) - {ErrorCode.SUBMIT_TIMEOUT}


def test_dev_commands_exist() -> None:
    app = typer.Typer()
    for group in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"{commands.__name__}.{group.name}").add_to(app)
    known = getattr(get_command(app), "commands", {})
    for name, sub in re.findall(r"\./dev ([a-z]+)(?: ([a-z]+))?", TEXT):
        assert name in known
        subcommands = getattr(known[name], "commands", {})
        assert not subcommands or sub in subcommands
