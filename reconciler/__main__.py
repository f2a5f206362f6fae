"""`python -m reconciler`, and what the `reconciler` script calls.

Every worker imports this module again as its main module: nothing may be done or loaded here.
"""


def main() -> None:
    """Run the command line."""
    from reconciler.cli.app import cli  # noqa: PLC0415 - see above

    cli()


if __name__ == "__main__":
    main()
