import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "fault-timeline"


def test_a_short_hour_of_faults_ends_without_complaint() -> None:
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, SCRIPT, "--short"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 complaints" in ended.stdout
