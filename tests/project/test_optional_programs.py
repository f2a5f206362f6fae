"""A test that needs a program is skipped without it, except where `.ci/run` has installed it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.optional_programs import FILES

from ..optional_programs import require_program  # noqa: TID252 - tests are no package

SCRIPT = Path(__file__).parents[2] / "scripts" / "install-programs"
MISSING = "a-program-that-nobody-has"


@pytest.fixture(autouse=True)
def _missing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.optional_programs.FILES", {**FILES, MISSING: MISSING})


def test_without_a_program_a_test_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RECONCILER_REQUIRE_ALL", raising=False)

    with pytest.raises(pytest.skip.Exception, match=rf"{MISSING}.*install-programs"):
        require_program(MISSING)


def test_without_a_program_a_test_fails_where_all_are_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RECONCILER_REQUIRE_ALL", "1")

    with pytest.raises(pytest.fail.Exception, match=MISSING):
        require_program(MISSING)


def test_a_user_who_may_not_install_is_told_what_to_type(tmp_path: Path) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for command in ("bash", "dirname", "env"):
        found = shutil.which(command)
        assert found is not None
        (commands / command).symlink_to(found)
    (commands / "id").write_text("#!/bin/sh\necho 1000\n", encoding="utf-8")
    (commands / "apt-get").write_text("#!/bin/sh\nexit 100\n", encoding="utf-8")
    for command in ("id", "apt-get"):
        (commands / command).chmod(0o755)
    (commands / "sh").symlink_to("/bin/sh")

    ended = subprocess.run(  # noqa: S603 - our own script
        [SCRIPT, "observe"],
        env={"PATH": str(commands), "RECONCILER_PROGRAMS": str(tmp_path / "programs")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 69
    assert "only root may: graphite-carbon graphite-web nodejs npm" in ended.stderr
    assert "hint: sudo apt-get install --no-install-recommends graphite-carbon" in ended.stderr
