"""The runbook of the console: the Markdown that it uses, and nothing that a browser would run."""

import re

import pytest

from reconciler.console.runbook import read_runbook, render_markdown
from reconciler.telemetry.health import CAUSES, Grade, HealthRow, Slug


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# A `b`", '<h1 id="a-b">A <code>b</code></h1>'),
        ("one\ntwo", "<p>one two</p>"),
        ("**bold** [here](#a) [there](x.md)", '<p><b>bold</b> <a href="#a">here</a> there</p>'),
        ("- one\n  more\n- two", "<ul><li>one more</li><li>two</li></ul>"),
        ("1. one\n2. two", "<ol><li>one</li><li>two</li></ol>"),
        ("```bash\na < b\n\n# c\n```", "<pre><code>a &lt; b\n\n# c</code></pre>"),
        ("<!-- tested: x -->\n\ntext", "<p>text</p>"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ('[x](#"onclick=)', '<p><a href="#&#34;onclick=">x</a></p>'),
    ],
)
def test_each_form_becomes_html(text: str, html: str) -> None:
    assert render_markdown(text) == html


def test_a_table_keeps_its_cells() -> None:
    html = render_markdown("| a | b |\n|---|---|\n| 1 | `2` |")

    assert "<th>a</th><th>b</th>" in html
    assert "<td>1</td><td><code>2</code></td>" in html


@pytest.mark.parametrize("slug", Slug)
def test_each_row_of_health_leads_to_a_section(slug: Slug) -> None:
    anchor = HealthRow.of(slug, "", Grade.WARNING).runbook.partition("#")[2]

    assert f'id="{anchor}"' in read_runbook()


def test_each_link_within_the_page_has_its_section() -> None:
    html = read_runbook()
    anchors = set(re.findall(r'id="([^"]+)"', html))

    assert set(re.findall(r'href="#([^"]+)"', html)) - anchors == set()


def test_the_runbook_begins_with_the_same_causes() -> None:
    text = re.sub(r"\s+", " ", read_runbook().striptags())
    order = re.search(r"begin with the one that comes first here, .*?: (.*?), then the rest", text)

    assert order
    assert order[1].split(", ") == [slug.replace("_", " ") for slug in CAUSES]
