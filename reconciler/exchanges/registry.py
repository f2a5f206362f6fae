"""Which exchanges this version can talk to, and how to open one.

An adapter is imported when its exchange is asked for, so that nobody loads what he does not use.
"""

import ipaddress
import logging
import os
import ssl
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from reconciler import __version__
from reconciler.errors import ConfigurationError, Problem
from reconciler.exchanges.base import Clock, Exchange, Venue
from reconciler.exchanges.signing import load_signing_key
from reconciler.resilience.budget import Budget
from reconciler.settings import Credentials

if TYPE_CHECKING:
    from reconciler.exchanges.binance import Sender

KNOWN = ("binance", "paper")
PAPER_BASE_URL = "http://127.0.0.1:8900"

# Shorter than the shortest time (5 s) after which servers commonly close an idle connection: a
# request that is written into a closing one fails for nothing.
_KEEPALIVE_SECONDS = 4.0
_CONNECT_SECONDS = 5.0
_READ_SECONDS = 10.0


def venue(name: str, base_url: str | None = None) -> Venue:
    """Return the published facts of the exchange `name`, at `base_url` or at its own address.

    Raises:
        ConfigurationError: this version has no adapter for it.
    """
    if name not in KNOWN:
        raise ConfigurationError(
            [
                Problem(
                    what=f"EXCHANGE_NAME is {name!r}, which this version cannot talk to",
                    hint=f"set EXCHANGE_NAME to one of: {', '.join(KNOWN)}",
                )
            ]
        )
    from reconciler.exchanges import binance  # noqa: PLC0415 - adapters are imported when wanted

    own_url = PAPER_BASE_URL if name == "paper" else binance.VENUE.base_url
    return replace(binance.VENUE, name=name, base_url=base_url or own_url)


def open_exchange(
    venue: Venue,
    *,
    credentials: Credentials,
    sender: "Sender",
    budget: Budget,
    clock: Clock,
    requests_at_once: int | None = None,
) -> Exchange:
    """Open the account that `credentials` belong to. Nothing is sent before the first question.

    `requests_at_once` of None: as many as the adapter takes for best.

    Raises:
        ConfigurationError: the credentials cannot be those of this exchange; or there are no
            certificates to know it by.
    """
    from reconciler.exchanges import binance  # noqa: PLC0415 - adapters are imported when wanted

    problems = _credential_problems(venue, credentials, own_url=binance.VENUE.base_url)
    if problems:
        raise ConfigurationError(problems)
    at_once = requests_at_once or binance.REQUESTS_AT_ONCE
    return binance.Binance(
        venue=venue,
        client=_client(venue, connections=at_once),
        sender=sender,
        budget=budget,
        credentials=credentials,
        clock=clock,
        requests_at_once=at_once,
    )


def trusted_authorities() -> ssl.SSLContext:
    """Load who may vouch for an exchange: SSL_CERT_FILE, SSL_CERT_DIR, or certifi's list.

    They take 3 MiB, and workers share what the fork server has loaded: it is loaded again only
    where the file is another than it was then. A folder is looked into whenever it is needed.

    Raises:
        ConfigurationError: the file cannot be read, or holds no certificate.
    """
    return _load_authorities(_seen_of(os.environ.get("SSL_CERT_FILE")))


def _seen_of(file: str | None) -> tuple[object, ...]:
    """Return what is another when a file is another."""
    try:
        found = None if file is None else Path(file).stat()
    except OSError:
        return (file, None)
    return (file, found and (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=1)
def _load_authorities(_seen: tuple[object, ...]) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        problem = Problem(
            what=f"the certificates in SSL_CERT_FILE cannot be loaded: {error}",
            hint="set SSL_CERT_FILE to a readable file of PEM certificates, or unset it",
        )
        raise ConfigurationError([problem]) from error


def _credential_problems(venue: Venue, credentials: Credentials, *, own_url: str) -> list[Problem]:
    return [
        *_unsendable(credentials),
        *_missing(venue, credentials, own_url=own_url),
        *_unusable_key(credentials),
    ]


def _unusable_key(credentials: Credentials) -> Sequence[Problem]:
    try:
        load_signing_key(credentials)
    except ConfigurationError as error:
        return error.problems
    return ()


def _unsendable(credentials: Credentials) -> list[Problem]:
    """A blank or a line break in a header fails far from here, with the secret in the message."""
    headers = {
        "EXCHANGE_API_KEY": credentials.api_key,
        "TEST_JWT": credentials.bearer_token,
    }
    return [
        Problem(
            what=f"{name} holds a blank, a line break or a letter that no header can carry",
            hint=f"set {name} again, without what was copied along with it",
        )
        for name, secret in headers.items()
        if secret is not None and not _is_token(secret.get_secret_value())
    ]


def _is_token(value: str) -> bool:
    return value.isascii() and value.isprintable() and " " not in value


def _missing(venue: Venue, credentials: Credentials, *, own_url: str) -> list[Problem]:
    """The exchange itself wants a key with its secret; any other server may do without both."""
    pair = {
        "EXCHANGE_API_KEY": credentials.api_key,
        "EXCHANGE_API_SECRET": credentials.api_secret,
    }
    missing = [name for name, secret in pair.items() if secret is None]
    if len(missing) == len(pair) and venue.base_url != own_url:
        return []
    return [
        Problem(
            what=f"{name} is not set, and {venue.name} signs with both a key and its secret",
            hint=f"set {name} to the value that the exchange showed when the key was made",
        )
        for name in missing
    ]


def _client(venue: Venue, *, connections: int) -> httpx.AsyncClient:
    """Open the connections.

    An address of this machine is never asked through a proxy; every other one is asked as the
    environment says (HTTPS_PROXY, NO_PROXY). Redirects are not followed: they would carry the key
    to another server; nor is a cookie kept. httpx' own log is silenced, since it writes down every
    address with its signature.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return httpx.AsyncClient(
        http1=True,
        http2=False,
        follow_redirects=False,
        verify=trusted_authorities(),
        trust_env=not _is_loopback(venue.base_url),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": f"order-reconciler/{__version__}", "Accept": "application/json"},
        timeout=httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
        limits=httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_KEEPALIVE_SECONDS,
        ),
    )


def _is_loopback(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
