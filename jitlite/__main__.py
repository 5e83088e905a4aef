"""`python -m jitlite` is the `jitlite` command."""

from jitlite.tools.cli import main

if __name__ == "__main__":
    main()
