"""Parse a database URL as psql does, and show it without its secrets.

libpq's own parser reads what SQLAlchemy's does not know or reads differently: several hosts with a
port each, percent-encoded hosts, libpq's own parameters. The other way round, SQLAlchemy accepts
passwords with characters that a URL would have to encode.
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

_URL_PARTS = frozenset({"user", "password", "host", "port", "dbname"})
"""Parameters with a place of their own in a URL; the others follow the question mark."""


def parse_url(url: str) -> URL:
    """Parse a `postgresql://user:password@host:port/name` URL, or any other that psql accepts.

    Raises:
        ConfigurationError: it is not a URL. The message does not repeat it: it may have a password.
    """
    scheme, separator, rest = url.partition("://")
    backend = scheme.partition("+")[0]
    if not separator or backend not in SCHEMES:
        raise _invalid_url(f": its scheme is {scheme!r}" if separator else "")
    parameters = _parse_with_libpq(f"postgresql://{rest}")
    if parameters is not None and _has_wrong_number_of_ports(parameters):
        raise _invalid_url(": it needs a port for each host, or one for all")
    parsed = _parse_with_sqlalchemy(url) if parameters is None else _build_url(parameters)
    if parsed is None:
        raise _invalid_url("")
    return parsed.set(drivername=DRIVER)


def without_secrets(url: URL) -> str:
    """Return the URL for a message, without its secrets; the folder of a socket is readable."""
    bare = url.set(drivername="postgresql").difference_update_query(SECRETS)
    hosts, ports = bare.query.get("host"), bare.query.get("port")
    if not isinstance(hosts, str) or hosts.startswith("/"):
        before, mark, query = bare.render_as_string(hide_password=True).partition("?")
        return before + mark + query.replace("%2F", "/")  # libpq reads it either way
    listed = _join_hosts_and_ports(hosts.split(","), ports if isinstance(ports, str) else "")
    text = bare.difference_update_query(["host", "port"]).set(host="HOSTS")
    return text.render_as_string(hide_password=True).replace("HOSTS", listed, 1)


def _join_hosts_and_ports(hosts: list[str], ports: str) -> str:
    each = (ports.split(",") + [""] * len(hosts))[: len(hosts)]
    return ",".join(
        f"{_bracketed(host)}{f':{port}' if port else ''}"
        for host, port in zip(hosts, each, strict=True)
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _parse_with_libpq(url: str) -> Mapping[str, str] | None:
    """Return the parameters; None if libpq cannot parse the URL, or not as it was meant.

    If a password has a slash or an @ that is not encoded, libpq takes a part of it for the host.
    """
    try:
        parameters = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.Error:
        return None
    ports = parameters.get("port", "").split(",")
    names = parameters.get("host", "") + parameters.get("dbname", "")
    is_meant = all(port.isdecimal() or not port for port in ports) and "@" not in names
    return parameters if is_meant else None


def _has_wrong_number_of_ports(parameters: Mapping[str, str]) -> bool:
    hosts, ports = parameters.get("host", "").split(","), parameters.get("port", "").split(",")
    return len(ports) not in {1, len(hosts)}


def _parse_with_sqlalchemy(url: str) -> URL | None:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        return None


def _build_url(parameters: Mapping[str, str]) -> URL:
    host, port = parameters.get("host", ""), parameters.get("port", "")
    query = {name: value for name, value in parameters.items() if name not in _URL_PARTS}
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


def _invalid_url(why: str) -> ConfigurationError:
    return ConfigurationError(
        [
            Problem(
                what=f"DATABASE_URL is not a PostgreSQL URL{why}",
                hint="write it as postgresql://user:password@host:5432/name",
            )
        ]
    )
