import json

import pytest

from ..scripts import run_script  # noqa: TID252 - tests are no package


@pytest.mark.long
def test_hostile_answers_kill_no_process_and_write_only_truth() -> None:
    ended = run_script("hostile", "--json", "--seconds", "10", "--share", "0.5", "--silences", "2")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.loads(ended.stdout)
    assert result["complaints"] == []
    assert len(result["sent"]) >= 20
    assert max(result["peaks"].values()) < 150
