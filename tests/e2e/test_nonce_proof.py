import json

import pytest

from ..scripts import run_script  # noqa: TID252 - tests are no package


@pytest.mark.long
def test_nonces_only_grow_whatever_is_killed_and_however_the_clock_is_set() -> None:
    ended = run_script("nonce-proof", "--short", "--json")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    proof = json.loads(ended.stdout)
    assert proof["complaints"] == []
    assert proof["requests"] >= 1200
    assert proof["refused"] == 0
