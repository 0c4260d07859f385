"""The arithmetic of on-chain pools in integer base units, as the deployed programs compute it.

Every number is the program's own, down to the unit and to the refusal. Both kinds of pool answer `swap_exact_in` (all
of an amount goes in) and `swap_exact_out` (exactly an amount comes out), and raise `TooLarge` and `TooSmall`.
"""
