"""The venues that orders are routed to: a module each, called as `VENUES` (domain/quotes.py) calls it.

Such a module has `connect(simulation)`, which gives its `VenueConnector` (ports/venues.py). The router asks all of
them; `pools` has the arithmetic of the programs, `simulated` what the simulated venues share.
"""
