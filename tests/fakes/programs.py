"""Programs and commands as they end: what a test asks of them again and again."""

import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from typer.testing import CliRunner, Result


def ended(*command: str | Path, check: bool = False, **settings: Any) -> "subprocess.CompletedProcess[str]":
    """How a program ended, and what it wrote; it has a minute, where nothing else is said."""
    defaults = {"capture_output": True, "text": True, "timeout": 60}
    return subprocess.run([*map(str, command)], check=check, **{**defaults, **settings})


def invoke(commands: ModuleType, *arguments: str, **settings: Any) -> Result:
    """A command of `./dev` in this process; the module adds it to an application."""
    app = typer.Typer()
    commands.add_to(app)
    return CliRunner().invoke(app, arguments, **settings)
