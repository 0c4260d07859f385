"""Zips of our own sources: the embedded target takes every library from the virtual environment."""

import compileall
import hashlib
import io
import py_compile
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The oldest date that a zip can hold: the same content always gives the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o644 << 16


@dataclass(frozen=True)
class Artifact:
    """A zip and the name that its content gives it."""

    content: bytes
    digest: str


def digest_of(content: bytes) -> str:
    """A name for uploaded content."""
    return hashlib.sha256(content).hexdigest()[:32]


def _is_ours(relative: Path) -> bool:
    return not any(part.startswith(".") or part == "__pycache__" for part in relative.parts) and (
        relative.suffix != ".pyc"
    )


def sources(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below the folder that belongs into an artifact, sorted by name."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and _is_ours(relative):
            yield relative.as_posix(), path.read_bytes()


def _bytecode(files: list[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Compiled modules that Python uses without looking at the sources' dates."""
    with tempfile.TemporaryDirectory(prefix="order-engine-bytecode-") as name:
        root = Path(name)
        for relative, content in files:
            path = root / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        compileall.compile_dir(
            root, quiet=2, stripdir=name, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
        )
        for path in sorted(root.rglob("*.pyc")):
            yield path.relative_to(root).as_posix(), path.read_bytes()


def build(folder: Path, *, compiled: bool = False) -> Artifact:
    """Zips the folder's sources; the same sources always get the same digest, and uncompiled the same bytes.

    `compiled` adds this interpreter's bytecode: the emulator unpacks the zip anew for every process of a
    function, which would otherwise compile every module at every cold start.
    """
    files = list(sources(folder))
    digest = hashlib.sha256(sys.version.encode() if compiled else b"")
    for name, content in files:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    if compiled:
        files += _bytecode(files)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _FILE_MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return Artifact(buffer.getvalue(), digest.hexdigest()[:32])
