"""The row and the exchange's report of an order on hold, each on one line. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.domain.status import in_both_words
from reconciler.store.holds import HeldOrder


def row_and_report(hold: HeldOrder) -> Iterator[tuple[str, str]]:
    """Return the row's facts and the exchange's report of when the order was last held."""
    yield "the row said", _row(hold.row_facts)
    yield "the exchange says", "nothing" if hold.report is None else _exchange(hold.report)


def _row(facts: Mapping[str, Any]) -> str:
    return _joined(
        in_both_words(facts.get("status_written"), facts["status"]),
        f"{facts['executed_qty']} executed",
        f"average {facts['avg_price']}",
        _named("qty", facts.get("qty")),
        _named("side", facts.get("side")),
        _named("client id", facts.get("client_order_id")),
        _named("created", facts.get("created_at")),
    )


def _exchange(report: Mapping[str, Any]) -> str:
    return _joined(
        report["word"],
        f"{report['executed_qty']} executed",
        f"average {report['avg_price']}",
        _named("of", report.get("quantity")),
        "sized in quote currency" if report.get("is_quote_sized") else None,
        _named("side", report.get("side")),
        _named("client id", report.get("client_order_id")),
        _named("placed", report.get("placed_at")),
    )


def _named(name: str, value: str | None) -> str | None:
    return None if value is None else f"{name} {value}"


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part is not None)
