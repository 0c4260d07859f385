"""`./dev replay`: limit and sniper orders against the simulated market in virtual time, without a stack."""
