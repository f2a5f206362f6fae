"""The incident runbook as a page, so that it is there when nothing else is. Pure, but for the file.

It is read from docs/how-to/incident-runbook.md, of which the wheel has a copy. Understood is only
the Markdown that the page uses: headings, paragraphs, lists, tables, code, bold and links.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup, escape

_COPY = Path(__file__).parent / "incident-runbook.md"
_SOURCE = Path(__file__).parents[2] / "docs" / "how-to" / "incident-runbook.md"

_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|\[(?P<text>[^\]]+)\]\((?P<to>[^)]+)\)"
)
_HEADING = re.compile(r"(#{1,3}) (.+)")
_RULE = re.compile(r"\|[-| :]+\|")


def read_runbook() -> Markup:
    """Return the runbook as HTML."""
    file = _COPY if _COPY.exists() else _SOURCE
    return render_markdown(file.read_text(encoding="utf-8"))


def render_markdown(text: str) -> Markup:
    """Return the HTML of a page. Nothing in the text is HTML."""
    return Markup("\n").join(_render(block) for block in _blocks(text))


def anchor_of(heading: str) -> str:
    """Return the anchor of a heading, as code hosts make them."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


@dataclass
class _Block:
    """Lines that belong together; `kind` is code, table, list, heading or text."""

    kind: str
    lines: list[str] = field(default_factory=list)


def _blocks(text: str) -> Iterator[_Block]:
    block: _Block | None = None
    for line in text.splitlines():
        if block is not None and block.kind == "code":
            if line.startswith("```"):
                yield block
                block = None
            else:
                block.lines.append(line)
            continue
        kind = _kind_of(line, block)
        if block is not None and (kind != block.kind or kind == "heading"):
            yield block
            block = None
        if kind:
            block = block or _Block(kind)
            if kind != "code":
                block.lines.append(line)
    if block is not None:
        yield block


def _kind_of(line: str, before: _Block | None) -> str:
    """Return what a line begins or continues; "" for a line between blocks."""
    if line.startswith("```"):
        return "code"
    if not line.strip() or line.startswith("<!--"):
        return ""
    if _HEADING.match(line):
        return "heading"
    if line.startswith("|"):
        return "table"
    is_item = line.startswith("- ") or re.match(r"\d+\. ", line)
    continues = before is not None and before.kind == "list" and line.startswith("  ")
    return "list" if is_item or continues else "text"


def _render(block: _Block) -> Markup:
    match block.kind:
        case "code":
            return Markup("<pre><code>{}</code></pre>").format("\n".join(block.lines))
        case "heading":
            return _heading(block.lines[0])
        case "table":
            return _table(block.lines)
        case "list":
            return _list(block.lines)
        case _:
            return Markup("<p>{}</p>").format(_inline(" ".join(block.lines)))


def _heading(line: str) -> Markup:
    found = _HEADING.match(line)
    marks, text = found.groups() if found else ("#", line)
    return Markup('<h{0} id="{1}">{2}</h{0}>').format(len(marks), anchor_of(text), _inline(text))


def _table(lines: list[str]) -> Markup:
    rows = [
        [_inline(cell.strip()) for cell in line.strip("|").split("|")]
        for line in lines
        if not _RULE.fullmatch(line)
    ]
    head = Markup().join(Markup("<th>{}</th>").format(cell) for cell in rows[0])
    body = Markup().join(
        Markup("<tr>{}</tr>").format(
            Markup().join(Markup("<td>{}</td>").format(cell) for cell in row)
        )
        for row in rows[1:]
    )
    return Markup(
        '<div class="scrolling" role="region" aria-label="Table" tabindex="0"><table>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(head, body)


def _list(lines: list[str]) -> Markup:
    items: list[str] = []
    for line in lines:
        if line.startswith("  "):
            items[-1] += f" {line.strip()}"
        else:
            items.append(re.sub(r"^(-|\d+\.) ", "", line))
    tag = "ul" if lines[0].startswith("- ") else "ol"
    whole = Markup().join(Markup("<li>{}</li>").format(_inline(item)) for item in items)
    return Markup("<{0}>{1}</{0}>").format(tag, whole)


def _inline(text: str) -> Markup:
    """Return a line's HTML. A link to another page is only its text: the console has no other."""
    parts, end = [], 0
    for found in _INLINE.finditer(text):
        parts.append(escape(text[end : found.start()]))
        end = found.end()
        if found["code"] is not None:
            parts.append(Markup("<code>{}</code>").format(found["code"]))
        elif found["bold"] is not None:
            parts.append(Markup("<b>{}</b>").format(found["bold"]))
        elif found["to"].startswith("#"):
            parts.append(Markup('<a href="{}">{}</a>').format(found["to"], _inline(found["text"])))
        else:
            parts.append(_inline(found["text"]))
    return Markup().join([*parts, escape(text[end:])])
