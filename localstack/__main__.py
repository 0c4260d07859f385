"""`python -m localstack`: what `./dev` runs inside the virtual environment."""

import sys

if __name__ == "__main__":
    try:
        from localstack.command_line import main

        main()
    except ImportError as error:
        # Half of .venv may be gone; our own code is not.
        if (error.name or "localstack").partition(".")[0] in ("localstack", "order_engine", "infra", "chalicelib"):
            raise
        sys.exit(f"dev: .venv lacks the module {error.name} or a part of it: remove .venv and run this again.")
