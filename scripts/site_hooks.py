"""What mkdocs needs to make a site of documents that are written for a code host.

- README.md is the first page, and the other documents in the root are pages too.
- A link to a file outside of docs/ leads to a page with that file.
- Headings have the anchors that the code host gives them.
- What belongs to an item of a list is indented by four blanks, as Python-Markdown wants it.
- The navigation has every page, by purpose.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]

SECTIONS: Mapping[str, tuple[str, Sequence[str]]] = {
    "Tutorial": ("tutorial", ()),
    "How-to": (
        "how-to",
        (
            "connect-your-database",
            "adopt-your-table",
            "connect-your-exchange",
            "try-another-exchange",
            "try-it-next-to-your-application",
            "run-in-production",
            "run-under-supervisord",
            "several-programs",
            "watch-it",
            "use-the-console",
            "incident-runbook",
            "handle-holds",
        ),
    ),
    "Reference": ("reference", ("commands", "help", "settings", "configuration-file")),
    "Explanation": ("explanation", ("architecture", "safety", "glossary")),
}
"""Title, folder, and the pages that come first; the others follow by name."""

FOUND_FIRST = "how-to/incident-runbook.md"
"""The page that the search shows before others: who looks for it has no time."""

PROJECT = ("CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md")

_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_FENCE = re.compile(r"^\s*```")
_ITEM = re.compile(r"^( *)([-*]|\d+\.)( +)")


def on_config(config: MkDocsConfig) -> None:
    """Set the navigation and the anchors."""
    sections = [
        {title: [f"{folder}/{name}.md" for name in _pages(folder, first)]}
        for title, (folder, first) in SECTIONS.items()
    ]
    config.nav = [{"Home": "index.md"}, *sections, {"Project": list(PROJECT)}]
    config.mdx_configs["toc"] = {**config.mdx_configs["toc"], "slugify": anchor}


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the documents of the root, and the files that any document links to."""
    for path in ROOT.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        files.append(File.generated(config, _page_of(path), content=text))
    for path in sorted(_linked_sources(files)):
        files.append(File.generated(config, _page_of(path), content=_shown(path)))


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:  # mkdocs passes them by name
    """Turn a document of the code host into one for mkdocs."""
    del config, files
    if page.file.src_uri.startswith("source/"):
        return markdown
    if page.file.src_uri == FOUND_FIRST:
        page.meta["search"] = {"boost": 5}
    return with_four_blanks(with_links(markdown, _source_of(page.file.src_uri)))


def anchor(heading: str, _separator: str) -> str:
    """Return the anchor that code hosts give a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def with_links(markdown: str, source: Path) -> str:
    """Return a document whose links lead to pages of the site. `source` is its file."""
    here = PurePosixPath(_page_of(source)).parent

    def moved(link: re.Match[str]) -> str:
        before, target, after = link.groups()
        if ":" in target:
            return link[0]
        path = (source.parent / target).resolve()
        return f"{before}{os.path.relpath(_page_of(path), here)}{after}"

    return _outside_of_code(markdown, lambda line: _LINK.sub(moved, line))


def with_four_blanks(markdown: str) -> str:
    """Return a document in which each level of a list is four blanks wide."""
    lines: list[str] = []
    offsets: list[int] = []
    is_code = False
    for line in markdown.splitlines():
        indent = len(line) - len(line.lstrip(" "))
        while offsets and line and not is_code and indent < offsets[-1]:
            offsets.pop()
        own = max(0, indent - (offsets[-1] if offsets else 0))
        lines.append(" " * (4 * len(offsets) + own) + line[indent:] if line else "")
        is_code ^= bool(_FENCE.match(line))
        if not is_code and (item := _ITEM.match(line)):
            offsets.append(len(item[0]))
    return "\n".join(lines)


def _outside_of_code(markdown: str, change: Callable[[str], str]) -> str:
    lines: list[str] = []
    is_code = False
    for line in markdown.splitlines():
        is_code ^= bool(_FENCE.match(line))
        lines.append(line if is_code else change(line))
    return "\n".join(lines)


def _pages(folder: str, first: Sequence[str]) -> list[str]:
    there = sorted(path.stem for path in (ROOT / "docs" / folder).glob("*.md"))
    return sorted(there, key=lambda name: first.index(name) if name in first else len(first))


def _page_of(path: Path) -> str:
    """Return the page of the site that shows a file or folder of the repository."""
    relative = path.relative_to(ROOT)
    if path == ROOT / "README.md":
        return "index.md"
    if relative.parts[0] == "docs":
        return relative.relative_to("docs").as_posix()
    if len(relative.parts) == 1 and relative.suffix == ".md":
        return relative.as_posix()
    return f"source/{relative.as_posix().lstrip('.')}.md"


def _source_of(page: str) -> Path:
    """Return the document that a page shows."""
    if page == "index.md":
        return ROOT / "README.md"
    return ROOT / page if (ROOT / page).exists() else ROOT / "docs" / page


def _linked_sources(files: Files) -> Iterator[Path]:
    seen: set[Path] = set()
    for file in files.documentation_pages():
        source = _source_of(file.src_uri)
        for _, target, _ in _LINK.findall(source.read_text(encoding="utf-8")):
            path = (source.parent / target).resolve()
            if path.exists() and _page_of(path).startswith("source/") and path not in seen:
                seen.add(path)
                yield path


def _shown(path: Path) -> str:
    """Return the page about a file: its text; about a folder: the names of its files."""
    title = path.relative_to(ROOT).as_posix()
    if path.is_dir():
        names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*.*"))
        return "\n".join([f"# {title}", "", *(f"- `{name}`" for name in names)])
    language = {".py": "python", ".js": "js", ".conf": "ini", ".json": "json"}.get(path.suffix, "")
    text = path.read_text(encoding="utf-8").rstrip()
    return f"# {title}\n\n````{language}\n{text}\n````\n"
