"""The examples for a table of one's own are the files that the tests of adoption run."""

import pytest

from tests.adoption.platforms import PLATFORMS
from tests.adoption.platforms.platform import FOLDER

from .documents import blocks, marked

FILES = sorted(
    file.name for platform in PLATFORMS.values() for file in platform.configuration_files
)


@pytest.mark.parametrize("name", FILES)
def test_each_file_in_the_page_is_the_tested_one(name: str) -> None:
    (block,) = marked(name)

    assert block.code.strip() == (FOLDER / name).read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("name", PLATFORMS)
def test_each_shortened_table_has_only_lines_of_the_whole_one(name: str) -> None:
    (block,) = marked(f"{name}.sql")
    whole = {line.rstrip(",") for line in PLATFORMS[name].ddl.splitlines()}

    shortened = block.code.rstrip().splitlines()
    assert [line for line in shortened if line.rstrip(",") not in whole] == []


def test_no_example_is_left_over() -> None:
    markers = {block.marker for block in blocks("toml", "sql") if "." in block.marker}

    assert markers == {*FILES, *(f"{name}.sql" for name in PLATFORMS)}
