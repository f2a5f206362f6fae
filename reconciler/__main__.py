"""`python -m reconciler`, and what the `reconciler` script calls.

Every worker imports this module again as its main module: nothing may be done or loaded here.
"""

import sys


def leave_working_directory() -> None:
    """Take the working directory off the path, where `python -m` puts it first.

    Nothing is imported before that: see `reconciler.safe_path`. Where the program itself lies
    there, it stays as the last: the workers must find it too.
    """
    if __spec__ is None or sys.flags.safe_path:
        return
    first = sys.path.pop(0)
    if __file__.startswith(f"{first}/") and first not in sys.path:
        sys.path.append(first)


def main() -> None:
    """Run the command line."""
    try:
        from reconciler.cli.app import cli  # noqa: PLC0415 - see above
        from reconciler.telemetry.standard_error import (  # noqa: PLC0415 - see above
            protect_standard_error,
        )

        protect_standard_error()
        cli()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    leave_working_directory()
    main()
