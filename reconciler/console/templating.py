"""The templates of the pages: what they can call, and the addresses in them.

Everything is escaped. A template that names something that it was not given fails.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reconciler.console.static_files import StaticFiles
from reconciler.domain.status import in_both_words
from reconciler.formatting import (
    clock,
    duration,
    elapsed,
    memory,
    moment,
    number,
    percent,
    printable,
)

_FOLDER = Path(__file__).parent / "templates"


class Templates:
    """The templates, with the values that every page shows.

    In a template: `url("/holds", reason=reason)` is an address of ours, `static("console.css")` one
    of a style or script. The filters are those of `reconciler.formatting`, and
    `iso` of a time. `both_words(word, status)` is a status in the user's words.
    """

    def __init__(self, *, base_path: str, static_files: StaticFiles, **shared: object) -> None:
        self._base_path = base_path
        self._static_files = static_files
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {
            "clock": clock,
            "duration": duration,
            "elapsed": elapsed,
            "percent": percent,
            "moment": moment,
            "memory": memory,
            "number": number,
            "printable": printable,
            "iso": _iso,
            "capitalize_first": _capitalize_first,
            "breakable": _breakable,
        }
        self._environment.globals |= {
            "url": self.url,
            "static": self._static,
            "both_words": in_both_words,
            **shared,
        }

    def share(self, **values: object) -> None:
        """Give every page more values."""
        self._environment.globals |= values

    def render(self, name: str, **values: object) -> str:
        """Return a template's text."""
        return self._environment.get_template(name).render(values)

    def url(self, path: str, query: Mapping[str, object] | None = None, /, **more: object) -> str:
        """Return the address of a path of ours; leaves out what is None or empty."""
        given = {**(query or {}), **more}
        filled = {name: value for name, value in given.items() if value not in {None, ""}}
        return self._base_path + path + (f"?{urlencode(filled)}" if filled else "")

    def _static(self, name: str) -> str:
        return self.url(f"/static/{name}", v=self._static_files.version)


def _capitalize_first(text: str) -> str:
    """Return a text with a capital at its begin; the rest as it is."""
    return text[:1].upper() + text[1:]


def _breakable(text: str) -> Markup:
    """Return a text that may be broken after an underscore: a setting's name is long."""
    return Markup(escape(text).replace("_", Markup("_<wbr>")))  # noqa: S704 - escaped


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
