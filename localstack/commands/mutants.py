"""`mutants`: small faults in domain, services, venues and chain, one at a time; tells which no unit test notices."""

import json
import shutil
import subprocess
from pathlib import Path

import typer

from localstack.client.console import Console
from localstack.deployment import tools
from localstack.errors import UserError
from localstack.paths import ROOT

# mutmut wants the package at the top of the folder that it runs in, as a Lambda function finds it.
_FOLDER = ROOT / ".build" / "mutants"
_COPIED = tuple(
    ROOT / name for name in ("functions/chalicelib", "functions/app.py", "localstack", "order_engine", "docs", "tests")
)


def _lay_out(folder: Path) -> None:
    # What mutmut knows from an earlier run goes too: it would not ask anew which tests reach a function.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in _COPIED:
        if source.is_dir():
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder)
    shutil.copy2(ROOT / "pyproject.toml", folder)


def _score(folder: Path) -> str:
    """The run's result in a line. Raises UserError where it left none."""
    written = folder / "mutants" / "mutmut-cicd-stats.json"
    if not written.exists():
        raise UserError("mutmut left no figures: see above what it says.")
    stats: dict[str, int] = json.loads(written.read_text())
    noticed = stats["killed"] + stats["timeout"] + stats["segfault"]
    tried = noticed + stats["survived"] + stats["no_tests"]
    return (
        f"{noticed} of {tried} faults noticed ({noticed / max(tried, 1):.1%}): {stats['survived']} survived, "
        f"{stats['no_tests']} are in code that no test of these reaches."
    )


def mutants(context: typer.Context) -> None:
    """Makes small faults in domain, services, venues and chain and tells which unit tests miss; takes half an hour.

    What follows goes to mutmut, e.g. ./dev mutants run 'chalicelib.services.publish*', ./dev mutants show NAME.
    """
    console = Console()
    mutmut = tools.ensure("mutmut", lambda text: console.print(text, style="dim"))

    def call(*arguments: str) -> int:
        command = [*tools.command(mutmut), *arguments]
        return subprocess.run(command, cwd=_FOLDER, env=tools.environment(), check=False).returncode  # noqa: S603  # ours

    arguments = context.args or ["run", "--max-children", "2"]
    if arguments[0] == "run":
        _lay_out(_FOLDER)
    elif not _FOLDER.exists():
        raise UserError("Nothing was tried yet: ./dev mutants.")
    status = call(*arguments)
    if arguments[0] == "run" and not status:
        call("results")
        call("export-cicd-stats")
        console.print(_score(_FOLDER), soft_wrap=True)
    raise typer.Exit(status)


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(mutants)
