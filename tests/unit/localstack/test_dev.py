"""The script that prepares the environment: its sentences, and when it installs."""

import ast
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest

from localstack.paths import ROOT
from tests.fakes.programs import ended


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script as a module, for a clone in a folder with a space in its name."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    clone = tmp_path / "a clone"
    (clone / "functions").mkdir(parents=True)
    (clone / "localstack").mkdir()
    shutil.copy(ROOT / "localstack" / "environment.py", clone / "localstack")
    loader = SourceFileLoader("dev", str(ROOT / "dev"))
    spec = importlib.util.spec_from_loader("dev", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    for name in module.REQUIREMENTS:
        (clone / name).touch()
    venv = clone / ".venv"
    places = {"ROOT": clone, "VENV": venv, "PYTHON": venv / "bin" / "python", "STAMP": venv / "stamp"}
    for name, value in places.items():
        monkeypatch.setattr(module, name, str(value))
    yield module
    for number, handler in before.items():
        signal.signal(number, handler)


def an_interpreter(dev: ModuleType, version: str = "3.11") -> None:
    """An environment that answers as one with pip does."""
    libraries = Path(dev.VENV) / "lib" / f"python{version}" / "site-packages"
    for folder in (libraries, Path(dev.PYTHON).parent):
        folder.mkdir(parents=True, exist_ok=True)
    (Path(dev.VENV) / "pyvenv.cfg").write_text("home = /usr/bin\n")
    Path(dev.PYTHON).write_text(f"#!/bin/sh\necho {version}\n")
    Path(dev.PYTHON).chmod(0o755)


def made(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the environment is made anew."""
    commands: list[list[str]] = []

    def call(command: list[str], **_: object) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr(dev.subprocess, "call", call)
    dev.make_environment()
    return bool(commands)


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("dev: ")
    return said[0]


OLD_PYTHON = "#!/bin/sh\nexit 1\n"


def run_with(folder: Path, **interpreters: str) -> "subprocess.CompletedProcess[str]":
    """The script with nothing but these on PATH."""
    for name, text in interpreters.items():
        (folder / name.replace("_", ".")).write_text(text)
        (folder / name.replace("_", ".")).chmod(0o755)
    return ended("/bin/sh", ROOT / "dev", "up", "a word", env={"PATH": str(folder), "PYTHONHOME": "/nowhere"})


def test_an_old_python_is_passed_over_for_a_newer_one(tmp_path: Path) -> None:
    newer = '#!/bin/sh\n[ "$2" = -c ] || { shift 2; echo "newer: $*"; }\n'
    assert run_with(tmp_path, python3=OLD_PYTHON, python3_12=newer).stdout == "newer: up a word\n"


@pytest.mark.parametrize("interpreters", [{}, {"python3": OLD_PYTHON}])
def test_without_a_new_enough_python_there_is_one_sentence(tmp_path: Path, interpreters: dict[str, str]) -> None:
    done = run_with(tmp_path, **interpreters)
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.startswith("dev: Python 3.11 or newer is needed and none is found on PATH")


def test_started_by_an_old_python_it_looks_for_another(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(dev, "sys", SimpleNamespace(version_info=(3, 9, 2), argv=["dev", "up"], stderr=sys.stderr))

    def execv(program: str, arguments: list[str]) -> None:
        called.append([program, *arguments])
        raise SystemExit(0)

    monkeypatch.setattr(dev.os, "execv", execv)
    with pytest.raises(SystemExit):
        dev.main()
    assert called == [["/bin/sh", "sh", f"{dev.ROOT}/dev", "up"]]


def test_the_script_is_readable_to_an_old_python() -> None:
    ast.parse((ROOT / "dev").read_text(), feature_version=(3, 6))


def test_a_missing_module_names_its_package(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name)
    with pytest.raises(SystemExit) as end:
        dev.main()
    assert end.value.code == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"lacks the module ensurepip: install it (Debian, Ubuntu: apt install python{version}-venv)" in sentence(
        capsys
    )


def test_installs_once_and_again_when_a_requirement_changes(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []

    def make() -> None:
        steps.append("make")
        an_interpreter(dev)

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
    an_interpreter(dev)
    monkeypatch.setattr(dev, "make_environment", lambda: None)

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dev, "install", interrupted)
    with pytest.raises(SystemExit) as end:
        dev.main()
    assert end.value.code == 130
    assert "interrupted" in capsys.readouterr().err
    assert not dev.is_ready(dev.expected_stamp())


def helped(path: str = str(ROOT), **settings: Any) -> "subprocess.CompletedProcess[str]":
    """How `./dev --help` ends, once the environment stands."""
    command = (sys.executable, "-P", "-m", "localstack", "--help")
    return ended(*command, env={**os.environ, "PYTHONPATH": path}, **settings)


def test_what_the_current_directory_holds_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "localstack.py").write_text("raise SystemExit('the wrong module')\n")
    answered = helped(cwd=tmp_path)
    assert (answered.returncode, "up" in answered.stdout) == (0, True)


def test_half_of_a_library_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "yarl.py").touch()  # found before the whole one
    answered = helped(f"{tmp_path}{os.pathsep}{ROOT}")
    assert answered.returncode == 1
    assert "yarl or a part of it: remove .venv and run this again" in answered.stderr
    assert "Traceback" not in answered.stderr


def test_a_terminal_that_has_gone_ends_a_command_as_its_signal_does() -> None:
    ours, theirs = os.openpty()
    os.close(ours)
    assert helped(capture_output=False, stdout=theirs, stderr=theirs).returncode == 129
    os.close(theirs)


@pytest.fixture
def installing(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A ./dev up that installs, and its pip."""
    for name in (
        "dev",
        "localstack/environment.py",
        "requirements.txt",
        "constraints.txt",
        "functions/requirements.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (tmp_path / ".venv" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    # In place of a pip that takes long.
    python.write_text(
        '#!/bin/sh\ncase "$*" in *install*) echo "Collecting $$"; exec sleep 600;; *prefix*) echo 3.11;; esac\n'
    )
    python.chmod(0o755)
    process = subprocess.Popen([sys.executable, tmp_path / "dev", "up"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    yield process, next(int(line.split()[-1]) for line in process.stderr if "Collecting" in line)
    process.kill()
    process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("numbers", "status"), [((signal.SIGINT, signal.SIGINT), 130), ((signal.SIGTERM,), 143), ((signal.SIGHUP,), 129)]
)
def test_a_signal_while_installing_leaves_nothing_behind(
    installing: tuple["subprocess.Popen[str]", int], numbers: tuple[signal.Signals, ...], status: int
) -> None:
    process, pip = installing
    for number in numbers:
        process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status
    assert said.splitlines()[-1] == "dev: interrupted; the next start goes on from here."
    assert not psutil.pid_exists(pip)


def test_down_ends_an_up_that_installs(tmp_path: Path, installing: tuple["subprocess.Popen[str]", int]) -> None:
    process, pip = installing
    first = ended(sys.executable, tmp_path / "dev", "down")
    assert (first.returncode, first.stdout, first.stderr) == (0, "Stopped.\n", "")
    assert process.wait(60) == 143
    assert not psutil.pid_exists(pip)
    second = ended(sys.executable, tmp_path / "dev", "down")
    assert (second.returncode, second.stdout) == (0, "Nothing runs in this clone.\n")


def test_an_environment_that_can_be_used_is_kept(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    an_interpreter(dev, "3.13")
    assert not made(dev, monkeypatch)


@pytest.mark.parametrize(
    "python",
    ["echo 3.9", "exec sleep 60", "exit 1", "echo 3.12"],
    ids=["old", "hanging", "without pip", "upgraded: the libraries are for another"],
)
def test_an_environment_whose_python_can_not_be_used_is_made_anew(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    an_interpreter(dev, "3.9" if "3.9" in python else "3.11")
    monkeypatch.setattr(dev, "PROBE_SECONDS", 0.5)
    Path(dev.PYTHON).write_text(f"#!/bin/sh\n{python}\n")
    assert made(dev, monkeypatch)


def test_an_environment_that_is_half_installed_or_whose_python_is_gone_is_made_anew(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_interpreter(dev)
    half = Path(dev.VENV) / "lib" / "python3.11" / "site-packages" / "aiohttp-3.dist-info"
    half.mkdir()
    assert made(dev, monkeypatch)
    half.rmdir()
    Path(dev.PYTHON).unlink()
    Path(dev.PYTHON).symlink_to("/nowhere/python3")
    assert made(dev, monkeypatch)


def test_what_a_link_to_an_environment_leads_to_is_never_emptied(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    an_interpreter(dev, "3.9")
    Path(dev.VENV).rename(tmp_path / "elsewhere")
    Path(dev.VENV).symlink_to(tmp_path / "elsewhere")
    assert made(dev, monkeypatch)
    assert not Path(dev.VENV).is_symlink()
    assert (tmp_path / "elsewhere" / "pyvenv.cfg").exists()


def test_a_file_of_the_environment_s_name_stays(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    Path(dev.VENV).write_text("mine\n")
    with pytest.raises(SystemExit):
        dev.prepare()
    assert ".venv is a file" in capsys.readouterr().err
    assert Path(dev.VENV).read_text() == "mine\n"


@pytest.mark.parametrize(("version", "ready"), [("3.11", True), ("3.12", False)])
def test_an_interpreter_upgraded_under_the_environment(dev: ModuleType, version: str, *, ready: bool) -> None:
    an_interpreter(dev)
    dev.mark(dev.expected_stamp())
    Path(dev.PYTHON).write_text(f"#!/bin/sh\n# another\necho {version}\n")
    assert dev.is_ready(dev.expected_stamp()) is ready
    assert dev.is_ready(dev.expected_stamp()) is ready


def test_an_environment_that_packages_were_deleted_from_is_made_anew(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_interpreter(dev)
    packages = Path(dev.VENV) / "lib" / "python3.11" / "site-packages"
    for name in ("aiohttp", "aiohttp-3.dist-info", "pip", "pip-24.dist-info", "__pycache__"):
        (packages / name).mkdir()
    dev.mark(dev.expected_stamp())
    # What a person may do.
    (packages / "of_the_person_s_own").mkdir()
    (packages / "pip-24.dist-info").rename(packages / "pip-25.dist-info")
    (packages / "__pycache__").rmdir()
    assert dev.is_ready(dev.expected_stamp())
    (packages / "aiohttp").rmdir()
    assert not dev.is_ready(dev.expected_stamp())
    assert made(dev, monkeypatch)


def test_another_user_s_clone_gets_a_sentence(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def prepare() -> None:
        raise PermissionError(13, "Permission denied", ".state/install.lock")

    monkeypatch.setattr(dev, "prepare", prepare)
    with pytest.raises(SystemExit):
        dev.main()
    assert ".state/install.lock can't be used: it belongs to another user. Give the clone" in sentence(capsys)


@pytest.mark.parametrize("note", ["", "half a note", "\xff"])
def test_half_a_note_is_none(dev: ModuleType, note: str) -> None:
    an_interpreter(dev)
    Path(dev.STAMP).write_text(note, encoding="latin-1")
    assert not dev.is_ready(dev.expected_stamp())


def test_a_colon_in_the_path_gets_a_sentence(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    an_interpreter(dev)  # made before the folder was called so
    dev.mark(dev.expected_stamp())
    monkeypatch.setattr(dev, "ROOT", f"{dev.ROOT}/a:b")
    monkeypatch.setattr(dev, "expected_stamp", lambda: Path(dev.STAMP).read_text().splitlines()[0])
    with pytest.raises(SystemExit):
        dev.prepare()
    assert "has a colon in it" in sentence(capsys)


def test_only_commands_about_an_account_of_one_s_own_find_its_settings(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "ROOT", str(ROOT))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert dev.environment_of("deploy")["AWS_PROFILE"] == "mine"
    assert "AWS_PROFILE" not in dev.environment_of("up")
    for command in ("deploy", "up"):
        assert dev.environment_of(command)["PYTHONPATH"] == str(ROOT)
        assert "localhost" in dev.environment_of(command)["NO_PROXY"]
