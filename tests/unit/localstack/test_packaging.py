"""Zips of our own sources."""

import io
import os
import sys
import zipfile
from pathlib import Path

import pytest

from localstack.packaging import source_zip
from tests.fakes.programs import ended


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("import library.part\nVALUE = library.part.VALUE\n")
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "__init__.py").touch()
    (tmp_path / "library" / "part.py").write_text("VALUE = 42\n")
    (tmp_path / "library" / "page.html").write_text("<p>")
    return tmp_path


def names(artifact: source_zip.Artifact) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(artifact.content)).namelist()


def test_the_same_content_gives_the_same_bytes(folder: Path) -> None:
    first = source_zip.build(folder)
    for path in folder.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700)
    assert source_zip.build(folder) == first


def test_other_content_gives_another_digest(folder: Path) -> None:
    before = source_zip.build(folder).digest
    (folder / "library" / "part.py").write_text("VALUE = 43\n")
    changed = source_zip.build(folder).digest
    (folder / "library" / "part.py").rename(folder / "library" / "moved.py")
    assert len({before, changed, source_zip.build(folder).digest}) == 3


def test_what_is_not_ours_stays_out(folder: Path) -> None:
    for name in ("__pycache__/app.cpython-311.pyc", ".chalice/config.json", "library/old.pyc", ".DS_Store"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    assert names(source_zip.build(folder)) == ["app.py", "library/__init__.py", "library/page.html", "library/part.py"]


def test_compiled_modules_are_used_without_their_sources_dates(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    unpacked = tmp_path_factory.mktemp("unpacked")
    artifact = source_zip.build(folder, compiled=True)
    zipfile.ZipFile(io.BytesIO(artifact.content)).extractall(unpacked)
    # Only bytecode that is believed without a look at the source still says 42.
    (unpacked / "library" / "part.py").write_text("VALUE = 'compiled again'\n")
    assert ended(sys.executable, "-c", "import app; print(app.VALUE)", cwd=unpacked).stdout == "42\n"
    assert source_zip.build(folder).digest != artifact.digest == source_zip.build(folder, compiled=True).digest
