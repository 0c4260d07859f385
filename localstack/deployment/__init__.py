"""Where it is deployed: targets and their clients, SAM CLI and the other tools, the preflight."""
