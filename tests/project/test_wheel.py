"""The wheel has what the console shows: templates, styles, scripts and the runbook."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import reconciler.console, reconciler.console.runbook as runbook
from reconciler.console.static_files import StaticFiles
from reconciler.console.templating import Templates
assert reconciler.console.__file__.startswith({folder!r}), reconciler.console.__file__
assert "Incident runbook" in runbook.read_runbook()
assert Templates(base_path="", static_files=StaticFiles()).url("/x") == "/x"
"""


def test_a_console_from_the_wheel_has_all_that_it_shows(tmp_path: Path) -> None:
    subprocess.run(  # noqa: S603 - our own project
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    folder = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as files:
        files.extractall(folder)
    package = ROOT / "reconciler" / "console"
    shown = {
        file.relative_to(ROOT)
        for name in ("static", "templates")
        for file in (package / name).iterdir()
    }

    assert [file for file in shown if not (folder / file).exists()] == []
    subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", "-c", PROGRAM.format(folder=str(folder))],
        env={"PYTHONPATH": str(folder)},
        cwd=tmp_path,
        check=True,
    )
