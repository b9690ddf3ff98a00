"""`python -m avogit`."""

from avogit.cli import main

if __name__ == "__main__":
    main()
