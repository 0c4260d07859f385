"""What services, venues and chain need from outside: Protocols, and the values that pass through them.

Adapters fill them (docs/architecture.md lists who fills which), tests by hand.
"""
