"""What the simulated venues share, and the market that resting orders are compared with."""
