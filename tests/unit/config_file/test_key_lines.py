"""The line of each key is found in every style that TOML allows."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings

from reconciler.config_file.document import parse_document
from reconciler.config_file.key_lines import KeyPath, find_key_lines
from reconciler.errors import ConfigurationError

from .toml_styles import documents, styled


@settings(max_examples=100)
@given(styled(documents()))
def test_each_key_has_its_line_in_every_style(
    written: tuple[dict[str, Any], str, dict[KeyPath, int]],
) -> None:
    document, text, lines = written
    assert tomllib.loads(text) == document

    assert find_key_lines(text) == lines


@pytest.mark.parametrize("brackets", ["[]", ("{a=", "}")], ids=["arrays", "tables"])
def test_a_document_of_any_depth_is_read_or_refused(brackets: tuple[str, str]) -> None:
    opening, closing = brackets
    refused: set[str] = set()

    for depth in range(50, 1000, 10):
        try:
            parse_document(f"a = {opening * depth}1{closing * depth}", name="it")
        except ConfigurationError as error:
            refused.update(problem.what for problem in error.problems)
    assert refused <= {"it is nested too deeply"}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "[a.b]\nx = 1\n[a]\ny = 1\n",
            {("a",): 3, ("a", "b"): 1, ("a", "b", "x"): 2, ("a", "y"): 4},
        ),
        ("a.b = 1\na.c = 2\n", {("a",): 1, ("a", "b"): 1, ("a", "c"): 2}),
        ("x = '''\n\n'''\r\ny = 1979-05-27 07:32:00Z # when\n", {("x",): 1, ("y",): 4}),
        (
            "[[a]]\n[a.b]\n[[a]]\n[[a.c]]\n",
            {
                ("a",): 1,
                ("a", 0): 1,
                ("a", 0, "b"): 2,
                ("a", 1): 3,
                ("a", 1, "c"): 4,
                ("a", 1, "c", 0): 4,
            },
        ),
    ],
    ids=["a header after its inner table", "dotted keys", "dates and CRLF", "arrays of tables"],
)
def test_each_key_has_its_line(text: str, lines: dict[KeyPath, int]) -> None:
    tomllib.loads(text)

    assert find_key_lines(text) == lines
