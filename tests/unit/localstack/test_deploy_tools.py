"""The built template's refusals, and tools in environments of their own."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from localstack.deployment import tools
from localstack.errors import UserError
from localstack.packaging import sam_build
from tests.fakes.programs import ended

BUILT = {"PythonRuntime": "python3.12", "Architecture": "x86_64", "MigrationsDigest": "00e1"}
TEMPLATE = """Parameters:
  PythonRuntime:
    Type: String
    Default: python3.13
  Architecture:
    Type: String
    AllowedValues: [arm64, x86_64]
    Default: arm64
  MigrationsDigest:
    Type: String
    Default: ""
    AllowedPattern: ^[0-9a-f]*$
Globals:
  Function:
    CodeUri: functions/
"""


def test_the_defaults_are_what_was_built() -> None:
    changed = sam_build.rewrite(TEMPLATE, {"functions/": "functions.zip"}, BUILT)
    assert "    CodeUri: functions.zip\n" in changed
    declared = yaml.safe_load(changed)["Parameters"]
    # Text, also where it looks like a number.
    assert {name: parameter["Default"] for name, parameter in declared.items()} == BUILT
    assert declared["Architecture"]["AllowedValues"] == ["arm64", "x86_64"]


def test_a_kept_digest_of_other_migrations_is_refused() -> None:
    """An update keeps parameters that it isn't given: it must not leave the new migrations out."""
    changed = yaml.safe_load(sam_build.rewrite(TEMPLATE, {"functions/": "functions.zip"}, BUILT))
    pattern = changed["Parameters"]["MigrationsDigest"]["AllowedPattern"]
    assert re.match(pattern, "00e1")
    assert not re.match(pattern, "00e2")


def test_code_that_nothing_was_built_of() -> None:
    with pytest.raises(UserError, match=r"takes code from functions/, and there are artifacts of other/"):
        sam_build.rewrite(TEMPLATE, {"other/": "other.zip"}, BUILT)


def test_a_template_without_the_parameter() -> None:
    with pytest.raises(UserError, match="no parameter Architecture with Default"):
        sam_build.rewrite(TEMPLATE.replace("Architecture:", "Processor:"), {"functions/": "functions.zip"}, BUILT)


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tools.Tool:
    made = tools.Tool("python", tmp_path / "requirements.txt", tmp_path / ".venv-tool")
    made.requirements.write_text("# nothing\n")
    monkeypatch.setattr(tools, "TOOLS", {"python": made})
    monkeypatch.setattr(tools, "STATE", tmp_path / ".state")
    return made


def test_a_tool_is_installed_once_and_again_after_a_failure_or_when_its_requirements_change(
    tool: tools.Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    said: list[str] = []
    tool.requirements.write_text("no-such-package==1\n")
    with pytest.raises(UserError, match=r"(?s)could not install python.*no-such-package"):
        tools.ensure("python", said.append)
    tool.requirements.write_text("# nothing\n")
    path = tools.ensure("python", said.append)
    assert ended(path, "--version", check=True).stdout
    assert len([line for line in said if line.startswith("installing python")]) == 2
    said.clear()
    tools.ensure("python", said.append)
    assert said == []
    tool.requirements.write_text("# something else\n")
    monkeypatch.setattr(tools, "_install", lambda tool, report: None)
    tools.ensure("python", said.append)
    assert said == [f"installing python into {tool.environment.name} (once)"]


def test_a_tool_runs_whatever_its_first_line_says(tmp_path: Path) -> None:
    folder = tmp_path / "a 'clone' of \"$HOME\"" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
    (folder / "checkov").write_text(f"#!{folder}/python\nimport sys; print(sys.argv[1])\n")
    (folder / "checkov").chmod(0o755)
    assert ended(*tools.command(folder / "checkov"), "a word").stdout == "a word\n"


def test_a_tool_that_there_is_not() -> None:
    with pytest.raises(UserError, match="no tool 'terraform': choose sam or "):
        tools.ensure("terraform", print)


def test_tools_do_not_see_this_projects_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", sys.prefix)
    assert "PYTHONPATH" not in tools.environment()
    assert tools.environment()["SAM_CLI_TELEMETRY"] == "0"
