"""Access tokens: who they are from, what they say. Nothing here is imported in open mode."""
