"""The built template's refusals, and tools in environments of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

from localstack import sam_build, tools, wheels
from localstack.errors import LocalStackError

TARGET = wheels.lambda_platform("python3.12", "x86_64")
TEMPLATE = """Parameters:
  PythonRuntime:
    Type: String
    Default: python3.13
  Architecture:
    Type: String
    AllowedValues: [arm64, x86_64]
    Default: arm64
Globals:
  Function:
    CodeUri: functions/
"""


def test_the_default_platform_is_the_built_one() -> None:
    changed = sam_build.rewritten(TEMPLATE, {"functions/": "functions.zip"}, TARGET)
    assert "    CodeUri: functions.zip\n" in changed
    assert "    Default: python3.12\n" in changed
    assert "    Default: x86_64\n" in changed
    assert "AllowedValues: [arm64, x86_64]" in changed


def test_code_that_nothing_was_built_of() -> None:
    with pytest.raises(LocalStackError, match=r"takes code from functions/, and there are artifacts of other/"):
        sam_build.rewritten(TEMPLATE, {"other/": "other.zip"}, TARGET)


def test_a_template_without_the_parameter() -> None:
    with pytest.raises(LocalStackError, match="no parameter Architecture"):
        sam_build.rewritten(TEMPLATE.replace("Architecture:", "Processor:"), {"functions/": "functions.zip"}, TARGET)


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tools.Tool:
    made = tools.Tool("python", tmp_path / "requirements.txt", tmp_path / ".venv-tool")
    made.requirements.write_text("# nothing\n")
    monkeypatch.setattr(tools, "TOOLS", {"python": made})
    monkeypatch.setattr(tools, "STATE", tmp_path / ".state")
    return made


def test_a_tool_is_installed_once_and_again_when_its_requirements_change(tool: tools.Tool) -> None:
    said: list[str] = []
    path = tools.ensure("python", said.append)
    assert subprocess.run([path, "--version"], capture_output=True, timeout=60, check=True).stdout
    tools.ensure("python", said.append)
    assert len([line for line in said if line.startswith("installing python")]) == 1
    tool.requirements.write_text("# something else\n")
    tools.ensure("python", said.append)
    assert len([line for line in said if line.startswith("installing python")]) == 2


def test_a_tool_that_cannot_be_installed(tool: tools.Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    tool.requirements.write_text("no-such-package==1\n")
    for _ in range(2):  # not taken for installed the second time
        with pytest.raises(LocalStackError, match=r"(?s)could not install python.*no-such-package"):
            tools.ensure("python", print)


def test_a_tool_that_there_is_not() -> None:
    with pytest.raises(LocalStackError, match="no tool 'terraform': choose sam or mutmut or checkov"):
        tools.ensure("terraform", print)


def test_tools_do_not_see_this_projects_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", sys.prefix)
    assert "PYTHONPATH" not in tools.environment()
    assert tools.environment()["SAM_CLI_TELEMETRY"] == "0"
