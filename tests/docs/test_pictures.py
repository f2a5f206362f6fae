"""The pictures of the README and the docs: small, described, and complete in themselves."""

import re
from pathlib import Path

import pytest

from scripts.picture.terminal_svg import save_terminal

from .documents import DOCUMENTS, ROOT, name_of

IMAGES = ROOT / "docs" / "images"
MADE = sorted(
    file
    for file in IMAGES.iterdir()
    if re.match("audit|console|graphite|health|holds|status|top", file.stem)
)
MAX_BYTES = 200_000
_PICTURE = re.compile(r"!\[([^\]]*)\]\(")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_each_picture_is_described(document: Path) -> None:
    texts = _PICTURE.findall(document.read_text(encoding="utf-8"))

    assert [text for text in texts if not text.strip()] == []


@pytest.mark.parametrize("file", MADE, ids=lambda file: file.name)
def test_each_picture_is_small_and_loads_nothing(file: Path) -> None:
    assert file.stat().st_size < MAX_BYTES
    if file.suffix == ".svg":
        assert set(re.findall(r"https?://[^\"\s]+", file.read_text())) == {
            "http://www.w3.org/2000/svg"
        }


def test_what_a_terminal_shows_is_drawn_with_its_colours(tmp_path: Path) -> None:
    file = tmp_path / "top.svg"

    save_terminal(b"\x1b[1;31mCRITICAL\x1b[0m all\r\nwell", file, title="top", columns=20)

    drawn = file.read_text()
    assert "CRITICAL" in drawn
    assert "#f06e6e" in drawn
