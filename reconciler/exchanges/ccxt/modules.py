"""Load one exchange's module of ccxt, without the hundred others.

`import ccxt` loads every exchange: 94 MiB in each process (ccxt 4.5.90, measured 2026-11-28). What
one exchange needs is 23 MiB more than we have loaded anyway. So the packages `ccxt` and
`ccxt.async_support` are entered as empty ones, in which Python still finds their modules, and the
few names that ccxt's own modules import from the package are looked up when they are asked for.

A process in which somebody else has imported ccxt already has it all, and nothing is changed.
"""

import sys
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from reconciler.errors import ConfigurationError, Problem
from reconciler.extras import install_hint

_PACKAGE = "ccxt"
_EXCHANGES = "ccxt.async_support"
_SHARED_NAMES = ("ccxt.base.errors", "ccxt.base.exchange")
_MOST_SUGGESTED = 3


def load_class(exchange_id: str) -> Any:
    """Return ccxt's class for the exchange, for asyncio.

    Raises:
        ConfigurationError: ccxt is not installed, or does not know the exchange.
    """
    known = exchange_ids()
    if exchange_id not in known:
        raise ConfigurationError([_unknown(exchange_id, known)])
    _enter_empty_packages()
    return getattr(import_module(f"{_EXCHANGES}.{exchange_id}"), exchange_id)


def load_errors() -> ModuleType:
    """Return the module with ccxt's exceptions."""
    _enter_empty_packages()
    return import_module("ccxt.base.errors")


@lru_cache
def exchange_ids() -> frozenset[str]:
    """Return the ids of the exchanges that the installed ccxt knows.

    Raises:
        ConfigurationError: ccxt is not installed.
    """
    folder = _folder() / "async_support"
    return frozenset(file.stem for file in folder.glob("*.py") if file.stem != "__init__")


def _folder() -> Path:
    loaded = sys.modules.get(_PACKAGE)
    if loaded is not None:
        return Path(loaded.__path__[0])
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise ConfigurationError(
            [
                Problem(
                    what="EXCHANGE_NAME asks for the ccxt bridge, and ccxt is not installed",
                    hint=install_hint("ccxt"),
                )
            ]
        )
    return Path(found.origin).parent


def _enter_empty_packages() -> None:
    if _PACKAGE in sys.modules:
        return
    folder = _folder()
    package = _empty_package(_PACKAGE, folder)
    package.__getattr__ = _shared_name  # type: ignore[method-assign] # PEP 562
    _empty_package(_EXCHANGES, folder / "async_support")


def _empty_package(name: str, folder: Path) -> ModuleType:
    package = ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package
    return package


def _shared_name(name: str) -> object:
    """Return what ccxt's modules import from their package: exceptions, and the base class."""
    for module in map(import_module, _SHARED_NAMES):
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(name)


def _unknown(exchange_id: str, known: frozenset[str]) -> Problem:
    similar = get_close_matches(exchange_id.lower(), sorted(known), n=_MOST_SUGGESTED)
    names = [f"ccxt:{one}" for one in similar]
    return Problem(
        what=f"EXCHANGE_NAME is 'ccxt:{exchange_id[:40]}', and ccxt knows no such exchange",
        hint=(
            f"did you mean {' or '.join(names)}?"
            if names
            else "set EXCHANGE_NAME to ccxt: and an id from ccxt's list of exchanges,"
            " https://github.com/ccxt/ccxt/wiki/Exchange-Markets"
        ),
    )
