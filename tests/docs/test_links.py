"""Every link works, every document can be reached, and everything named exists."""

import re
from pathlib import Path

import pytest

from .documents import DOCUMENTS, ROOT, anchors, codes_in, links, name_of

OUR_FOLDERS = {path.name for path in (ROOT / "reconciler").iterdir() if path.is_dir()}
TESTS = {
    name
    for source in ROOT.glob("tests/**/test_*.py")
    for name in re.findall(r"def (test_\w+)", source.read_text(encoding="utf-8"))
}


def local_links(document: Path) -> list[tuple[Path, str]]:
    targets = [link.partition("#") for link in links(document.read_text(encoding="utf-8"))]
    return [
        ((document.parent / path).resolve() if path else document, anchor)
        for path, _, anchor in targets
        if not path.startswith(("http:", "https:"))
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    broken = [
        f"{target.relative_to(ROOT)}#{anchor}"
        for target, anchor in local_links(document)
        if not target.exists()
        or (anchor and anchor not in anchors(target.read_text(encoding="utf-8")))
    ]

    assert broken == []


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, new = set[Path](), {ROOT / "README.md"}
    while new:
        reached |= new
        linked = {target for document in new for target, _ in local_links(document)}
        new = {target for target in linked if target.suffix == ".md"} - reached

    assert reached == set(DOCUMENTS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_test_that_is_named_exists(document: Path) -> None:
    named = re.findall(
        r"\btest_\w+\b(?!\.py)", " ".join(codes_in(document.read_text(encoding="utf-8")))
    )

    missing = [
        name
        for name in named
        if name not in TESTS
        and not (name.endswith("_") and any(test.startswith(name) for test in TESTS))
    ]

    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_file_of_ours_that_is_named_exists(document: Path) -> None:
    named = [
        Path(code)
        for code in codes_in(document.read_text(encoding="utf-8"))
        if re.fullmatch(r"[\w/]+\.py", code) and code.split("/")[0] in {*OUR_FOLDERS, "tests"}
    ]

    missing = [
        str(path)
        for path in named
        if not (ROOT / path).exists() and not (ROOT / "reconciler" / path).exists()
    ]

    assert missing == []
