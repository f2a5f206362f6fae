"""The venue of the settings: its published facts, at the address and with the limits that they set.

A gateway in front of an exchange, or several programs that share an account, may allow less than
the venue publishes. Nothing raises a limit: the headers say that an account has a higher one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from reconciler.errors import ConfigurationError, Problem
from reconciler.exchanges.base import Venue
from reconciler.exchanges.registry import venue
from reconciler.resilience.limits import lowered
from reconciler.settings import Settings

VARIABLE = "RECONCILIATION_LIMITS"


def configured_venue(settings: Settings) -> Venue:
    """Return the venue that the settings name, at their address, with their limits.

    Raises:
        ConfigurationError: there is no such exchange, or it has no such address or no such limits.
    """
    published = venue(settings.exchange_name, settings.exchange_base_url)
    if settings.exchange_base_url and (problems := list(_address_problems(published))):
        raise ConfigurationError(problems)
    return with_lowered_limits(published, settings.lowered_limits)


def with_lowered_limits(published: Venue, amounts: Mapping[str, int]) -> Venue:
    """Return the venue with these amounts of its limits, by name.

    Raises:
        ConfigurationError: the venue has no limit of that name, or allows less, or a single request
            for orders takes more.
    """
    if problems := list(_problems(published, amounts)):
        raise ConfigurationError(problems)
    limits = (
        lowered(limit, amounts[limit.name]) if limit.name in amounts else limit
        for limit in published.limits
    )
    return replace(published, limits=tuple(limits))


def _address_problems(published: Venue) -> Iterator[Problem]:
    """Find what no request's path can follow. The address is not shown: it may have a password."""
    try:
        address = urlsplit(published.base_url)
        is_whole = bool(address.hostname) and address.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or any(map(str.isspace, published.base_url)):
        yield Problem(
            what="EXCHANGE_BASE_URL is no address",
            hint="set it to an address such as https://host:port, without blanks, or unset it",
        )
    elif address.fragment or address.query not in {"", *published.address_options}:
        options = "".join(f', or with "?{option}"' for option in sorted(published.address_options))
        yield Problem(
            what=f"EXCHANGE_BASE_URL ends with a query or a fragment that {published.name} has not",
            hint=f'set it to the address without "?", "#" and what follows{options}',
        )


def _problems(published: Venue, amounts: Mapping[str, int]) -> Iterator[Problem]:
    limits = {limit.name: limit for limit in published.limits}
    for name, amount in amounts.items():
        limit = limits.get(name)
        if limit is None:
            known = ", ".join(f"{one.name}={one.amount}" for one in published.limits)
            yield Problem(
                what=f"{VARIABLE} names {name!r}, which is no limit of {published.name}",
                hint=f"lower any of its limits: {known}" if known else f"unset {VARIABLE}",
            )
        elif amount > limit.amount:
            yield Problem(
                what=f"{VARIABLE} has {name}={amount}, more than {published.name} allows",
                hint=f"set it to {limit.amount} or less, or leave {name} out",
            )
        elif amount < (dearest := _dearest(published, name)):
            yield Problem(
                what=f"{VARIABLE} has {name}={amount}, less than one request for orders takes",
                hint=f"set it to {dearest} or more",
            )


def _dearest(published: Venue, name: str) -> int:
    return max(cost.get(name, 0) for cost in (published.lookup_cost, published.chunk_cost))
