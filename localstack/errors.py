"""The failure that a person can do something about."""


class LocalStackError(Exception):
    """One clear sentence: what happened and what to do. The command line prints it and exits with 1."""
