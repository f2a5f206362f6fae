"""No process of ours imports anything from the working directory.

A planted module for every module that we could import records that it was imported.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from reconciler.demo import Demo

from .commands import DEADLINE_SECONDS
from .conftest import settings_of

SCRIPT = (str(Path(sys.executable).with_name("reconciler")),)
MODULE = (sys.executable, "-m", "reconciler")
STANDALONE = Path(__file__).parents[1] / "cli" / "standalone.py"


class PlantedModules:
    """A working directory full of foreign modules."""

    def __init__(self, folder: Path) -> None:
        self._imported = folder / "imported"
        self.folder = folder / "planted"
        self.folder.mkdir()
        for name in {*sys.stdlib_module_names, *packages_distributions(), "usercustomize"}:
            if name != "reconciler":
                self._plant(self.folder / f"{name}.py")

    def plant_package(self) -> None:
        """Add another `reconciler` package."""
        package = self.folder / "reconciler"
        package.mkdir()
        for name in ("__init__", "__main__", "errors", "settings"):
            self._plant(package / f"{name}.py")

    def remove(self, names: Iterable[str]) -> None:
        """Remove modules."""
        for name in names:
            (self.folder / f"{name}.py").unlink(missing_ok=True)

    def _plant(self, file: Path) -> None:
        file.write_text(f"open({str(self._imported)!r}, 'a').write(__name__ + '\\n')\n")

    @property
    def imported(self) -> list[str]:
        """The names of the modules that were imported."""
        return self._imported.read_text().split() if self._imported.exists() else []

    def run(self, *command: str, **environment: object) -> "subprocess.CompletedProcess[str]":
        """Run a command in the folder."""
        return subprocess.run(  # noqa: S603 - our own command
            command,
            cwd=self.folder,
            env={name: str(value) for name, value in environment.items()},
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_SECONDS,
        )


def loaded_by_python_itself(folder: Path) -> list[str]:
    """Return the modules that `python -m` loads before our first line, which we cannot prevent."""
    folder.mkdir()
    probe = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    (folder / "probe.py").write_text(probe)
    command = [sys.executable, "-m", "probe"]
    return subprocess.check_output(command, cwd=folder, text=True).split()  # noqa: S603 - our own


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[PlantedModules]:
    planted = PlantedModules(tmp_path)
    yield planted
    assert planted.imported == []


@pytest.mark.parametrize("started", [SCRIPT, MODULE], ids=["script", "python -m"])
@pytest.mark.parametrize(
    "arguments",
    [("run", "--once"), ("run", "--once", "--dry-run"), ("check",), ("health",), ("--version",)],
    ids=" ".join,
)
def test_no_command_imports_anything_from_the_working_directory(
    planted: PlantedModules,
    demo: Demo,
    tmp_path: Path,
    started: Sequence[str],
    arguments: Sequence[str],
) -> None:
    demo.fill(orders=20, symbols=2, seed=5)
    if started is SCRIPT:
        planted.plant_package()
    else:
        planted.remove(loaded_by_python_itself(tmp_path / "probe"))

    ended = planted.run(*started, *arguments, **settings_of(demo))

    assert planted.imported == []
    assert ended.returncode == 0 or arguments == ("health",), ended.stderr


def test_the_demo_starts_its_exchange_and_workers_from_a_safe_path(planted: PlantedModules) -> None:
    planted.plant_package()

    ended = planted.run(*SCRIPT, "demo", "--orders", "50", "--shards", "2")

    assert planted.imported == []
    assert ended.returncode == 0, ended.stderr


def test_own_program_imports_from_its_own_folder_only(
    planted: PlantedModules, tmp_path: Path
) -> None:
    planted.plant_package()
    program = tmp_path / "own" / "standalone.py"
    program.parent.mkdir()
    shutil.copy(STANDALONE, program)

    ended = planted.run(sys.executable, str(program), "--once", "--json", "--shards", "1")

    assert planted.imported == []
    assert ended.returncode == 0, ended.stderr


def test_a_setting_of_the_path_that_python_ignores_is_refused(
    planted: PlantedModules, demo: Demo
) -> None:
    command = (sys.executable, "-E", *SCRIPT)

    ended = planted.run(*command, "run", "--once", **settings_of(demo))

    assert ended.returncode == 78
    assert "hint: " in ended.stderr
