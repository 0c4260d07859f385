"""What `sam build` would leave in .aws-sam/build, so that `sam deploy` takes it from there."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from localstack.errors import UserError
from localstack.packaging.lambda_package import MIGRATIONS
from localstack.packaging.source_zip import Artifact
from localstack.packaging.wheels import Platform
from localstack.paths import ROOT

FOLDER = ROOT / ".aws-sam" / "build"


def _set_parameter(text: str, parameter: str, key: str, value: str) -> str:
    """The template with something else said of a parameter; raises UserError where it doesn't say that."""
    changed, count = re.subn(
        rf"(^  {parameter}:\n(?:    .*\n)*?    {key}: ).*$", rf'\g<1>"{value}"', text, flags=re.MULTILINE
    )
    if count != 1:
        raise UserError(f"template.yaml has no parameter {parameter} with {key}: it must have one.")
    return changed


def rewrite(text: str, zips: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """The template's text with its code folders replaced by zips, and what they were built for as the defaults.

    `zips` are file names by what CodeUri names now. Raises UserError where the template names something else.
    """
    named = set(re.findall(r"^ +CodeUri: (\S+)$", text, flags=re.MULTILINE))
    if named != set(zips):
        raise UserError(
            f"template.yaml takes code from {', '.join(sorted(named)) or 'nowhere'}, and there are artifacts of "
            f"{', '.join(sorted(zips))}."
        )
    for folder, file in zips.items():
        text = re.sub(rf"^( +CodeUri: ){re.escape(folder)}$", rf"\g<1>{file}", text, flags=re.MULTILINE)
    for parameter, value in defaults.items():
        text = _set_parameter(text, parameter, "Default", value)
    # An update that kept the digest of what was deployed before would leave new migrations out, silently.
    return _set_parameter(text, "MigrationsDigest", "AllowedPattern", f"^{defaults['MigrationsDigest']}$")


def parameters(artifacts: Mapping[Path, Artifact], target: Platform) -> dict[str, str]:
    """The template's parameters that what was built decides."""
    return {
        "PythonRuntime": target.runtime,
        "Architecture": target.architecture,
        "MigrationsDigest": artifacts[MIGRATIONS].digest,
    }


def write(template: Path, artifacts: Mapping[Path, Artifact], target: Platform, folder: Path = FOLDER) -> Path:
    """Writes template, nested templates, zips (by their folder) and parameters.yaml; returns the template's new path.

    An update keeps a deployed parameter unless it is given: parameters.yaml gives those that belong to these zips.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    zips: dict[str, str] = {}
    for source, built in artifacts.items():
        file = f"{source.name}.zip"
        (folder / file).write_bytes(built.content)
        zips[f"{source.relative_to(ROOT).as_posix()}/"] = file
    text = template.read_text()
    for nested in sorted(set(re.findall(r"^ +TemplateURL: (\S+)$", text, flags=re.MULTILINE))):
        (folder / nested).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(template.parent / nested, folder / nested)
    chosen = parameters(artifacts, target)
    (folder / "parameters.yaml").write_text(json.dumps(chosen, indent=2) + "\n")
    path = folder / "template.yaml"
    path.write_text(rewrite(text, zips, chosen))
    return path
