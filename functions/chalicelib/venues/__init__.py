"""The DEX port and what stands behind it today: simulated Raydium and Meteora pools, and a simulated chain."""
