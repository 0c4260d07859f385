"""Makes the artifact's locks anew: `python -m localstack.packaging.lockfile`, after a change of a run-time requirement.

A lock names every library of an artifact with the hashes of its wheels for all runtimes and processors. The list is the
same for each of them, so that nothing depends on the interpreter that builds.
"""

import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from itertools import product
from pathlib import Path

from localstack.errors import UserError
from localstack.packaging.wheels import (
    ARCHITECTURES,
    AUTHORITIES_LOCK,
    FUNCTIONS_LOCK,
    MIGRATIONS_LOCK,
    RUNTIMES,
    Platform,
    resolve,
)
from localstack.paths import ROOT

_CONSTRAINTS = ROOT / "constraints.txt"
# The newest that a runtime has, and older ones, of some runtimes and of laptops: a library may have a wheel for each.
# That there is one at all is asked of the newest only: `fetch` finds out about the others.
_GLIBC_MINOR, *_OLDER_GLIBC_MINORS = 34, 28, 26
SOURCES = {
    # With botocore in the zip, boto3 must be the one that fits it.
    FUNCTIONS_LOCK: (ROOT / "functions" / "requirements.txt", ("boto3",)),
    MIGRATIONS_LOCK: (ROOT / "infra" / "migrations" / "requirements.txt", ()),
    # For the files in them: what they need to run is of no interest.
    AUTHORITIES_LOCK: (ROOT / "infra" / "artifact" / "authorities.txt", ("--no-deps",)),
}


def text_of(wheels: Iterable[tuple[str, str]], source: str) -> str:
    """The lock of these wheels: file name and SHA-256 each."""
    hashes: dict[str, set[str]] = defaultdict(set)
    for name, digest in wheels:
        distribution, version = name.split("-")[:2]
        hashes[f"{distribution.lower().replace('_', '-').replace('.', '-')}=={version}"].add(digest)
    lines = [f"# Made by `python -m localstack.packaging.lockfile` from {source}; not edited by hand."]
    for pin, digests in sorted(hashes.items()):
        lines.append(" \\\n".join([pin, *(f"    --hash=sha256:{digest}" for digest in sorted(digests))]))
    return "\n".join(lines) + "\n"


def make(lock: Path) -> None:
    """Writes one lock. Raises UserError where a library has no wheel for some platform."""
    requirements, extra = SOURCES[lock]
    wheels = set()
    for runtime, architecture, glibc in product(RUNTIMES, ARCHITECTURES, (_GLIBC_MINOR, *_OLDER_GLIBC_MINORS)):
        with suppress(UserError) if glibc in _OLDER_GLIBC_MINORS else nullcontext():
            for wheel in resolve(requirements, _CONSTRAINTS, Platform(runtime, architecture, glibc), extra):
                wheels.add((wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest()))
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(text_of(wheels, requirements.relative_to(ROOT).as_posix()))


if __name__ == "__main__":
    for path in SOURCES:
        make(path)
        sys.stdout.write(f"{path.relative_to(ROOT)} is made.\n")
