"""HTTP: request models, problem responses, cursors. Knows the services' values, not the adapters."""
