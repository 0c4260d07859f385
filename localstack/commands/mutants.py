"""`mutants`: small faults in domain, services, venues and chain, one at a time; tells which no unit test notices."""

import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from localstack.deployment import tools
from localstack.errors import UserError
from localstack.paths import ROOT
from order_engine.cli.console import Console

# mutmut wants the package at the top of the folder that it runs in, as a Lambda function finds it.
_FOLDER = ROOT / ".build" / "mutants"
_AT_ONCE = ("--max-children", "2")
# Whoever tries these few has mutmut make and list all.
_FEW = "chalicelib.domain.text.*"
_COPIED = tuple(
    ROOT / name for name in ("functions/chalicelib", "functions/app.py", "localstack", "order_engine", "docs", "tests")
)


def _copy_sources(folder: Path) -> None:
    # What mutmut knows from an earlier run goes too: it would not ask anew which tests reach a function.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in _COPIED:
        if source.is_dir():
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder)
    shutil.copy2(ROOT / "pyproject.toml", folder)


def _statuses(listed: str) -> dict[str, str]:
    """Each fault that mutmut lists as `NAME: STATUS`, by its name."""
    lines = (line.strip().partition(": ") for line in listed.splitlines())
    return {name: status for name, separator, status in lines if separator}


def _score(tried: Mapping[str, str]) -> str:
    """The run's result in a line. Raises UserError where there is none."""
    counts = Counter(tried.values())
    noticed = counts["killed"] + counts["timeout"] + counts["segfault"]
    total = noticed + counts["survived"] + counts["no tests"]
    if not total:
        raise UserError("mutmut left no figures: see above what it says.")
    return (
        f"{noticed} of {total} faults noticed ({noticed / total:.1%}): {counts['survived']} survived, "
        f"{counts['no tests']} are in code that no test of these reaches."
    )


def mutants(
    context: typer.Context,
    sample: Annotated[int, typer.Option(min=0, help="Tries so many faults, drawn at random; 0 tries all.")] = 0,
    seed: Annotated[int, typer.Option(help="Draws the same faults each time, as long as the code is the same.")] = 1,
) -> None:
    """Makes small faults in domain, services, venues and chain and tells which unit tests miss; takes an hour or two.

    What follows goes to mutmut, e.g. ./dev mutants run 'chalicelib.services.publish*', ./dev mutants show NAME.
    """
    console = Console()
    mutmut = tools.ensure("mutmut", lambda text: console.print(text, style="dim"))

    def call(*arguments: str) -> int:
        command = [*tools.command(mutmut), *arguments]
        return subprocess.run(command, cwd=_FOLDER, env=tools.environment(), check=False).returncode  # noqa: S603  # ours

    def listed() -> dict[str, str]:
        command = [*tools.command(mutmut), "results", "--all", "true"]
        results = subprocess.run(command, cwd=_FOLDER, env=tools.environment(), check=False, stdout=subprocess.PIPE)  # noqa: S603
        return _statuses(results.stdout.decode())

    arguments = context.args or ["run", *_AT_ONCE]
    if arguments[0] != "run" and not _FOLDER.exists():
        raise UserError("Nothing was tried yet: ./dev mutants.")
    if arguments[0] != "run":
        raise typer.Exit(call(*arguments))
    _copy_sources(_FOLDER)
    drawn: list[str] = []
    if sample:
        if status := call("run", *_AT_ONCE, _FEW):
            raise typer.Exit(status)
        names = sorted(listed())
        drawn = random.Random(seed).sample(names, min(sample, len(names)))
        arguments += drawn
    status = call(*arguments)
    if not status:
        tried = listed()
        tried = {name: tried[name] for name in drawn or tried}
        for name, what in tried.items():
            if what in ("survived", "no tests"):
                console.print(f"{name}: {what}", soft_wrap=True)
        console.print(_score(tried), soft_wrap=True)
    raise typer.Exit(status)


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(mutants)
