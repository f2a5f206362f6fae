"""The report of a run or a demo, as a table or as JSON."""

from dataclasses import asdict, dataclass

from rich.text import Text

from reconciler.cli.ui.output import console, print_json, print_table, quantity
from reconciler.formatting import elapsed
from reconciler.supervisor.summary import Summary

ReportRow = tuple[str, int | float | Text, str]
"""A row of the table: a name, a quantity, and a text to compare it with."""


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """The result of a run; its attributes are the keys of the JSON report.

    Attributes:
        orders: Orders that were looked at; in the demo, all orders.
        reconciled: Rows that now say what the exchange says.
        discrepancies: Reconciled rows that said something else before.
        mismatches: Rows that differ from the exchange at the end; None if not compared (`run`).
        weight_one_by_one: The weight of one request per order; None if the workload asks no venue.
        seconds: The supervisor's time, from its start to its end.
        not_followed: Rows that look open and are not followed, as counted at the start.
        remarks: Texts for a person: what is not followed, and why orders were not written.
    """

    orders: int
    reconciled: int
    discrepancies: int
    errors: int
    held: int
    skipped_locked: int
    not_asked: int
    mismatches: int | None
    seconds: float
    setup_seconds: float | None
    orders_per_second: float
    requests: int
    weight: int
    weight_one_by_one: int | None
    restarts: int
    cycles: int
    shards: int
    transitions: dict[str, int]
    ending: str
    not_followed: int = 0
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        summary: Summary,
        *,
        seconds: float,
        shards: int,
        orders: int | None = None,
        lookup_weight: int | None = None,
        mismatches: int | None = None,
        setup_seconds: float | None = None,
        not_followed: int = 0,
        remarks: tuple[str, ...] = (),
    ) -> "RunReport":
        """Build the report from a supervisor's summary.

        `lookup_weight` is what a request for one order weighs at the venue.
        """
        counts = summary.counts
        orders = counts.scanned if orders is None else orders
        return cls(
            orders=orders,
            reconciled=counts.reconciled,
            discrepancies=counts.discrepancies,
            errors=counts.errors,
            held=counts.held,
            skipped_locked=counts.skipped_locked,
            not_asked=summary.not_asked,
            mismatches=mismatches,
            seconds=round(seconds, 3),
            setup_seconds=None if setup_seconds is None else round(setup_seconds, 3),
            orders_per_second=round(counts.reconciled / seconds, 1) if seconds else 0.0,
            requests=counts.requests,
            weight=counts.weight,
            weight_one_by_one=None if lookup_weight is None else orders * lookup_weight,
            restarts=summary.restarts,
            cycles=summary.cycles,
            shards=shards,
            transitions=dict(sorted(counts.transitions.items())),
            ending=summary.ending.value,
            not_followed=not_followed,
            remarks=remarks,
        )

    @property
    def is_complete(self) -> bool:
        """True if every order is done and none differs."""
        left = self.errors + self.held + self.skipped_locked + self.not_asked
        left += self.mismatches or 0
        return left == 0

    def print(self, *, as_json: bool) -> None:
        """Print it."""
        if as_json:
            print_json(asdict(self))
            return
        width = 3 if self.weight else 2
        rows = [row[:width] for row in self._rows()]
        print_table([""] * width, rows, title="Reconciliation")
        if self.transitions:
            changes = [
                (*name.split("."), count)
                for name, count in sorted(self.transitions.items(), key=lambda item: -item[1])
            ]
            console().print()
            print_table(["from", "to", "orders"], changes, title="Changes")
        for remark in self.remarks:
            console().print(Text(remark, style="yellow"), soft_wrap=True)
        if self.mismatches is not None:
            verdict = (
                "[green]every row equals the exchange's truth[/]"
                if self.mismatches == 0
                else f"[red]{self.mismatches:,} rows differ from the exchange[/]"
            )
            console().print(f"\n{verdict}")

    def _rows(self) -> list[ReportRow]:
        """Return the rows of the table."""
        singly = (
            ""
            if self.weight_one_by_one is None
            else f"{self.weight_one_by_one:,} with one request per order"
        )
        rows: list[ReportRow] = [
            ("orders", self.orders, ""),
            ("reconciled", self.reconciled, ""),
            ("changed", self.discrepancies, ""),
            ("failed", self.errors, ""),
            ("on hold", self.held, ""),
            ("locked by others", self.skipped_locked, ""),
            ("requests", self.requests, ""),
            ("request weight", self.weight, singly if self.weight else ""),
            ("took", quantity(elapsed(self.seconds)), ""),
            ("orders per second", self.orders_per_second, ""),
            ("shards", self.shards, ""),
            ("worker restarts", self.restarts, ""),
        ]
        if self.not_asked:
            rows.append(("not asked", self.not_asked, ""))
        if self.not_followed:
            rows.append(("not followed", self.not_followed, ""))
        if self.setup_seconds is not None:
            rows.append(("set-up took", quantity(elapsed(self.setup_seconds)), ""))
        if self.mismatches is not None:
            rows.append(("mismatches", self.mismatches, ""))
        return rows
