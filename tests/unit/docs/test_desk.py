"""The desk's built files belong to its sources; what that takes needs no Node."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).parents[3]
WEB = ROOT / "web"


def test_the_built_desk_is_made_from_these_sources() -> None:
    sources = [path for path in (WEB / "src").rglob("*") if path.is_file() and path.name != "api.ts"]
    names = [path.relative_to(WEB).as_posix() for path in sources]
    digest = hashlib.sha256()
    for name in sorted([*names, "build.mjs", "package-lock.json", "../docs/api/pages/theme_early.js"]):
        digest.update(f"{name}\n".encode() + (WEB / name).read_bytes())
    assert (WEB / "built-from.txt").read_text() == f"{digest.hexdigest()}\n", "build it again: npm ci && npm run build"


def test_the_lock_names_no_registry() -> None:
    assert '"resolved"' not in (WEB / "package-lock.json").read_text()
