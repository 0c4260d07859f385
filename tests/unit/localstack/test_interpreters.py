"""Finding a Python that is not the one that runs this."""

import sys
from pathlib import Path

import pytest

from localstack.packaging import interpreters

HERE = f"python3.{sys.version_info.minor}"
SAYS = "#!/bin/sh\necho {}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on its path but a folder `bin`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.delenv("UV_PYTHON_INSTALL_DIR", raising=False)
    return tmp_path


def made(path: Path, said: str) -> Path:
    """A command that says that, whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SAYS.format(said))
    path.chmod(0o755)
    return path


def test_the_one_that_runs_this_needs_no_search(home: Path) -> None:
    assert interpreters.find(HERE) == Path(sys.executable)


@pytest.mark.parametrize(
    "place",
    [
        "bin/python3.99",
        ".pyenv/versions/3.99.1/bin/python3.99",
        ".local/share/uv/python/cpython-3.99.2-linux-x86_64-gnu/bin/python3.99",
    ],
)
def test_it_is_found_on_the_path_and_where_pyenv_and_uv_keep_theirs(home: Path, place: str) -> None:
    there = made(home / place, "python3.99")
    assert interpreters.find("python3.99") == there


def test_a_name_without_its_python_does_not_count(home: Path) -> None:
    """pyenv puts a file of each version's name on the path, which fails unless that version is chosen."""
    made(home / "bin" / "python3.99", "pyenv: version not installed")
    assert interpreters.find("python3.99") is None
    chosen = made(home / ".pyenv" / "versions" / "3.99.0" / "bin" / "python3.99", "python3.99")
    assert interpreters.find("python3.99") == chosen
