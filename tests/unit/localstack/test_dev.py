"""The script that prepares the environment: its sentences, and when it installs."""

import ast
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, SimpleNamespace

import psutil
import pytest

from localstack.paths import ROOT


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, for a clone in a folder with a space in its name."""
    clone = tmp_path / "a clone"
    (clone / "functions").mkdir(parents=True)
    loader = SourceFileLoader("dev", str(ROOT / "dev"))
    spec = importlib.util.spec_from_loader("dev", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    for name in module.REQUIREMENTS:
        (clone / name).touch()
    venv = clone / ".venv"
    for name, value in {
        "ROOT": clone,
        "VENV": venv,
        "PYTHON": venv / "bin" / "python",
        "STAMP": venv / "stamp",
    }.items():
        monkeypatch.setattr(module, name, str(value))
    return module


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("dev: ")
    return said[0]


def test_an_old_python_looks_for_a_newer_one(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(dev, "sys", SimpleNamespace(version_info=(3, 9, 2), argv=["dev", "up"], stderr=sys.stderr))
    monkeypatch.setattr(dev.shutil, "which", lambda name: f"/usr/bin/{name}" if name == "python3.12" else None)

    def execv(program: str, arguments: list[str]) -> None:
        called.append([program, *arguments])
        raise SystemExit(0)

    monkeypatch.setattr(dev.os, "execv", execv)
    with pytest.raises(SystemExit):
        dev.main()
    assert called == [["/usr/bin/python3.12", "/usr/bin/python3.12", f"{dev.ROOT}/dev", "up"]]


def test_an_old_python_alone_gets_one_sentence(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "sys", SimpleNamespace(version_info=(3, 9, 2), argv=["dev"], stderr=sys.stderr))
    monkeypatch.setattr(dev.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        dev.main()
    assert ended.value.code == 1
    assert "Python 3.11 or newer is needed and this is 3.9" in sentence(capsys)


def test_the_script_is_readable_to_an_old_python() -> None:
    ast.parse((ROOT / "dev").read_text(), feature_version=(3, 6))


def test_a_missing_module_names_its_package(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name)
    with pytest.raises(SystemExit) as ended:
        dev.main()
    assert ended.value.code == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"lacks the module ensurepip: install it (Debian, Ubuntu: apt install python{version}-venv)" in sentence(
        capsys
    )


def test_installs_once_and_again_when_a_requirement_changes(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []

    def make() -> None:
        steps.append("make")
        Path(dev.PYTHON).parent.mkdir(parents=True, exist_ok=True)
        Path(dev.PYTHON).touch()

    monkeypatch.setattr(dev, "make_environment", make)
    monkeypatch.setattr(dev, "install", lambda: steps.append("install"))
    dev.prepare()
    dev.prepare()
    assert steps == ["make", "install"]
    (Path(dev.ROOT) / "functions" / "requirements.txt").write_text("one-more==1\n")
    dev.prepare()
    assert steps == ["make", "install"] * 2


def test_an_interrupted_install_is_done_again(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(dev.PYTHON).parent.mkdir(parents=True)
    Path(dev.PYTHON).touch()
    monkeypatch.setattr(dev, "make_environment", lambda: None)

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dev, "install", interrupted)
    with pytest.raises(SystemExit) as ended:
        dev.main()
    assert ended.value.code == 130
    assert "interrupted" in capsys.readouterr().err
    assert not dev.is_ready(dev.wanted_stamp())


def test_runs_from_any_directory_and_passes_the_exit_status_on(tmp_path: Path) -> None:
    """What a folder in the current directory is called does not matter."""
    (tmp_path / "localstack.py").write_text("raise SystemExit('the wrong module')\n")
    answered = subprocess.run(
        [sys.executable, "-P", "-m", "localstack", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answered.returncode == 0
    assert "up" in answered.stdout


@pytest.mark.parametrize(
    ("numbers", "status"),
    [((signal.SIGINT, signal.SIGINT), 130), ((signal.SIGTERM,), 143), ((signal.SIGHUP,), 129)],
)
def test_a_signal_while_installing_leaves_nothing_behind(
    tmp_path: Path, numbers: tuple[signal.Signals, ...], status: int
) -> None:
    for name in ("dev", "requirements.txt", "constraints.txt", "functions/requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    # In place of a pip that takes long.
    python.write_text('#!/bin/sh\ncase "$*" in *install*) echo "Collecting $$"; exec sleep 600;; esac\n')
    python.chmod(0o755)
    process = subprocess.Popen([sys.executable, tmp_path / "dev", "up"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    pip = next(int(line.split()[-1]) for line in process.stderr if "Collecting" in line)
    for number in numbers:
        process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status
    assert said.splitlines()[-1] == "dev: interrupted; the next start goes on from here."
    assert not psutil.pid_exists(pip)
