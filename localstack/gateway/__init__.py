"""The front door: one address for REST and WebSocket before the two APIs of the deployed stack."""
