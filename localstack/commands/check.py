"""`test` and `check`."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import typer

from localstack.paths import ROOT
from order_engine.cli.console import Console

_LIMIT_SECONDS = 600.0
_TYPED = ("functions/chalicelib", "functions/app.py", "order_engine", "localstack", "infra", "docs/api", "tests")


@dataclass(frozen=True)
class Check:
    """One tool and the arguments it is called with, in the clone's folder."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """How a check ended."""

    check: Check
    status: int
    output: str
    seconds: float


def _templates() -> tuple[str, ...]:
    nested = (path for path in (ROOT / "infra").glob("*.y*ml") if "Resources:" in path.read_text())
    return ("template.yaml", *sorted(path.relative_to(ROOT).as_posix() for path in nested))


def _checks() -> tuple[Check, ...]:
    python = (sys.executable, "-m")
    return (
        Check("ruff check", (*python, "ruff", "check", ".")),
        Check("ruff format", (*python, "ruff", "format", "--check", ".")),
        Check("mypy", (*python, "mypy", *(path for path in _TYPED if (ROOT / path).exists()))),
        Check("import-linter", _command("lint-imports")),
        Check("secrets", (*_command("detect-secrets-hook"), "--baseline", ".secrets.baseline", *_files())),
        Check("cfn-lint", (*_command("cfn-lint"), *_templates())),
    )


def _files() -> tuple[str, ...]:
    """What the repository holds or would hold; nothing where this is no clone."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    return tuple(path for path in listed.stdout.split("\0") if (ROOT / path).is_file())


def _command(name: str) -> tuple[str, ...]:
    """A command of this environment that has no module to call, in a clone that was moved too.

    The first line of its file names the folder that the clone was in when it was installed.
    """
    run = (
        "import sys; from importlib.metadata import entry_points; "
        f"sys.argv[0] = {name!r}; sys.exit(entry_points(group='console_scripts')[{name!r}].load()())"
    )
    return (sys.executable, "-c", run)


def _run(check: Check) -> Result:
    started = time.monotonic()
    try:
        ended = subprocess.run(  # noqa: S603  # our own command lines
            check.arguments,
            cwd=ROOT,
            # import-linter imports what it draws: the functions' own root is not the clone's.
            env={**os.environ, "PYTHONPATH": str(ROOT / "functions")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Result(check, 1, f"{check.name} took more than {_LIMIT_SECONDS:.0f} s.", _LIMIT_SECONDS)
    return Result(check, ended.returncode, ended.stdout, time.monotonic() - started)


def check() -> None:
    """Runs ruff, mypy (strict), import-linter, cfn-lint, detect-secrets; exit status 1 where one finds something."""
    console = Console()
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for result in pool.map(_run, _checks()):
            if result.status:
                failed += 1
                console.print(f"\n[bold red]{result.check.name}[/bold red]")
                console.out(result.output.rstrip(), highlight=False)
            mark = "[red]fails[/red]" if result.status else "[green]holds[/green]"
            console.print(f"{mark}  {result.check.name:<14} [dim]{result.seconds:5.1f} s[/dim]")
    console.print(f"\n{failed} of {len(_checks())} checks fail." if failed else "\nAll checks hold.")
    raise typer.Exit(1 if failed else 0)


def _relative_to_clone(argument: str) -> str:
    """A path argument as it was meant in the current directory: pytest runs in the clone's own."""
    path, separator, rest = argument.partition("::")
    if argument.startswith("-") or not Path(path).exists():
        return argument
    # Relative: pytest takes a bracket in a path, which the clone's folder may have, for a parameter.
    return f"{os.path.relpath(Path(path).resolve(), ROOT)}{separator}{rest}"


def test(context: typer.Context) -> None:
    """Runs the tests; every argument goes to pytest, e.g. ./dev test tests/unit -k router.

    Without arguments tests/unit, tests/integration and tests/e2e, in four processes: what waits for a deployed stack
    leaves the processor to the others.
    """
    arguments = [_relative_to_clone(argument) for argument in context.args] or ["-n", "4", "--dist", "loadgroup"]
    pytest = subprocess.Popen([sys.executable, "-m", "pytest", *arguments], cwd=ROOT)  # noqa: S603  # ours
    while True:
        try:
            raise typer.Exit(pytest.wait())
        except KeyboardInterrupt:
            # The terminal has told pytest too; a SIGTERM only came here. Its fixtures end what they started.
            pytest.terminate()


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(test)
    app.command()(check)
