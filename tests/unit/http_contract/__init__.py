"""The HTTP and WebSocket interfaces, called as Lambda calls them, over ports in memory."""
