"""The documents as data: sections, tables, code blocks and links.

They are read line by line: they are plain Markdown, and a parser would be one more dependency.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

_FENCE = re.compile(r"^\s*```(\w*)\s*$")
_HEADING = re.compile(r"^(#+) (.+)$")
_MARKER = re.compile(r"^\s*<!-- (tested|example): (.+) -->$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_RULE = re.compile(r"^\|[-| ]+\|$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of code.

    Attributes:
        marker: The name by which a test finds it, from a comment before it.
        example: The reason why no test runs it, from such a comment.
    """

    document: str
    language: str
    marker: str
    example: str
    code: str

    def __str__(self) -> str:
        first = self.code.partition("\n")[0][:40]
        return f"{self.document}: {first}"


def name_of(document: Path) -> str:
    """Return a document's path from the root."""
    return document.relative_to(ROOT).as_posix()


def read(name: str) -> str:
    """Return a document's text by its path from the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """Return the text under `heading`, up to the next heading of its level or above."""
    lines = list(_prose(text))
    start, level = next(
        (number, len(match[1]))
        for number, line in enumerate(lines)
        if (match := _HEADING.match(line)) and match[2] == heading
    )
    body = lines[start + 1 :]
    end = next(
        (
            number
            for number, line in enumerate(body)
            if (match := _HEADING.match(line)) and len(match[1]) <= level
        ),
        len(body),
    )
    return "\n".join(body[:end])


def rows(text: str) -> list[Sequence[str]]:
    """Return the cells of every table's rows, without the headers."""
    lines = list(_prose(text))
    is_header = [bool(_RULE.match(line)) for line in (*lines[1:], "")]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line, header in zip(lines, is_header, strict=True)
        if line.startswith("|") and not header and not _RULE.match(line)
    ]


def code_in(cell: str) -> str:
    """Return the first `code` in a cell; the cell itself if it has none."""
    match = _CODE.search(cell)
    return cell if match is None else match[1]


def codes_in(text: str) -> list[str]:
    """Return every `code` in the prose."""
    return [code for line in _prose(text) for code in _CODE.findall(line)]


def first_cells(text: str) -> list[str]:
    """Return the names in the first column of the tables."""
    return [code for cells in rows(text) for code in _CODE.findall(cells[0]) or [cells[0]]]


def links(text: str) -> list[str]:
    """Return the targets of all links and images."""
    return [target for line in _prose(text) for target in _LINK.findall(line)]


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as code hosts make them."""
    return {_anchor(match[2]) for line in _prose(text) if (match := _HEADING.match(line))}


def blocks(*languages: str) -> list[Block]:
    """Return every block in one of `languages`, from all documents."""
    return [
        block
        for document in DOCUMENTS
        for block in _blocks(document)
        if block.language in languages
    ]


def marked(marker: str) -> list[Block]:
    """Return the blocks with a marker, in their order."""
    return [
        block for document in DOCUMENTS for block in _blocks(document) if block.marker == marker
    ]


def typed_in(block: Block) -> Sequence[str]:
    """Return the commands of a block, without their output."""
    typed: list[str] = []
    is_whole = True
    for line in block.code.splitlines():
        is_prompt = line.startswith("$ ")
        if not is_whole:
            typed[-1] += f"\n{line}"
        elif is_prompt or (block.language == "bash" and line.strip()):
            typed.append(line.removeprefix("$ ").strip())
        is_whole = not typed or not _is_unfinished(typed[-1])
    return [command for command in typed if not command.startswith("#")]


def _is_unfinished(command: str) -> bool:
    """Return True if the shell would wait for another line."""
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return True
    return command.endswith("\\")


def _blocks(document: Path) -> Iterator[Block]:
    language: str | None = None
    marker, example, code = "", "", list[str]()
    for line in document.read_text(encoding="utf-8").splitlines():
        fence = _FENCE.match(line)
        if fence and language is None:
            language, code = fence[1], []
        elif fence and language is not None:
            yield Block(
                document=name_of(document),
                language=language,
                marker=marker,
                example=example,
                code="\n".join(code),
            )
            language, marker, example = None, "", ""
        elif language is not None:
            code.append(line)
        else:
            found = _MARKER.match(line)
            if found or line:
                kinds = {found[1]: found[2]} if found else {}
                marker, example = kinds.get("tested", ""), kinds.get("example", "")


def _prose(text: str) -> Iterator[str]:
    is_code = False
    for line in text.splitlines():
        if _FENCE.match(line):
            is_code = not is_code
        elif not is_code:
            yield line


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
