"""What the commands print to: the client's own console."""

from order_engine.cli.console import Console, give_up, open_streams, output_fails, put

__all__ = ["Console", "give_up", "open_streams", "output_fails", "put"]
