"""What the simulated venues and the simulated chain share: a made-up market, seeded chance, scaled delays."""
