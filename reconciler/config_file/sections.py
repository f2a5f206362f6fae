"""The sections of the configuration file. What cannot be used yet is refused, never ignored."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from reconciler.config_file import ConfigFile
from reconciler.config_file.document import Document, Findings
from reconciler.config_file.settings_section import SECTION as SETTINGS
from reconciler.config_file.settings_section import key_of, read_settings

if TYPE_CHECKING:
    from reconciler.config_file.orders import OrdersConfig

ORDERS = "orders"
ACCOUNTS = "accounts"


def read_sections(
    document: Document, *, variables: Collection[str], secrets: Collection[str], own_variable: str
) -> ConfigFile:
    """Read all sections and find all their problems. The arguments are as in `read_config_file`."""
    findings = Findings(document)
    for section in document.values:
        if section not in {SETTINGS, ORDERS, ACCOUNTS}:
            findings.add_unknown((section,), (SETTINGS, ORDERS), kind="section")
    settings = read_settings(
        findings, variables=variables, secrets=secrets, own_variable=own_variable
    )
    orders = _read_orders(findings)
    _refuse_for_now(findings)
    keys = {variable: key_of(variable) for variable in settings}
    return ConfigFile(
        orders=orders,
        settings=settings,
        keys=keys,
        places={variable: document.place_of((SETTINGS, key)) for variable, key in keys.items()},
        problems=findings.problems,
    )


def _read_orders(findings: Findings) -> "OrdersConfig | None":
    if ORDERS not in findings.document.values:
        return None
    # Imported only where it is used: it takes ten times as long as all else here.
    from reconciler.config_file.orders_section import read_orders  # noqa: PLC0415 - as above

    return read_orders(findings)


def _refuse_for_now(findings: Findings) -> None:
    """Refuse the section that is reserved, and that nothing uses yet."""
    if ACCOUNTS in findings.document.values:
        findings.add_at(
            (ACCOUNTS,),
            "[[accounts]] is reserved for a later release",
            "remove it, and set EXCHANGE_API_KEY and EXCHANGE_API_SECRET for the one account",
        )
