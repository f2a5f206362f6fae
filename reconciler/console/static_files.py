"""The styles and scripts, from the package: nothing comes from anywhere else.

Their addresses have a version, so that a browser may keep them.
"""

import hashlib
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

PREFIX = "/static/"

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".uplot": "text/plain; charset=utf-8",
}
_KEPT = "public, max-age=31536000, immutable"


class StaticFiles:
    """The files, read once."""

    def __init__(self) -> None:
        self._contents = {file.name: file.read_bytes() for file in sorted(_FOLDER.iterdir())}
        whole = b"\0".join(self._contents.values())
        self.version = hashlib.blake2s(whole, digest_size=6).hexdigest()

    async def serve(self, request: Request) -> Response:
        """Return a file.

        Raises:
            HTTPException: there is no such file.
        """
        name = request.path_params["name"]
        if name not in self._contents:
            raise HTTPException(404)
        return Response(
            self._contents[name],
            media_type=_TYPES[Path(name).suffix],
            headers={"Cache-Control": _KEPT},
        )
