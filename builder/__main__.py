"""`python -m builder` is `envbuild`."""

from builder.cli import main

if __name__ == "__main__":
    main()
