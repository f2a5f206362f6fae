"""The exchanges that this version can talk to: each a line of `_VENUES`, or reached by a bridge.

An adapter is imported when its exchange is used, so that an unused adapter takes no memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType

from reconciler.errors import ConfigurationError, Problem
from reconciler.exchanges.base import Adapter, Clock, Exchange, Venue
from reconciler.exchanges.credentials import credential_problems, usable_by
from reconciler.exchanges.http_client import open_client
from reconciler.exchanges.request_policy import Sender
from reconciler.resilience.budget import Budget
from reconciler.resilience.nonces import LocalNonces, Nonces
from reconciler.settings import Credentials


@dataclass(frozen=True, kw_only=True, slots=True)
class _Registration:
    """Where a venue's adapter is.

    Attributes:
        package: Its package, which exports `ADAPTER`; a bridge exports `adapter(id)`.
        base_url: The venue's address if the adapter has another.
        bridged_id: The exchange that the bridge talks to; None if the package is no bridge.
    """

    package: str
    base_url: str | None = None
    bridged_id: str | None = None

    @property
    def adapter(self) -> Adapter:
        package = import_module(self.package)
        adapter: Adapter = (
            package.ADAPTER if self.bridged_id is None else package.adapter(self.bridged_id)
        )
        return adapter


_VENUES: Mapping[str, _Registration] = MappingProxyType(
    {
        "paper": _Registration(
            package="reconciler.exchanges.binance", base_url="http://127.0.0.1:8900"
        ),
        "binance": _Registration(package="reconciler.exchanges.binance"),
        "bybit": _Registration(package="reconciler.exchanges.bybit"),
        "okx": _Registration(package="reconciler.exchanges.okx"),
        "kraken": _Registration(package="reconciler.exchanges.kraken"),
        "coinbase": _Registration(package="reconciler.exchanges.coinbase"),
    }
)

_BRIDGES: Mapping[str, str] = MappingProxyType({"ccxt": "reconciler.exchanges.ccxt"})
"""The package for each prefix of a name such as `ccxt:gate`."""

NAMES = tuple(_VENUES)
"""The values of EXCHANGE_NAME that this version knows, without those of a bridge."""

BRIDGES = tuple(_BRIDGES.values())
"""The packages of the bridges."""

PACKAGES = tuple(dict.fromkeys(entry.package for entry in _VENUES.values()))
"""The packages of all adapters, without the bridges'."""


def venue(name: str, base_url: str | None = None) -> Venue:
    """Return the published facts of the exchange `name`, at `base_url` or at its own address.

    Raises:
        ConfigurationError: this version has no adapter for it.
    """
    found = _registration(name)
    facts = found.adapter.venue
    return replace(facts, name=name, base_url=base_url or found.base_url or facts.base_url)


def package_of(name: str) -> str:
    """Return the package of the adapter for the exchange `name`, without importing it.

    Raises:
        ConfigurationError: this version has no adapter for it.
    """
    return _registration(name).package


def open_exchange(
    venue: Venue,
    *,
    credentials: Credentials,
    sender: Sender,
    budget: Budget,
    clock: Clock,
    requests_at_once: int | None = None,
    nonces: Nonces | None = None,
) -> Exchange:
    """Open the account that `credentials` belong to. Nothing is sent before the first request.

    `requests_at_once` defaults to the adapter's, `nonces` to those of this process alone.

    Raises:
        ConfigurationError: the exchange cannot use the credentials, or the certificates that
            identify it cannot be loaded.
    """
    adapter = _registration(venue.name).adapter
    problems = credential_problems(venue, credentials, own_url=adapter.venue.base_url)
    if problems:
        raise ConfigurationError(problems)
    at_once = requests_at_once or adapter.requests_at_once
    return adapter.open(
        venue=venue,
        client=open_client(venue.base_url, connections=at_once),
        sender=sender,
        budget=budget,
        credentials=usable_by(venue, credentials),
        clock=clock,
        requests_at_once=at_once,
        nonces=LocalNonces() if nonces is None else nonces,
    )


def _registration(name: str) -> _Registration:
    if name in _VENUES:
        return _VENUES[name]
    prefix, _, bridged_id = name.partition(":")
    if prefix in _BRIDGES and bridged_id:
        return _Registration(package=_BRIDGES[prefix], bridged_id=bridged_id)
    raise ConfigurationError([_unknown(name)])


def _unknown(name: str) -> Problem:
    names = [*NAMES, *(f"{prefix}:<id>" for prefix in _BRIDGES)]
    similar = get_close_matches(name.lower(), NAMES, n=1)
    meant = f"did you mean {similar[0]}? " if similar else ""
    return Problem(
        what=f"EXCHANGE_NAME is {name!r}, which this version cannot talk to",
        hint=f"{meant}set EXCHANGE_NAME to one of: {', '.join(names)}",
    )
