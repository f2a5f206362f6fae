"""The halt: most answers of a cycle look suspicious, so the orders are not to blame.

A wrong account, a wiped testnet or a bad deployment looks like thousands of vanished, shrunken or
contradicting orders. Then nothing may be written, neither rows nor holds, until a sample looks sane
again or a person says so. That everything has ended is no anomaly: those answers are positive.

An order that the exchange answers with an error of its own is that order's matter, and all orders
of a symbol that it does not know are that symbol's: others must not wait for them. Where most of
the symbols have such orders, neither orders nor symbols are to blame: it is how we ask, or whom.
"""

from dataclasses import dataclass
from math import comb

from reconciler.workload import AnomalyStats


@dataclass(frozen=True, kw_only=True)
class HaltPolicy:
    """When a cycle's evidence stops the work.

    Attributes:
        share: More than this share of what was looked at is suspicious,
        least: and at least this number of items is.
        clean_share: A sample is clean when no more than this share of it is suspicious: well below
            what applies the halt, so that it does not go on and off.
        luck: And when the whole, were `share` of it suspicious, would give such a sample less
            often than this: a sample is made every 15 s, and one in a million is one in half a
            year. So of 20 orders none may be suspicious, of 50 at most 8, of 100 all that
            `clean_share` allows.
    """

    share: float = 0.5
    least: int = 50
    clean_share: float = 0.25
    luck: float = 1e-6


def is_anomaly(stats: AnomalyStats, policy: HaltPolicy) -> bool:
    """Whether the evidence speaks against the whole rather than against its items."""
    suspicious = _suspicious(stats, policy)
    return suspicious >= policy.least and suspicious > policy.share * stats.examined


def is_clean(stats: AnomalyStats, policy: HaltPolicy, *, is_whole: bool = False) -> bool:
    """Whether a sample shows that the anomaly has passed.

    One that `is_whole`, because no more than this is stale, leaves nothing to luck, however small.
    """
    suspicious = _suspicious(stats, policy)
    if not stats.examined or suspicious > policy.clean_share * stats.examined:
        return False
    return is_whole or _chance_of(suspicious, stats.examined, policy.share) < policy.luck


def _chance_of(suspicious: int, examined: int, share: float) -> float:
    """Return how likely so few are suspicious in a sample of what `share` of is: binomial."""
    return sum(
        comb(examined, count) * share**count * (1 - share) ** (examined - count)
        for count in range(suspicious + 1)
    )


def describe(stats: AnomalyStats) -> str:
    """Say why the halt is on, for a person."""
    errors = sum(stats.errors.values())
    if errors <= stats.suspicious:
        return (
            f"{stats.suspicious:,} of {stats.examined:,} orders came back not found,"
            " shrunken, contradicting or unknown: is it the right account at the right exchange?"
        )
    return (
        f"{errors:,} of {stats.examined:,} orders were answered with an error of their own, in"
        f" {len(stats.errors):,} of {len(stats.keys):,} symbols: is it the right exchange,"
        " and do symbol and external_order_id hold the exchange's names and ids?"
    )


def _suspicious(stats: AnomalyStats, policy: HaltPolicy) -> int:
    """Return how many orders speak against the whole: with an error of their own only in a mass."""
    is_mass = len(stats.errors) > policy.share * len(stats.keys)
    return stats.suspicious + (sum(stats.errors.values()) if is_mass else 0)
