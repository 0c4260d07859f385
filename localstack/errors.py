"""The failures that a person can do something about."""


class UserError(Exception):
    """One clear sentence: what happened and what to do. The command line prints it and exits with `exit_status`."""

    exit_status = 1


class Unreachable(UserError):
    """No service of ours answers at the address, so nothing was placed."""

    exit_status = 4


class NotOver(UserError):
    """An order was or may have been placed, and how it ends is not known."""

    exit_status = 5
