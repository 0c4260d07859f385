"""Small files of `.state` that hold secrets, whole or not at all whatever happens meanwhile."""

import math
import os
import re
import secrets
from pathlib import Path


def write_secret(path: Path, text: str) -> None:
    """Writes a file that only this user can read, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def read_secret(path: Path, size: int) -> str | None:
    """A secret of `size` random bytes; None where there is none, or a power cut left half of it."""
    try:
        text = path.read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return text if re.fullmatch(rf"[A-Za-z0-9_-]{{{math.ceil(size * 4 / 3)}}}", text) else None


def load_or_make_secret(path: Path, size: int) -> str:
    """The secret that the file holds, made where it holds none."""
    secret = read_secret(path, size)
    if secret is None:
        secret = secrets.token_urlsafe(size)
        write_secret(path, secret)
    return secret
