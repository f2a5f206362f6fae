"""The entry point of `python -m reconciler` and of the `reconciler` script.

Each worker imports this module again as its main module, so it must do and load nothing at import.
"""

import gc
import sys

COLLECT_AFTER = 10_000
"""New objects between two searches for garbage. Python's 700 makes a start a twelfth longer: the
imports make many objects, and all of them stay."""


def drop_working_directory_from_path() -> None:
    """Remove the working directory from the path, where `python -m` puts it first.

    Nothing is imported before that: see `reconciler.safe_path`. If the program itself is in that
    folder, it stays on the path, as the last: the workers must find it too.
    """
    if __spec__ is None or sys.flags.safe_path:
        return
    first = sys.path.pop(0)
    if __file__.startswith(f"{first}/") and first not in sys.path:
        sys.path.append(first)


def main() -> None:
    """Run the command line."""
    gc.set_threshold(COLLECT_AFTER)
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
    drop_working_directory_from_path()
    main()
