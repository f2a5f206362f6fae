import json
import subprocess

import pytest

from ..scripts import HANG_SECONDS, SCRIPTS  # noqa: TID252 - tests are no package


@pytest.mark.long
def test_nonces_only_grow_whatever_is_killed_and_however_the_clock_is_set() -> None:
    ended = subprocess.run(  # noqa: S603 - our own command, plain bash
        [SCRIPTS / "nonce-proof", "--short", "--json"],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    proof = json.loads(ended.stdout)
    assert proof["complaints"] == []
    assert proof["requests"] >= 1200
    assert proof["refused"] == 0
