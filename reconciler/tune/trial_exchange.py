"""The exchange of the trials: the paper exchange, in the dialect of the user's exchange.

Where the paper exchange does not speak that dialect (an exchange that is reached by a bridge, for
example), it speaks its own.
"""

import string
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from reconciler.errors import ConfigurationError, Problem
from reconciler.extras import install_hint
from reconciler.paper.dialects import DEFAULT, NAMES, load_dialect
from reconciler.paper.listing import OrderSpec
from reconciler.paper.process import PaperDidNotStart, PaperProcess
from reconciler.settings import Settings

if TYPE_CHECKING:  # Its imports need the extra "demo".
    from reconciler.paper.dialects.dialect import Dialect

PAPER = "paper"

_UPPERCASE = str.maketrans(string.ascii_lowercase, string.ascii_uppercase, "/-")


@dataclass(frozen=True, kw_only=True)
class TrialDialect:
    """How the trials' exchange spells orders.

    Attributes:
        exchange_name: EXCHANGE_NAME of the trials.
    """

    exchange_name: str
    dialect: "Dialect"

    @classmethod
    def of(cls, exchange_name: str) -> "TrialDialect":
        """Return the dialect for the trials of a user of this exchange.

        Raises:
            ConfigurationError: the extra `demo` is not installed.
        """
        name = exchange_name if exchange_name in NAMES else PAPER
        try:
            dialect = load_dialect(DEFAULT if name == PAPER else name)
        except ImportError as error:
            raise ConfigurationError([_cannot_start(str(error))]) from error
        return cls(exchange_name=name, dialect=dialect)

    def number(self, external_order_id: str) -> int | None:
        """Return the number of an order at the trials' exchange; None if it cannot have it."""
        number = self.dialect.number(external_order_id)
        if number is None or self.dialect.order_id(number) != external_order_id:
            return None
        return number

    def symbol(self, row_symbol: str) -> str:
        """Return the symbol of a row as the paper exchange has it inside."""
        return row_symbol.translate(_UPPERCASE)


@dataclass(frozen=True, kw_only=True)
class TrialExchange:
    """The running exchange, and the settings with which the trials reach it."""

    process: PaperProcess
    settings: Settings


@contextmanager
def open_trial_exchange(
    settings: Settings, trial_dialect: TrialDialect, orders: Iterator[OrderSpec], latency_ms: float
) -> Iterator[TrialExchange]:
    """Start the exchange with `orders`; stop it at the end.

    Raises:
        ConfigurationError: it does not start.
    """
    key = trial_dialect.dialect.new_key()
    process = PaperProcess(
        dialect=trial_dialect.dialect.name,
        key=key,
        options=("--latency-ms", f"{latency_ms:g}", "--without-limits"),
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(process)
        except PaperDidNotStart as error:
            raise ConfigurationError([_cannot_start(str(error))]) from error
        process.replace_orders(orders)
        reached = settings.model_copy(
            update={
                "exchange_name": trial_dialect.exchange_name,
                "exchange_base_url": process.url,
                "exchange_api_key": SecretStr(key.api_key),
                "exchange_api_secret": SecretStr(key.api_secret),
                "exchange_api_passphrase": _secret(key.passphrase),
                "exchange_key_type": None,
                "test_jwt": None,
                "statsd_host": None,
            }
        )
        yield TrialExchange(process=process, settings=reached)


def _secret(text: str | None) -> SecretStr | None:
    return None if text is None else SecretStr(text)


def _cannot_start(reason: str) -> Problem:
    return Problem(
        what=f"the trials need an exchange of their own: {reason}", hint=install_hint("demo")
    )
