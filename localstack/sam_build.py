"""What `sam build` would leave in .aws-sam/build, so that `sam deploy` takes it from there."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from localstack.errors import LocalStackError
from localstack.packaging import Artifact
from localstack.paths import ROOT
from localstack.wheels import Platform

FOLDER = ROOT / ".aws-sam" / "build"


def _default(text: str, parameter: str, value: str) -> str:
    """The template with another default of a parameter; raises LocalStackError where it has none."""
    changed, count = re.subn(
        rf"(^  {parameter}:\n(?:    .*\n)*?    Default: ).*$", rf"\g<1>{value}", text, flags=re.MULTILINE
    )
    if count != 1:
        raise LocalStackError(f"template.yaml has no parameter {parameter} with a default: it must have one.")
    return changed


def rewritten(text: str, zips: Mapping[str, str], target: Platform) -> str:
    """The template's text with its code folders replaced by zips, and the platform that they are for as the default.

    `zips` are file names by what CodeUri names now. Raises LocalStackError where the template names something else.
    """
    named = set(re.findall(r"^ +CodeUri: (\S+)$", text, flags=re.MULTILINE))
    if named != set(zips):
        raise LocalStackError(
            f"template.yaml takes code from {', '.join(sorted(named)) or 'nowhere'}, and there are artifacts of "
            f"{', '.join(sorted(zips))}."
        )
    for folder, file in zips.items():
        text = re.sub(rf"^( +CodeUri: ){re.escape(folder)}$", rf"\g<1>{file}", text, flags=re.MULTILINE)
    text = _default(text, "PythonRuntime", target.runtime)
    return _default(text, "Architecture", target.architecture)


def write(template: Path, artifacts: Mapping[str, Artifact], target: Platform, folder: Path = FOLDER) -> Path:
    """Writes template, nested templates and zips (by what CodeUri names), and gives the template's new path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    zips: dict[str, str] = {}
    for name, built in artifacts.items():
        file = f"{Path(name).name}.zip"
        (folder / file).write_bytes(built.content)
        zips[name] = file
    text = template.read_text()
    for nested in sorted(set(re.findall(r"^ +TemplateURL: (\S+)$", text, flags=re.MULTILINE))):
        (folder / nested).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(template.parent / nested, folder / nested)
    path = folder / "template.yaml"
    path.write_text(rewritten(text, zips, target))
    return path
