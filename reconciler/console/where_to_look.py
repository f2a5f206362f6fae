"""Whose fault it is, and what to do: for each reason of the verdict. Pure.

The verdict names causes before symptoms (`telemetry.health.causes`), and so do the pages.
"""

from enum import StrEnum
from typing import NamedTuple

from reconciler.telemetry.health import Grade, HealthRow, Slug, causes_first


class Fault(StrEnum):
    """Whose fault it is."""

    EXCHANGE = "the exchange's, or the network's between us and it"
    LIMIT = "the exchange's rule: too much was sent with our key or from our address"
    KEY = "ours: our key, its permissions or its allowed addresses"
    SETTING = "ours: a setting"
    PROCESS = "ours: the reconciler's process"
    VERSION = "ours: this version does not know a word of the exchange"
    DATABASE = "ours: our database"
    APPLICATION = "the application's, or the exchange's"
    DECISION = "to be found out: this needs your decision"


class Guide(NamedTuple):
    """What a person needs for a reason.

    Attributes:
        fault: Whose fault it is.
        headline: What is wrong, in words that need no knowledge of the reconciler.
        advice: What to do, before what the row says to type.
        then: What to type after that: each with the words before it.
    """

    fault: Fault
    headline: str
    advice: str
    then: tuple[tuple[str, str], ...] = ()


_GOES_ON = "Do not restart the reconciler, it goes on by itself. This says what is wrong:"

GUIDES = {
    Slug.MODE: Guide(
        Fault.SETTING,
        "this supervisor only watches",
        "It was started with --dry-run.",
    ),
    Slug.CONFIGURATION: Guide(
        Fault.SETTING,
        "a setting is wrong",
        "Correct the setting; this names each that is wrong:",
    ),
    Slug.BREAKERS: Guide(
        Fault.EXCHANGE,
        "requests to the exchange fail",
        "After repeated failures nothing is sent for a while, then it is tried again by itself."
        " This shows the last fault of each shard:",
        (("This asks the exchange now:", "reconciler check"),),
    ),
    Slug.CYCLE_DURATION: Guide(
        Fault.EXCHANGE,
        "checking the orders takes long",
        "Slow answers of the exchange, or of our database. See what the shards do:",
    ),
    Slug.DISCREPANCY_RATE: Guide(
        Fault.APPLICATION,
        "many orders in the table differed from the exchange",
        "They were corrected. See what was changed:",
    ),
    Slug.ERRORS: Guide(
        Fault.EXCHANGE,
        "orders could not be checked",
        "This says whether the exchange, the key and the database are well:",
    ),
    Slug.LAST_RUN: Guide(
        Fault.PROCESS,
        "the orders have not been checked lately",
        "See whether the supervisor runs, and what it waits for:",
    ),
    Slug.OLDEST_STALE: Guide(
        Fault.SETTING,
        "orders are checked too late",
        "If no other reason is named: the budget, the number of shards, or locks of the"
        " application. See them:",
    ),
    Slug.BACKLOG: Guide(
        Fault.SETTING,
        "our request budget is too small",
        "Raise RECONCILIATION_RATE_SHARE, our share of the exchange's limit, if no other program"
        " needs the rest. If it is set in .env or reconciler.toml, the signal HUP makes the"
        " supervisor read it again; if it is set in the environment of the service, only a restart"
        " does. This shows the process id and the budget:",
    ),
    Slug.HOLDS: Guide(
        Fault.DECISION,
        "orders are on hold until you decide",
        "See what each row and the exchange say, then accept or dismiss:",
    ),
    Slug.OLDEST_HOLD: Guide(
        Fault.DECISION,
        "an order has long been on hold until you decide",
        "See what the row and the exchange say, then accept or dismiss:",
    ),
    Slug.PAUSE: Guide(
        Fault.LIMIT,
        "the exchange has told us to send nothing for a while",
        "Wait: it goes on by itself. A restart does not end the pause. Find what else uses this"
        " key or this address. This shows how long it still lasts:",
    ),
    Slug.HALT: Guide(
        Fault.DECISION,
        "nothing is written until you decide",
        "Most answers of a cycle looked wrong, so it stopped writing. Check that it is the right"
        " account at the right exchange:",
        (
            (
                "Only if the orders really are as the exchange says:",
                "reconciler halt release --by NAME",
            ),
        ),
    ),
    Slug.ACCOUNTS: Guide(
        Fault.KEY,
        "the exchange does not accept our key",
        "Correct the key, its permissions or its allowed addresses. This says whether it is"
        " accepted:",
    ),
    Slug.SHARDS: Guide(
        Fault.PROCESS,
        "our worker processes keep dying",
        "The other shards do the parked shard's work; it is started again by itself. The log says"
        " why its workers died (worker.died). See the shards:",
    ),
    Slug.DATABASE: Guide(
        Fault.DATABASE,
        "our database does not work",
        f"Bring it back. {_GOES_ON}",
    ),
    Slug.EXCHANGE: Guide(
        Fault.EXCHANGE,
        "the exchange is away, or answers with errors",
        "See its status page, then our network. It is tried again by itself. This asks it now:",
    ),
    Slug.SUPERVISOR: Guide(
        Fault.PROCESS,
        "the reconciler's process is gone",
        "First read the end of its log: it says why it ended. If it was killed or crashed, start"
        " it:",
        (("or, under supervisord:", "supervisorctl start reconciler"),),
    ),
}


def guide_of(row: HealthRow) -> Guide:
    """Return the guide for a reason: a refusal of the database is no outage."""
    guide = GUIDES[row.slug]
    if row.slug is Slug.DATABASE and row.grade is Grade.CRITICAL:
        refused = "Give back the right or the login that is refused."
        return guide._replace(advice=f"{refused} {_GOES_ON}")
    return guide


CONSEQUENCES = {Slug.SUPERVISOR: frozenset({Slug.LAST_RUN})}
"""The rows that a reason makes worse without any doubt."""


def troubles(rows: tuple[HealthRow, ...], reasons: tuple[HealthRow, ...]) -> list[HealthRow]:
    """Return the rows that are not well: the reasons of the verdict first, the unknown last."""
    rest = [row for row in rows if row.grade is not Grade.HEALTHY and row not in reasons]
    return [*reasons, *causes_first(rest)]
