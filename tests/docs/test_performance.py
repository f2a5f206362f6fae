"""The page of measurements shows what was measured: every comparison, nothing made up."""

import re
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType

import pytest

from scripts.benchmark import suite

from .documents import ROOT, read

PAGE = "docs/explanation/performance.md"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = SourceFileLoader("performance_page", str(ROOT / "scripts" / "performance-page"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


def test_the_page_says_what_the_kept_results_say(script: ModuleType) -> None:
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


def test_what_is_measured_of_the_same_subjects_stands_side_by_side(script: ModuleType) -> None:
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
