"""The messages on the control socket. Where the socket is: see `address`.

One connection carries one request and one response, each a JSON object on a line of its own:

    {"version": 1, "command": "scale", "arguments": {"shards": 4}}
    {"version": 1, "pid": 4242, "result": {"before": 2, "after": 4, ...}}
    {"version": 1, "pid": 4242, "error": {"what": "...", "hint": "..."}}

The socket's mode is 0600: only the supervisor's own user, and root, may connect. For clients of
your own: `docs/reference/control-socket.md`.
"""

from enum import StrEnum
from typing import Any

import msgspec

VERSION = 1
MAX_REQUEST_BYTES = 65_536
"""Only a request is limited; a response may be longer."""

MAX_PATH_BYTES = 107
"""The longest path that the system allows a socket (`sun_path`, less its closing zero: unix(7))."""


class Command(StrEnum):
    """The commands that the supervisor answers."""

    STATUS = "status"
    HEALTH = "health"
    SCALE = "scale"
    LOCATE = "locate"


class ScaleArguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number of shards from now on; with `plan`, only report what that would move."""

    shards: int
    plan: bool = False


class LocateArguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The item to locate: its symbol, and its id as text."""

    key: str
    id: str


class ControlRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client's request: one of the commands, and its arguments."""

    version: int
    command: str
    arguments: dict[str, Any] = {}


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The reason why there is no result, and what to do."""

    what: str
    hint: str


class ControlResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The supervisor's response: a result or an error. `version` and `pid` are always present.

    `result` is empty if there is none: within a union msgspec would decode it.
    """

    version: int
    pid: int
    result: msgspec.Raw = msgspec.Raw()
    error: ErrorBody | None = None
