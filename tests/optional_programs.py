"""The programs that a test needs and a machine may lack, such as a browser."""

import os
from pathlib import Path

import pytest

from scripts.optional_programs import INSTALL_HINT, find_program


def require_program(name: str, *others: str) -> Path:
    """Return the file of the first program; skip the test where one of them is missing.

    With RECONCILER_REQUIRE_ALL=1, as in `.ci/run`, the test fails instead.
    """
    found = {program: find_program(program) for program in (name, *others)}
    missing = [program for program, file in found.items() if file is None]
    if missing:
        reason = f"not installed here: {', '.join(missing)}; {INSTALL_HINT}"
        if os.environ.get("RECONCILER_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    first = found[name]
    assert first is not None
    return first
