"""The database's schema and what brings it up to date."""
