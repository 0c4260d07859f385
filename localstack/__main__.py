"""`python -m localstack`: what `./dev` runs inside the virtual environment."""

import sys

if __name__ == "__main__":
    try:
        from localstack.command_line import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as a shell says it
