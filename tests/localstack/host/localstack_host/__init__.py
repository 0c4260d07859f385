"""What LocalStack fetches from Docker or the net, or has in its paid edition only, done on this machine.

Runs in LocalStack's own environment (Python 3.13), never in the project's.
"""
