import json
import subprocess
import sys

import pytest

from ..scripts import SCRIPTS  # noqa: TID252 - tests are no package


@pytest.mark.long
@pytest.mark.timeout(300)
def test_hostile_answers_kill_no_process_and_write_only_truth() -> None:
    ended = subprocess.run(  # noqa: S603 - our own command
        [
            *(sys.executable, SCRIPTS / "hostile", "--json"),
            *("--seconds", "10", "--share", "0.5", "--silences", "2"),
        ],
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert told["complaints"] == []
    assert len(told["sent"]) >= 20
    assert max(told["peaks"].values()) < 150
