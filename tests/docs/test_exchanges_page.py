"""The page that puts the exchanges side by side agrees with the code."""

from ..scripts import run_script  # noqa: TID252 - tests are no package


def test_page_of_exchanges_agrees_with_the_code() -> None:
    checked = run_script("exchanges-page", "--check")

    assert (checked.returncode, checked.stderr) == (0, "")
