"""Clients of the running service, for the commands: place, follow, read the archive of dead letters."""
