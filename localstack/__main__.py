"""`python -m localstack`: what `./dev` runs inside the virtual environment."""

from localstack.command_line import main

if __name__ == "__main__":
    main()
