"""Runs a command as another user, with no right that this process has and the user has not.

Run as a script: `as_user.py UID GID COMMAND [ARGUMENT …]`, as root in the folder where the command works. The user
needs no way to that folder, only to the command: Postgres refuses to run as root, and a clone under /root is closed to
others.

Not as root, UID and GID are this user's own and have no name on this machine (`docker run --user 12345`), which initdb
does not accept: it sees another's name then, in a user namespace. Exit status 77 where the kernel allows none.
"""

import ctypes
import os
import pwd
import sys

NO_NAME = 77
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_CLONE_NEWUSER = 0x10000000


def _drop_privileges(user: int, group: int) -> None:
    """Becomes the user for good; the kernel's capabilities are empty in every set, so no program can give one back."""
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if libc is not None:
        for capability in range(_LAST_CAPABILITY + 1):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails for those that this kernel does not know
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    if libc is not None:
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
        libc.capset((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)())
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123  # no pathlib: this starts in a few milliseconds
        file.write(text)


def _map_user_name(user: int, group: int) -> bool:
    """Has this process see itself as a user with a name; its files stay its own. Whether the kernel agreed."""
    named = [account for account in pwd.getpwall() if account.pw_uid != 0]
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if not named or libc is None or libc.unshare(_CLONE_NEWUSER) != 0:
        return False
    try:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{named[0].pw_uid} {user} 1")
        _write("/proc/self/gid_map", f"{named[0].pw_gid} {group} 1")
    except OSError:
        return False
    return True


def main() -> None:
    """Becomes the user, then the command."""
    user, group, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if user == 0:
        sys.exit("Postgres does not run as root.")
    if os.geteuid() == 0:
        _drop_privileges(user, group)
    elif not _map_user_name(user, group):
        sys.exit(NO_NAME)
    os.execv(command[0], command)  # noqa: S606  # that is its purpose


if __name__ == "__main__":
    main()
