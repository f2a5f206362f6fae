"""Where the metrics go, from the STATSD_ settings. A wrong setting must not stop the work.

So each setting is checked here and not by `Settings`: what cannot be used turns the metrics off,
and a prefix that cannot be part of a name is changed. Both are problems for a person.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from reconciler.errors import Problem

DEFAULT_PORT = 8125
DEFAULT_PREFIX = "reconciler"
MAX_PREFIX_LENGTH = 200
"""Graphite makes a folder of each segment, and a line of StatsD must fit into a packet."""

_MAX_HOST_LENGTH = 253
_MAX_SHOWN = 80


@dataclass(frozen=True, kw_only=True)
class StatsdTarget:
    """The StatsD server that gets the metrics; without a host, none are sent."""

    host: str | None = None
    port: int = DEFAULT_PORT
    prefix: str = DEFAULT_PREFIX


@dataclass(frozen=True, kw_only=True)
class StatsdSettings:
    """The settings as they were given. `scope` is a segment of its own after the prefix."""

    host: str | None = None
    port: int | str = DEFAULT_PORT
    prefix: str = DEFAULT_PREFIX
    is_required: bool = False
    scope: str = ""

    @property
    def target(self) -> StatsdTarget:
        """Where the metrics go; nowhere if a setting cannot be used."""
        if self.host is None or any(self._fatal_problems):
            return StatsdTarget()
        return StatsdTarget(
            host=_without_brackets(self.host), port=int(self.port), prefix=self._path
        )

    @property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with the settings, if metrics are wanted at all."""
        if self.host is None:
            return [_NO_HOST] if self.is_required else []
        return [*self._fatal_problems, *self._remarks]

    @property
    def _path(self) -> str:
        return ".".join(filter(None, (clean_path(self.prefix), clean_segment(self.scope))))

    @property
    def _fatal_problems(self) -> Iterator[Problem]:
        """The problems for which no metrics can be sent."""
        if not _is_host(_without_brackets(self.host or "")):
            yield Problem(
                what=f"STATSD_HOST is {_shown(self.host)}, which is no host name and no address",
                hint="set STATSD_HOST to a name or an address alone, and STATSD_PORT to the port",
            )
        if not _is_port(self.port):
            yield Problem(
                what=f"STATSD_PORT is {_shown(self.port)}, which is no port",
                hint="set STATSD_PORT to a number from 1 to 65535, or unset it for 8125",
            )
        if not clean_path(self.prefix):
            yield Problem(
                what=f"STATSD_PREFIX is {_shown(self.prefix)}, which leaves nothing for a name",
                hint="set STATSD_PREFIX to letters, digits, - and _, with dots between segments",
            )
        if len(self._path) > MAX_PREFIX_LENGTH:
            yield Problem(
                what=f"STATSD_PREFIX and scope have {len(self._path)} characters together",
                hint=f"set STATSD_PREFIX to a shorter one: at most {MAX_PREFIX_LENGTH} characters",
            )

    @property
    def _remarks(self) -> Iterator[Problem]:
        cleaned = clean_path(self.prefix)
        if cleaned and cleaned != self.prefix:
            yield Problem(
                what=f"STATSD_PREFIX is {_shown(self.prefix)}; names of metrics begin with"
                f" {_shown(cleaned)} instead",
                hint="set STATSD_PREFIX to letters, digits, - and _, with dots between segments",
            )


_NO_HOST = Problem(
    what="STATSD_REQUIRED is set, and STATSD_HOST is not",
    hint="set STATSD_HOST to the host of StatsD, or unset STATSD_REQUIRED",
)


def scopes_with_the_same_names(own: str, others: Collection[str]) -> Sequence[str]:
    """Return the other scopes whose metrics have the same names, as `a.b` and `a_b` have."""
    return sorted(it for it in others if it != own and clean_segment(it) == clean_segment(own))


def clean_path(text: str) -> str:
    """Return dotted text as a path of segments, each cleaned; empty ones are dropped."""
    return ".".join(filter(None, map(clean_segment, text.split("."))))


def clean_segment(text: str) -> str:
    """Return text as one segment of a name: ASCII letters, digits, `-` and `_`.

    Accents are dropped. All else, such as dots, blanks, slashes, and the `:`, `|` and `@` of the
    StatsD protocol, becomes `_`. Empty if there is no letter and no digit.
    """
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    segment = _UNSAFE.sub("_", plain)
    return segment if _LETTER_OR_DIGIT.search(segment) else ""


def _is_host(text: str) -> bool:
    if not 0 < len(text) <= _MAX_HOST_LENGTH or _NOT_IN_HOSTS.search(text) is not None:
        return False
    return text.count(":") != 1 and not text.startswith((".", "-")) and ".." not in text


def _is_port(port: int | str) -> bool:
    return isinstance(port, int) and 0 < port < 2**16


def _without_brackets(host: str) -> str:
    host = host.strip()
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _shown(value: object) -> str:
    return repr(str(value)[:_MAX_SHOWN])


_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_LETTER_OR_DIGIT = re.compile(r"[A-Za-z0-9]")
_NOT_IN_HOSTS = re.compile(r"[\s/@\[\]|?#]")
