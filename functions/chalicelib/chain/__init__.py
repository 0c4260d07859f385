"""The chain that swaps settle on: behind `ChainClient` (ports/chain.py) stands a simulated one."""
