"""Measurements that are run by hand, each on a Postgres of its own."""
