"""`scripts/check` leaves no file out, whatever its style."""

import ast
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"

FIRST_LINES = [
    "#!/usr/bin/env python3",
    '#!/usr/bin/env -S bash -c \'"$(dirname "$0")/python" "$0" "$@"\'',
    "#!/usr/bin/python3 -P",
    "#!/bin/sh",
    '"""No first line at all."""',
]
FAULTS = {
    "format": ('"""Do it."""\n\nprint ( 1 )\n', "would be reformatted"),
    "lint": ('"""Do it."""\n\nimport os\n', "F401"),
    "types": ('"""Do it."""\n\nNUMBER: int = "one"\n', "Incompatible types in assignment"),
}


def is_python(script: Path) -> bool:
    try:
        ast.parse(script.read_text(encoding="utf-8"))
    except SyntaxError:
        return False
    return True


def listed_by_script(root: Path) -> set[str]:
    ended = subprocess.run(  # noqa: S603 - our own script
        [root / "scripts/list-python"], capture_output=True, text=True, check=True
    )
    return set(ended.stdout.split())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with nothing but the files that the check needs."""
    for name in ("pyproject.toml", "constraints.txt", "setup.cfg", "reconciler/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("tests/test_nothing.py", "scripts/benchmark/nothing.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text('"""Nothing."""\n', encoding="utf-8")
    for name in ("check", "install", "lint", "list-python"):
        shutil.copy(SCRIPTS / name, tmp_path / "scripts" / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def test_every_script_that_is_python_is_listed() -> None:
    python = {
        f"scripts/{script.name}"
        for script in SCRIPTS.iterdir()
        if script.is_file() and is_python(script)
    }

    assert len(python) >= 7
    assert listed_by_script(ROOT) == python


@pytest.mark.parametrize("first_line", FIRST_LINES)
def test_a_script_is_listed_whatever_its_first_line(project: Path, first_line: str) -> None:
    (project / "scripts/new").write_text(f"{first_line}\nprint(1)\n", encoding="utf-8")

    assert listed_by_script(project) == {"scripts/new"}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_fails_at_a_fault_in_a_script(project: Path, fault: str) -> None:
    text, message = FAULTS[fault]
    script = project / "scripts/new"
    script.write_text(f"{FIRST_LINES[1]}\n{text}", encoding="utf-8")
    script.chmod(0o755)

    ended = subprocess.run(  # noqa: S603 - our own script
        [project / "scripts/check"], capture_output=True, text=True, check=False
    )

    assert ended.returncode != 0
    assert message in ended.stdout
    assert "scripts/new" in ended.stdout


def test_the_contract_of_the_exchanges_names_every_adapter() -> None:
    contracts = ConfigParser()
    contracts.read(ROOT / "setup.cfg")
    folder = ROOT / "reconciler/exchanges"
    # What adapters have in common stands in `venue_adapter`, which each of them imports.
    adapters = {f"reconciler.exchanges.{one.parent.name}" for one in folder.glob("*/adapter.py")}

    contract = contracts["importlinter:contract:exchanges"]

    assert adapters
    assert set(contract["protected_modules"].split()) == adapters
