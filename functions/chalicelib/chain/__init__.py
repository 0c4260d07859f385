"""The chain that swaps settle on: behind `ChainClient` (services/ports.py) stands a simulated one."""
