"""What the commands know of the running service: its address, the tokens for it, its archive of dead letters."""
