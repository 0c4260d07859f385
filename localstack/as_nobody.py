"""Runs a command as the user `nobody`: Postgres refuses to run as root.

Run as a script: `as_nobody.py COMMAND [ARGUMENT …]`, as root. A clone under /root can't be entered by anybody
else. Rather than opening root's home to everyone, the command then keeps one capability, to pass folders that
its user may not enter (Linux only). Exit status 77 where that is needed and not to be had.
"""

import ctypes
import os
import sys

CANNOT_READ = 77
_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 47, 2
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _keep_only(libc: ctypes.CDLL, capability: int) -> bool:
    """Gives up every capability but this one, which survives exec; whether the kernel agreed."""
    mask = 1 << capability
    sets = (_Set * 2)(_Set(mask, mask, mask), _Set(0, 0, 0))
    header = _Header(_CAPABILITY_VERSION_3, 0)
    return bool(
        libc.capset(ctypes.byref(header), ctypes.byref(sets)) == 0
        and libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0
    )


def become(user: int, group: int, command: str) -> bool:
    """Turns this process into the user's, still able to run `command`; False where it could not."""
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if libc is not None:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    if os.access(command, os.X_OK) and os.access(os.getcwd(), os.X_OK):  # noqa: PTH109
        if libc is not None:
            empty = (_Set * 2)(_Set(0, 0, 0), _Set(0, 0, 0))
            libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), ctypes.byref(empty))
        return True
    if libc is None:
        return False
    return _keep_only(libc, _CAP_DAC_READ_SEARCH) or _keep_only(libc, _CAP_DAC_OVERRIDE)


def main() -> None:
    """Becomes the owner of the current directory, then the command."""
    owner = os.stat(".")  # noqa: PTH116  # no pathlib: this starts in a few milliseconds
    command = sys.argv[1:]
    if not become(owner.st_uid, owner.st_gid, command[0]):
        sys.exit(CANNOT_READ)
    os.execv(command[0], command)  # noqa: S606  # that is its purpose


if __name__ == "__main__":
    main()
