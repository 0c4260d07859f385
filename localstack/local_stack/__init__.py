"""What `./dev up` runs: Postgres, the emulator, the deployed stack, and whoever starts and ends them."""
