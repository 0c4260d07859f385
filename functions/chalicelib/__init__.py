"""The order execution engine: domain, services, venues, adapters and the HTTP layer."""

VERSION = "0.1.0"
