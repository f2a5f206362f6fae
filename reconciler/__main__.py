"""`python -m reconciler`, and what the `reconciler` script calls.

Every worker imports this module again as its main module: nothing may be done or loaded here.
"""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from reconciler.cli.app import cli  # noqa: PLC0415 - see above

        cli()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
