"""Use cases, one a file. They know the outside only through the Protocols in `ports`."""
