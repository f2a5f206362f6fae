"""The performance page shows the kept results of every comparison, and nothing else."""

import re
from types import ModuleType

import pytest

from scripts.benchmark import suite

from ..scripts import load_script  # noqa: TID252 - tests are no package
from .documents import read

PAGE = "docs/explanation/performance.md"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("performance-page")


def test_the_page_shows_the_kept_results(script: ModuleType) -> None:
    page = read(PAGE)

    assert script.page_with(page, script.kept_results()) == page


def test_every_comparison_is_on_the_page_with_its_picture(
    script: ModuleType,
) -> None:
    on_the_page = re.findall(r"<!-- figures: ([a-z-]+) -->", read(PAGE))

    assert sorted(on_the_page) == sorted(suite.COMPARISONS)
    assert sorted(script.kept_results()) == sorted(suite.COMPARISONS)
    assert all(script.picture_of(key).is_file() for key in suite.COMPARISONS)


def test_a_figure_that_missed_its_target_is_shown_as_such(script: ModuleType) -> None:
    target = {"name": "half", "reached": 0.4, "wanted": 0.5, "at_most": False, "met": False}

    assert script.target_table([target]).splitlines()[-1] == (
        "| half | 0.4 | at least 0.5 | **missed** |"
    )


def test_figures_of_the_same_subjects_are_in_one_table(script: ModuleType) -> None:
    figures = [
        {"group": group, "name": name, "unit": "s", "median": median}
        for group, name, median in (("wait", "a", 1), ("work", "a", 2000), ("wait", "b", 0.25))
    ]
    figures.append({"group": "work", "name": "b", "unit": "s", "median": 4})

    (table,) = script.figure_tables(figures)

    assert table.splitlines() == [
        "| median | wait, s | work, s |",
        "| --- | --: | --: |",
        "| a | 1 | 2,000 |",
        "| b | 0.25 | 4 |",
    ]
