"""What goes into an artifact: the lock, the platforms, the files of a wheel."""

import io
import re
import sys
import zipfile
from pathlib import Path

import pytest

from localstack.errors import UserError
from localstack.packaging import authorities, bytecode, lambda_package, lockfile, source_zip, wheels
from localstack.paths import ROOT
from tests.fakes.programs import ended

PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==([^\s;\\]+)", re.MULTILINE)


def pins(path: Path) -> dict[str, str]:
    return {name.lower().replace("_", "-"): version for name, version in PIN.findall(path.read_text())}


@pytest.mark.parametrize("path", lockfile.SOURCES)
def test_the_lock_is_that_of_the_requirements(path: Path) -> None:
    """A changed requirement needs `python -m localstack.packaging.lockfile`."""
    requirements, extra = lockfile.SOURCES[path]
    locked, constraints = pins(path), pins(ROOT / "constraints.txt")
    assert pins(requirements).items() <= locked.items()
    assert {name: constraints.get(name, version) for name, version in locked.items()} == locked
    assert {name for name in extra if not name.startswith("-")} <= set(locked)
    assert path.read_text().count("--hash=sha256:") >= len(locked)


def test_a_lock_is_sorted_and_names_each_wheel_once() -> None:
    made = lockfile.text_of(
        [
            ("b_c-2.0-cp313-cp313-x.whl", "2" * 64),
            ("a-1-py3-none-any.whl", "1" * 64),
            ("b_c-2.0-cp312-cp312-x.whl", "3" * 64),
            ("a-1-py3-none-any.whl", "1" * 64),
        ],
        "some/requirements.txt",
    )
    assert made.splitlines()[1:] == [
        "a==1 \\",
        f"    --hash=sha256:{'1' * 64}",
        "b-c==2.0 \\",
        f"    --hash=sha256:{'2' * 64} \\",
        f"    --hash=sha256:{'3' * 64}",
    ]


@pytest.mark.parametrize(
    ("runtime", "architecture", "sentence"),
    [
        ("python3.10", "arm64", "no runtime python3.10: PythonRuntime takes python3.11, python3.12"),
        ("python3.13", "aarch64", "no processor aarch64: Architecture takes arm64 or x86_64"),
        ("python3.11", "arm64", "choose python3.12 or newer"),
    ],
)
def test_platforms_that_do_not_exist(runtime: str, architecture: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        wheels.lambda_platform(runtime, architecture)


def test_pip_is_asked_for_the_targets_wheels_best_first() -> None:
    options = wheels.lambda_platform("python3.13", "arm64").pip_options()
    platforms = [option.partition("=")[2] for option in options if option.startswith("--platform")]
    assert platforms[0] == "manylinux_2_34_aarch64"
    assert platforms[-2:] == ["manylinux_2_17_aarch64", "manylinux2014_aarch64"]
    assert {"--only-binary=:all:", "--python-version=3.13", "--abi=cp313", "--abi=abi3"} <= set(options)


@pytest.mark.parametrize(
    ("system", "libc", "machine"),
    [("darwin", ("", ""), "arm64"), ("linux", ("", ""), "x86_64"), ("linux", ("glibc", "2.36"), "riscv64")],
)
def test_a_machine_that_cannot_run_the_artifact(
    monkeypatch: pytest.MonkeyPatch, system: str, libc: tuple[str, str], machine: str
) -> None:
    monkeypatch.setattr("localstack.packaging.wheels.sys.platform", system)
    monkeypatch.setattr("localstack.packaging.wheels.platform.libc_ver", lambda: libc)
    monkeypatch.setattr("localstack.packaging.wheels.platform.machine", lambda: machine)
    with pytest.raises(UserError, match=r"libraries for Linux.*\./dev up runs the same sources"):
        wheels.this_platform()


def test_a_library_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    path = tmp_path / "some.lock"
    path.write_text(f"no-such-library==1.0 --hash=sha256:{'0' * 64}\n")
    target = wheels.lambda_platform("python3.13", "arm64")
    with pytest.raises(UserError, match=r"(?s)could not fetch.*no-such-library==1\.0"):
        wheels.fetch(path, target, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def wheel(folder: Path, name: str, *files: str) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.writestr(file, f"{file} of {name}")
    return path


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is built with two wheels and Chalice's runtime."""
    folder = tmp_path / "code"
    (folder / "part" / "__pycache__").mkdir(parents=True)
    (folder / ".chalice").mkdir()
    for name in ("app.py", "requirements.txt", "part/page.html", "part/__pycache__/a.pyc", ".chalice/config.json"):
        (folder / name).write_text(name)
    made = [
        wheel(
            tmp_path,
            "botocore-1-py3-none-any.whl",
            "botocore/__init__.py",
            "botocore/py.typed",
            "botocore/data/endpoints.json",
            "botocore/data/rds/2014-10-31/service-2.json.gz",
            "botocore/data/ec2/2016-11-15/service-2.json.gz",
            "botocore-1.dist-info/LICENSE.txt",
            "botocore-1.dist-info/RECORD",
        ),
        wheel(
            tmp_path,
            "quick-2-cp313-cp313-x.whl",
            "quick/core.cpython-313-x.so",
            "quick/core.pyi",
            "quick/core.pyx",
            "quick/tests/test_core.py",
            "quick-2.data/purelib/quick/more.py",
            "quick-2.data/scripts/quick",
            "chalice/cli.py",
        ),
    ]
    monkeypatch.setitem(
        lambda_package.RECIPES, folder, lambda_package.Recipe(folder, tmp_path / "some.lock", with_chalice=True)
    )
    monkeypatch.setattr(lambda_package, "fetch", lambda path, target, report: made)
    monkeypatch.setattr(authorities, "database_authorities", lambda target, report: {"database-ca/a.pem": b"locked"})
    return folder


TARGET = wheels.lambda_platform("python3.13", "arm64")


def names(built: source_zip.Artifact) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(built.content)).namelist()


def test_a_zip_holds_what_runs_and_nothing_else(recipe: Path) -> None:
    assert names(lambda_package.build(recipe, TARGET)) == [
        "app.py",
        "botocore-1.dist-info/LICENSE.txt",
        "botocore/__init__.py",
        "botocore/data/endpoints.json",
        "botocore/data/rds/2014-10-31/service-2.json.gz",
        "chalice/__init__.py",
        "chalice/app.py",
        "database-ca/a.pem",
        "part/page.html",
        "quick/core.cpython-313-x.so",
        "quick/more.py",
    ]


def test_authorities_beside_the_sources_take_the_place_of_the_locked_ones(recipe: Path) -> None:
    def trusted() -> bytes:
        return zipfile.ZipFile(io.BytesIO(lambda_package.build(recipe, TARGET).content)).read("database-ca/a.pem")

    assert trusted() == b"locked"
    (recipe / "database-ca").mkdir()
    (recipe / "database-ca" / "a.pem").write_bytes(b"ours")
    assert trusted() == b"ours"


def test_neither_dates_nor_permissions_show(recipe: Path) -> None:
    first = lambda_package.build(recipe, TARGET)
    (recipe / "app.py").chmod(0o700)
    (recipe / "app.py").write_text("app.py")
    second = lambda_package.build(recipe, TARGET)
    assert second == first
    entries = zipfile.ZipFile(io.BytesIO(second.content)).infolist()
    assert {(entry.date_time, entry.external_attr >> 16, entry.create_system) for entry in entries} == {
        ((1980, 1, 1, 0, 0, 0), 0o644, 3)
    }
    (recipe / "app.py").write_text("app.py, changed")
    assert lambda_package.build(recipe, TARGET).digest != first.digest


def test_a_zip_that_grew_too_large(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_package, "MAX_BYTES", 100)
    with pytest.raises(UserError, match="more than 100"):
        lambda_package.build(recipe, TARGET)


def test_a_folder_that_nothing_is_known_of(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing says how to build that"):
        lambda_package.build(tmp_path, TARGET)


def test_bytecode_names_the_place_in_lambda_and_leaves_broken_modules_alone(tmp_path: Path) -> None:
    here = Path(sys.executable)
    files = {
        "good.py": b"def where():\n    return where.__code__.co_filename\n",
        "library/broken.py": b"def (",
        "page.html": b"<p>",
    }
    compiled = bytecode.compile_all(files, here)
    assert compiled == bytecode.compile_all(files, here)
    name = f"__pycache__/good.cpython-3{sys.version_info.minor}.pyc"
    assert list(compiled) == [name]
    (tmp_path / "good.pyc").write_bytes(compiled[name])
    said = ended(sys.executable, "-c", "import good; print(good.__spec__.origin)", cwd=tmp_path)
    assert said.stdout.endswith("good.pyc\n")
    assert b"/var/task/good.py" in compiled[name]


def test_zips_come_without_bytecode_where_nothing_here_can_compile_it(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    target = wheels.lambda_platform("python3.14", "x86_64")
    monkeypatch.setattr(lambda_package, "RECIPES", {recipe: lambda_package.RECIPES[recipe]})
    monkeypatch.setattr("localstack.packaging.interpreters.find", lambda name: None)
    (built,) = lambda_package.build_all(target, said.append).values()
    assert [line for line in said if line.startswith("no python3.14 on this machine: without bytecode")]
    assert not [name for name in names(built) if name.endswith(".pyc")]

    monkeypatch.setattr("localstack.packaging.interpreters.find", lambda name: Path(sys.executable))
    (built,) = lambda_package.build_all(target, said.append).values()
    assert [name for name in names(built) if name.endswith(".pyc")]
