"""The local runtime: Postgres, the AWS emulator, the deployed stack and the front door, behind `./dev`."""
