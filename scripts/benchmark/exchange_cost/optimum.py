"""The least that reporting some orders can cost: every strategy tried, for a few orders."""

from itertools import product

from reconciler.exchanges.query_plan.ascending_ids import Estimates, QueryCosts
from scripts.benchmark.exchange_cost.simulated import (
    SimulatedAccount,
    search_for,
    simulated_account,
)


def expected_weight_of_plan(
    counts: tuple[int, ...], costs: QueryCosts, estimates: Estimates
) -> float:
    """Return the mean cost of our plan over every combination of ended and open orders."""
    refs, account = simulated_account(*counts)
    expected = 0.0
    for fates in product([False, True], repeat=len(refs)):
        likelihood = _likelihood_of(fates, estimates.ended_share)
        if likelihood == 0:
            continue
        drawn = SimulatedAccount(ended=dict(zip(account.ended, fates, strict=True)))
        outcome = search_for(refs, drawn, costs, estimates, learns=False)
        assert len(outcome.reported) == len(refs)  # noqa: S101 - or it would be cheap for nothing
        expected += likelihood * outcome.weight
    return expected


def least_expected_weight(counts: tuple[int, ...], costs: QueryCosts, ended_share: float) -> float:
    """Try every strategy: which lists to ask for, then every split into names and pages."""
    outright = [_least_cover(tuple(range(count)), costs) for count in counts]
    after_list = [_expected_cover(count, costs, ended_share) for count in counts]
    alone = sum(
        min(direct, costs.open_orders + rest)
        for direct, rest in zip(outright, after_list, strict=True)
    )
    together = costs.all_open_orders + sum(
        min(direct, rest) for direct, rest in zip(outright, after_list, strict=True)
    )
    return min(alone, together)


def _expected_cover(count: int, costs: QueryCosts, ended_share: float) -> float:
    return sum(
        _likelihood_of(fates, ended_share)
        * _least_cover(tuple(rank for rank in range(count) if fates[rank]), costs)
        for fates in product([False, True], repeat=count)
    )


def _least_cover(ranks: tuple[int, ...], costs: QueryCosts) -> int:
    if not ranks:
        return 0
    beyond = tuple(rank for rank in ranks if rank >= ranks[0] + costs.page_size)
    return min(
        costs.one_order + _least_cover(ranks[1:], costs),
        costs.history_page + _least_cover(beyond, costs),
    )


def _likelihood_of(fates: tuple[bool, ...], ended_share: float) -> float:
    ended = sum(fates)
    return float(ended_share**ended * (1 - ended_share) ** (len(fates) - ended))
