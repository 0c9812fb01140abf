"""`python -m breakhis` is the `breakhis` command."""

from breakhis.cli import main

if __name__ == "__main__":
    main()
