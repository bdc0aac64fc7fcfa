"""`python -m workflows` is `hera`."""

from workflows.cli import main

if __name__ == "__main__":
    main()
