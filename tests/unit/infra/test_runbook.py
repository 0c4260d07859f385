"""The runbook answers every alarm, and its commands exist."""

import importlib
import pkgutil
import re
from functools import cache

import botocore.session
import typer
from botocore import xform_name
from typer.main import get_command

from localstack import commands
from tests.unit.infra.sam import ROOT, Stack, source
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


def test_what_its_commands_name_is_in_the_template() -> None:
    stack = Stack("template.yaml", AWS)
    assert set(re.findall(r"\$\(output (\w+)\)", TEXT)) <= set(stack.outputs)
    assert set(re.findall(r"--logical-resource-id (\w+)", TEXT)) <= set(stack.resources)
    groups = {group["LogGroupName"] for group in stack.of_type("AWS::Logs::LogGroup").values()}
    assert {f"/aws/lambda/stack-{name}" for name in re.findall(r"\$stack-([a-z-]+)", TEXT)} <= groups


def test_dev_commands_exist() -> None:
    app = typer.Typer()
    for group in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"{commands.__name__}.{group.name}").add_to(app)
    known = getattr(get_command(app), "commands", {})
    for name, sub in re.findall(r"\./dev ([a-z]+)(?: ([a-z]+))?", TEXT):
        assert name in known
        subcommands = getattr(known[name], "commands", {})
        assert not subcommands or sub in subcommands
