"""What is said over the control socket. Where it is: see `place`.

One connection, one question, one answer, each a JSON object on a line of its own:

    {"version": 1, "command": "scale", "arguments": {"shards": 4}}
    {"version": 1, "pid": 4242, "result": {"before": 2, "after": 4, ...}}
    {"version": 1, "pid": 4242, "error": {"what": "...", "hint": "..."}}

The socket's mode is 0600: whoever may connect is the supervisor's own user, or root. For clients of
another make: `docs/reference/control-socket.md`.
"""

from enum import StrEnum
from typing import Any

import msgspec

VERSION = 1
MOST_BYTES = 65_536
"""A question may be so long; an answer may be longer."""

PATH_BYTES = 107
"""The system allows no longer path for a socket (`sun_path`, less its closing zero: unix(7))."""


class Command(StrEnum):
    """What can be asked."""

    STATUS = "status"
    HEALTH = "health"
    SCALE = "scale"
    LOCATE = "locate"


class ScaleArguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many shards there are to be; with `plan` only what that would move."""

    shards: int
    plan: bool = False


class LocateArguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which item is looked for: its symbol, and its id as text."""

    key: str
    id: str


class ControlRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client asks: one of the commands, and its arguments."""

    version: int
    command: str
    arguments: dict[str, Any] = {}


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no result, and what to do."""

    what: str
    hint: str


class ControlResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the supervisor says: a result, or what is wrong. `version` and `pid` always stand.

    `result` is empty where there is none: within a union msgspec would not leave it undecoded.
    """

    version: int
    pid: int
    result: msgspec.Raw = msgspec.Raw()
    error: ErrorBody | None = None
