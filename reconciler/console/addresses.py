"""Which hosts, origins and paths are the console's own. Pure, but for the name of the host.

A page of another site can make a browser send requests to a loopback address, also under a name of
its own that resolves to it (DNS rebinding). So a request counts only under a host that we know.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_LOCAL_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """The scheme, host and port of an address. An IPv6 host has its brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `https://console.example.com`, with or without a port.

        Raises:
            ValueError: it is no origin; says why.
        """
        parts = urlsplit(text)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("it does not begin with http:// or https:// and a host")
        if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("it has more than a scheme, a host and a port")
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(scheme=parts.scheme, host=host, port=port)

    def __str__(self) -> str:
        is_default = self.port == _DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{self.host}" + ("" if is_default else f":{self.port}")

    @property
    def is_encrypted(self) -> bool:
        """True if the browser speaks TLS to it."""
        return self.scheme == "https"

    @property
    def is_trustworthy(self) -> bool:
        """True if a browser sends its Sec-Fetch headers there: TLS, or this machine."""
        return self.is_encrypted or self.host in _LOOPBACK_NAMES


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnOrigins:
    """The origins that the console answers to.

    Attributes:
        host, port: The address that it listens on.
        public: The origin under which a proxy has it.
    """

    host: str
    port: int
    public: Origin | None

    @property
    def shown(self) -> Origin:
        """The origin to print: where a person finds the console."""
        if self.public is not None:
            return self.public
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104 - only compared
        bracketed = f"[{host}]" if ":" in host else host
        return Origin(scheme="http", host=bracketed, port=self.port)

    def find(self, host_header: str) -> Origin | None:
        """Return the origin that a request's Host header names; None if it is not ours.

        Only a name can be made to resolve to another address. So where we listen on every address,
        any address may be in the header.
        """
        if self.public is not None and _is_named(self.public, host_header):
            return self.public
        try:
            named = Origin.parse(f"http://{host_header}")
        except ValueError:
            return None
        own_host = f"[{self.host}]" if ":" in self.host else self.host.lower()
        is_known = named.host in {*_LOOPBACK_NAMES, own_host} or (
            is_wildcard(self.host) and _address(named.host) is not None
        )
        return named if is_known and named.port == self.port else None


def is_loopback(host: str) -> bool:
    """Return True if only this machine reaches a host: an address or a name.

    Raises:
        OSError: the name is not known.
    """
    address = _address(host)
    if address is not None:
        return address.is_loopback
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found)


def is_wildcard(host: str) -> bool:
    """Return True if a host means every address of this machine."""
    address = _address(host)
    return address is not None and address.is_unspecified


def parse_base_path(text: str) -> str:
    """Read the path under which a proxy has the console: "" for none, else "/a/b".

    Raises:
        ValueError: it is no such path; says why.
    """
    path = text.rstrip("/")
    if path and not path.startswith("/"):
        raise ValueError("it does not begin with a slash")
    if not _BASE_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError("it may only have letters, digits and the characters - . _ ~ /")
    return path


def local_path(text: str | None) -> str:
    """Return a path of ours to go on to; "/" for anything that could lead to another site."""
    return text if text and _LOCAL_PATH.fullmatch(text) else "/"


def _is_named(origin: Origin, host_header: str) -> bool:
    try:
        return Origin.parse(f"{origin.scheme}://{host_header}") == origin
    except ValueError:
        return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
