"""A database's URL: what psql takes, we take; what is shown of it holds no secret.

libpq's own parser reads what SQLAlchemy's does not know or understands otherwise: several hosts
with a port each, percent-encoded hosts, names of its own for parameters. The other way round,
SQLAlchemy takes passwords with letters in them that a URL would have to encode.
"""

from collections.abc import Mapping

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from reconciler.errors import ConfigurationError, Problem

DRIVER = "postgresql+psycopg"
SCHEMES = frozenset({"postgresql", "postgres"})
SECRETS = ("password", "sslpassword", "passfile", "oauth_client_secret")

_OWN = frozenset({"user", "password", "host", "port", "dbname"})
"""What has a place of its own in a URL; the rest is behind the question mark."""


def parse_url(url: str) -> URL:
    """Parse a `postgresql://user:password@host:port/name` URL, or any other that psql takes.

    Raises:
        ConfigurationError: it is none. The message does not repeat it: it may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    backend = scheme.partition("+")[0]
    if not separator or backend not in SCHEMES:
        raise _refusal(f": its scheme is {scheme!r}" if separator else "")
    parameters = _as_libpq_reads(f"postgresql://{rest}")
    if parameters is not None and _has_a_port_too_many_or_too_few(parameters):
        raise _refusal(": it needs a port for each host, or one for all")
    parsed = _as_sqlalchemy_reads(url) if parameters is None else _url_of(parameters)
    if parsed is None:
        raise _refusal("")
    return parsed.set(drivername=DRIVER)


def without_secrets(url: URL) -> str:
    """Return the URL for a message, without what is secret in it."""
    bare = url.set(drivername="postgresql").difference_update_query(SECRETS)
    hosts, ports = bare.query.get("host"), bare.query.get("port")
    if not isinstance(hosts, str) or hosts.startswith("/"):
        return bare.render_as_string(hide_password=True)
    listed = _with_ports(hosts.split(","), ports if isinstance(ports, str) else "")
    text = bare.difference_update_query(["host", "port"]).set(host="HOSTS")
    return text.render_as_string(hide_password=True).replace("HOSTS", listed, 1)


def _with_ports(hosts: list[str], ports: str) -> str:
    each = (ports.split(",") + [""] * len(hosts))[: len(hosts)]
    return ",".join(
        f"{_bracketed(host)}{f':{port}' if port else ''}"
        for host, port in zip(hosts, each, strict=True)
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _as_libpq_reads(url: str) -> Mapping[str, str] | None:
    """Return the parameters; None where libpq does not read it, or not as it was meant.

    A slash or an @ in a password that is not encoded makes it take a part of it for another one's.
    """
    try:
        parameters = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.Error:
        return None
    ports = parameters.get("port", "").split(",")
    names = parameters.get("host", "") + parameters.get("dbname", "")
    is_meant = all(port.isdecimal() or not port for port in ports) and "@" not in names
    return parameters if is_meant else None


def _has_a_port_too_many_or_too_few(parameters: Mapping[str, str]) -> bool:
    hosts, ports = parameters.get("host", "").split(","), parameters.get("port", "").split(",")
    return len(ports) not in {1, len(hosts)}


def _as_sqlalchemy_reads(url: str) -> URL | None:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        return None


def _url_of(parameters: Mapping[str, str]) -> URL:
    host, port = parameters.get("host", ""), parameters.get("port", "")
    query = {name: value for name, value in parameters.items() if name not in _OWN}
    if "," not in port:
        port = ",".join([port] * len(host.split(",")))  # One port for all, as libpq takes it.
    is_one = bool(host) and "," not in host + port and not host.startswith("/")
    if not is_one:
        query |= {"host": host} if host else {}
        query |= {"port": port} if port.strip(",") else {}
    return URL.create(
        DRIVER,
        username=parameters.get("user"),
        password=parameters.get("password"),
        host=host if is_one else None,
        port=int(port) if is_one and port else None,
        database=parameters.get("dbname"),
        query=query,
    )


def _refusal(why: str) -> ConfigurationError:
    return ConfigurationError(
        [
            Problem(
                what=f"DATABASE_URL is not a PostgreSQL URL{why}",
                hint="write it as postgresql://user:password@host:5432/name",
            )
        ]
    )
