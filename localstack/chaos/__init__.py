"""Breaks the running stack on purpose, then proves from what is stored and what followers saw that nothing was lost."""
