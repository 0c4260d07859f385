"""Pure domain: orders, their state machine, quotes, tokens and exact amounts. Imports nothing of ours."""
