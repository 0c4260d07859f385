"""The zips that Lambda runs: our sources, Chalice's small runtime and the locked libraries for one platform.

What `chalice package` makes, for any runtime and processor whatever this interpreter is, and the same bytes each time.
"""

import hashlib
import inspect
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import chalice
import chalice.app

from localstack.errors import UserError
from localstack.packaging import authorities, interpreters
from localstack.packaging.bytecode import compile_all
from localstack.packaging.source_zip import Artifact, sources
from localstack.packaging.wheels import FUNCTIONS_LOCK, MIGRATIONS_LOCK, Platform, Report, fetch, ignore_progress
from localstack.paths import ROOT

FUNCTIONS = ROOT / "functions"
MIGRATIONS = ROOT / "infra" / "migrations"
# Lambda's limit is 50 MB for a direct upload; this is our own.
MAX_BYTES = 25_000_000
# The only service that has a client of botocore's, to sign a token: SQS and DynamoDB are called by signed_calls.py.
# The descriptions of all others, nine tenths of the libraries' size, stay out.
AWS_SERVICES = frozenset({"rds"})
_EPOCH = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o644 << 16
_UNIX = 3
# What compilers and type checkers read, and pip's own book-keeping.
_NOT_RUN = frozenset({".pyi", ".pyx", ".pxd", ".c", ".h", ".pyc"})
_BOOK_KEEPING = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "py.typed"})


@dataclass(frozen=True)
class Recipe:
    """What a zip is made of."""

    sources: Path
    lock: Path
    with_chalice: bool


RECIPES: Mapping[Path, Recipe] = {
    FUNCTIONS: Recipe(FUNCTIONS, FUNCTIONS_LOCK, with_chalice=True),
    MIGRATIONS: Recipe(MIGRATIONS, MIGRATIONS_LOCK, with_chalice=False),
}


def _is_wanted(path: PurePosixPath) -> bool:
    """Whether a file of a library belongs into a zip."""
    if path.suffix in _NOT_RUN or path.name in _BOOK_KEEPING or "tests" in path.parts:
        return False
    if path.parts[0] in ("botocore", "boto3") and len(path.parts) > 3 and path.parts[1] == "data":
        return path.parts[2] in AWS_SERVICES
    # Of Chalice only its runtime is wanted, which is added for itself.
    return path.parts[0] != "chalice" and path.parts[:2] != ("boto3", "examples")


def _library(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a wheel where an import finds them."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            path = PurePosixPath(name)
            if path.parts[0].endswith(".data"):
                if path.parts[1] not in ("purelib", "platlib"):
                    continue  # scripts and headers
                path = PurePosixPath(*path.parts[2:])
            if not name.endswith("/") and _is_wanted(path):
                yield path.as_posix(), archive.read(name)


def _chalice_runtime() -> Iterator[tuple[str, bytes]]:
    """The two modules of Chalice that run in Lambda, as `chalice package` vendors them."""
    for module, name in ((chalice, "chalice/__init__.py"), (chalice.app, "chalice/app.py")):
        yield name, Path(inspect.getfile(module)).read_bytes()


def _files(recipe: Recipe, target: Platform, report: Report) -> dict[str, bytes]:
    files = {name: content for name, content in sources(recipe.sources) if name != "requirements.txt"}
    for wheel in fetch(recipe.lock, target, report):
        files.update(_library(wheel))
    if recipe.with_chalice:
        files.update(_chalice_runtime())
    # A file of the same name beside the sources is meant to take its place.
    return {**authorities.database_authorities(target, report), **files}


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _FILE_MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()


def build(
    folder: Path, target: Platform, report: Report = ignore_progress, *, compiler: Path | None = None
) -> Artifact:
    """The zip for a folder that the template names as code.

    The same sources and lock give the same digest on every machine, and the same bytes with the same zlib. `compiler`,
    an interpreter of the target's version, adds bytecode, which depends on it, and the digest knows that.
    Raises UserError: no such artifact, a library that can't be had, a zip that grew too large.
    """
    recipe = RECIPES.get(folder)
    if recipe is None:
        raise UserError(f"The template names {folder} as a function's code, and nothing says how to build that.")
    files = _files(recipe, target, report)
    if compiler is not None:
        report(f"compiling {folder.name} for {target.runtime}")
        files.update(compile_all(files, compiler))
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    content = _zip(files)
    if len(content) > MAX_BYTES:
        raise UserError(
            f"The artifact of {folder.name} has {len(content):,} bytes, more than {MAX_BYTES:,}: look at what the "
            "latest requirement brought along."
        )
    report(f"{folder.name} for {target.name}: {len(content) / 1e6:.1f} MB, {digest.hexdigest()[:12]}")
    return Artifact(content, digest.hexdigest()[:32])


def build_all(target: Platform, report: Report = ignore_progress) -> dict[Path, Artifact]:
    """The zip of each folder that the template names, with bytecode where this machine has the target's Python.

    Raises as `build`.
    """
    compiler = interpreters.find(target.runtime)
    if compiler is None:
        report(f"no {target.runtime} on this machine: without bytecode, a cold start takes twice the processor time")
    return {folder: build(folder, target, report, compiler=compiler) for folder in RECIPES}
