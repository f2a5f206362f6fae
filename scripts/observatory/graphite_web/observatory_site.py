"""graphite-web as a WSGI application that also serves its own static files."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

_PAGE = "/static/js/dashboard.js"

# graphite-web 1.1.8 calls a function in this file that it forgot to define, so that no stored
# dashboard opens: github.com/graphite-project/graphite-web/issues/2711, fixed in 1.1.9.
_FORGOTTEN = b"var htmlEncode = htmlEncode || Ext.util.Format.htmlEncode;\n"

_graphite = StaticFilesHandler(get_wsgi_application())


def application(environment: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request; the page of the dashboards as 1.1.9 has it."""
    if environment.get("PATH_INFO") != _PAGE:
        answer: Iterable[bytes] = _graphite(environment, start_response)
        return answer
    file = Path(settings.WEBAPP_DIR) / "content" / "js" / "dashboard.js"
    start_response("200 OK", [("Content-Type", "text/javascript")])
    return [_FORGOTTEN, file.read_bytes()]
