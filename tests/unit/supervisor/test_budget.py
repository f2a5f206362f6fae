import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from reconciler.resilience.limits import LimitReading, LimitScope, RateLimit
from reconciler.resilience.rate_limits import RateLimits
from reconciler.supervisor.budget import (
    PROBE_TIMEOUT_SECONDS,
    BudgetReply,
    RateLimitPauses,
    SharedBudget,
)
from reconciler.workload import Planner, RememberedPause
from tests.fakes import FakeClock, weight_limit

WINDOW_SECONDS = 60.0


class Timers:
    """The running loop's `call_later`, on the fake clock: nothing happens before `advance`."""

    def __init__(self, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = clock
        self._due: list[tuple[float, asyncio.TimerHandle]] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "call_later", self._call_later)

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        due = self.clock.now + seconds
        handle = asyncio.TimerHandle(due, callback, (), asyncio.get_running_loop())
        self._due.append((due, handle))
        return handle

    def advance(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while due := [entry for entry in self._due if entry[0] <= until]:
            self._due.remove(first := min(due, key=lambda entry: entry[0]))
            self.clock.now = max(self.clock.now, first[0])
            if not first[1].cancelled():
                first[1]._run()
        self.clock.now = until


class BudgetOnAClock:
    """A budget of 100 a minute, and the requests granted and denied, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = FakeClock()
        self.timers = Timers(clock, monkeypatch)
        self.budget = SharedBudget(RateLimits(weight_limit(200), 0.5, clock=clock))
        self.granted: list[str] = []
        self.probes: list[str] = []
        self.denied: list[str] = []

    def ask(self, name: str, weight: int, *, owner: int = 0) -> None:
        self.budget.request(owner, {"weight": weight}, lambda reply: self._record(name, reply))

    def _record(self, name: str, reply: BudgetReply) -> None:
        (self.denied if reply is BudgetReply.DENIED else self.granted).append(name)
        if reply is BudgetReply.GRANTED_AS_PROBE:
            self.probes.append(name)


@pytest.fixture
async def budget(monkeypatch: pytest.MonkeyPatch) -> BudgetOnAClock:
    return BudgetOnAClock(monkeypatch)


async def test_a_request_that_fits_is_granted_at_once(budget: BudgetOnAClock) -> None:
    budget.ask("first", 60)
    budget.ask("second", 40)

    assert budget.granted == ["first", "second"]


async def test_a_light_request_does_not_overtake_a_heavy_one(budget: BudgetOnAClock) -> None:
    budget.ask("spent", 90)
    budget.ask("heavy", 20)
    budget.ask("light", 1)
    assert budget.granted == ["spent"]

    budget.timers.advance(WINDOW_SECONDS)

    assert budget.granted == ["spent", "heavy", "light"]


async def test_requests_are_granted_in_the_order_of_their_arrival(budget: BudgetOnAClock) -> None:
    budget.ask("spent", 100)
    for number in range(4):
        budget.ask(f"worker {number}", 50, owner=number)

    budget.timers.advance(WINDOW_SECONDS)
    assert budget.granted == ["spent", "worker 0", "worker 1"]
    budget.timers.advance(WINDOW_SECONDS)

    assert budget.granted == ["spent", "worker 0", "worker 1", "worker 2", "worker 3"]


async def test_a_pause_holds_back_what_there_would_be_room_for(budget: BudgetOnAClock) -> None:
    budget.budget.pause(7)
    budget.ask("patient", 1)
    budget.timers.advance(6.9)
    assert budget.granted == []

    budget.timers.advance(0.1)

    assert budget.granted == ["patient"]


async def test_a_pause_also_delays_a_request_that_waits_already(budget: BudgetOnAClock) -> None:
    budget.ask("spent", 100)
    budget.ask("patient", 1)
    budget.budget.pause(WINDOW_SECONDS + 30)

    budget.timers.advance(WINDOW_SECONDS + 29)
    assert budget.granted == ["spent"]
    budget.timers.advance(1)

    assert budget.granted == ["spent", "patient"]


async def test_an_account_used_up_by_others_pauses_us(budget: BudgetOnAClock) -> None:
    budget.budget.observe(LimitReading(name="weight", used=190))
    budget.ask("patient", 1)

    assert budget.granted == []
    assert budget.budget.paused_seconds == WINDOW_SECONDS


async def test_a_dead_worker_spends_nothing_that_it_waited_for(budget: BudgetOnAClock) -> None:
    budget.ask("spent", 90)
    budget.ask("dead", 100, owner=1)
    budget.ask("alive", 10, owner=2)

    budget.budget.withdraw(1)

    assert budget.granted == ["spent", "alive"]


async def test_workers_are_served_in_turn_however_much_one_requests(budget: BudgetOnAClock) -> None:
    budget.ask("spent", 100)
    for number in range(3):
        budget.ask(f"greedy {number}", 10, owner=1)
    budget.ask("modest", 10, owner=2)

    budget.timers.advance(WINDOW_SECONDS)

    assert budget.granted == ["spent", "greedy 0", "modest", "greedy 1", "greedy 2"]


async def test_after_a_pause_the_others_wait_for_the_probe(
    budget: BudgetOnAClock,
) -> None:
    budget.budget.pause(7)
    for owner in (1, 2, 3):
        budget.ask(f"worker {owner}", 1, owner=owner)

    budget.timers.advance(7)
    assert budget.granted == budget.probes == ["worker 1"]
    budget.timers.advance(5)
    assert budget.granted == ["worker 1"]

    budget.budget.end_probe(1, is_alive=True)

    assert budget.granted == ["worker 1", "worker 2", "worker 3"]
    assert budget.probes == ["worker 1"]


async def test_no_request_follows_a_probe_that_is_limited_again(budget: BudgetOnAClock) -> None:
    budget.budget.pause(7)
    for owner in (1, 2):
        budget.ask(f"worker {owner}", 1, owner=owner)
    budget.timers.advance(7)

    budget.budget.pause(30)
    budget.budget.end_probe(1, is_alive=True)
    budget.timers.advance(29)
    assert budget.granted == ["worker 1"]
    budget.timers.advance(1)

    assert budget.granted == budget.probes == ["worker 1", "worker 2"]


@pytest.mark.parametrize("how", ["failed", "died", "lost"])
async def test_the_next_request_is_a_probe_if_the_first_gets_no_answer(
    budget: BudgetOnAClock, how: str
) -> None:
    budget.budget.pause(7)
    for owner in (1, 2, 3):
        budget.ask(f"worker {owner}", 1, owner=owner)
    budget.timers.advance(7)

    if how == "failed":
        budget.budget.end_probe(1, is_alive=False)
    elif how == "died":
        budget.budget.withdraw(1)
    else:
        budget.timers.advance(PROBE_TIMEOUT_SECONDS)

    assert budget.granted == budget.probes == ["worker 1", "worker 2"]


async def test_a_closed_budget_denies_waiting_and_new_requests(budget: BudgetOnAClock) -> None:
    budget.budget.pause(300)
    budget.ask("waits", 1, owner=1)

    budget.budget.close()
    budget.ask("asks", 1, owner=2)
    budget.timers.advance(400)

    assert budget.denied == ["waits", "asks"]
    assert budget.granted == []


async def test_a_worker_that_is_to_end_does_not_wait_for_the_budget(
    budget: BudgetOnAClock,
) -> None:
    budget.ask("spent", 90, owner=1)
    budget.ask("waits", 20, owner=2)

    budget.budget.stop_waiting(2)
    budget.ask("light", 10, owner=2)
    budget.ask("heavy", 20, owner=2)

    assert budget.denied == ["waits", "heavy"]
    assert budget.granted == ["spent", "light"]


async def test_the_successor_of_a_worker_that_had_to_end_may_wait(budget: BudgetOnAClock) -> None:
    budget.ask("spent", 100, owner=1)
    budget.budget.stop_waiting(2)
    budget.budget.withdraw(2)

    budget.ask("patient", 10, owner=2)
    budget.timers.advance(WINDOW_SECONDS)

    assert budget.granted == ["spent", "patient"]


class TwoRoutes(BudgetOnAClock):
    """A budget of 100 a minute for an address, and of 10 a second for each of two routes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        routes = [
            RateLimit(name=name, scope=LimitScope.ROUTE, amount=10, window=timedelta(seconds=1))
            for name in ("order", "history")
        ]
        self.budget = SharedBudget(
            RateLimits((*weight_limit(100), *routes), 1, clock=self.timers.clock)
        )

    def ask_of(self, route: str, name: str, count: int, *, owner: int = 0, weight: int = 1) -> None:
        cost = {"weight": weight, route: count}
        self.budget.request(owner, cost, lambda reply: self._record(name, reply))


@pytest.fixture
async def routes(monkeypatch: pytest.MonkeyPatch) -> TwoRoutes:
    return TwoRoutes(monkeypatch)


async def test_a_request_does_not_wait_for_a_limit_from_which_it_takes_nothing(
    routes: TwoRoutes,
) -> None:
    routes.ask_of("history", "all of history", 10)
    routes.ask_of("history", "waits", 1)

    routes.ask_of("order", "other route", 1)
    assert routes.granted == ["all of history", "other route"]
    routes.timers.advance(1)

    assert routes.granted == ["all of history", "other route", "waits"]


async def test_a_request_overtakes_none_that_waits_for_a_limit_of_both(routes: TwoRoutes) -> None:
    routes.ask_of("order", "spent", 1, weight=95)
    routes.ask_of("history", "heavy", 1, weight=10)
    routes.ask_of("order", "light", 1, owner=2)
    assert routes.granted == ["spent"]

    routes.timers.advance(WINDOW_SECONDS)

    assert routes.granted == ["spent", "heavy", "light"]


async def test_the_shortest_wait_of_several_limits_wakes_the_budget(routes: TwoRoutes) -> None:
    routes.ask_of("order", "spent", 10, weight=90)
    routes.ask_of("history", "waits a minute", 1, weight=20, owner=1)
    routes.ask_of("order", "waits behind it", 1, owner=2)
    routes.budget.request(3, {"order": 1}, lambda reply: routes._record("a second", reply))

    routes.timers.advance(1)
    assert routes.granted == ["spent", "a second"]
    routes.timers.advance(WINDOW_SECONDS)

    assert routes.granted == ["spent", "a second", "waits a minute", "waits behind it"]


class PausesOnAClock:
    """The pauses of a budget, the writes that they ask for, and the bans that they report."""

    def __init__(self, budget: BudgetOnAClock) -> None:
        self.writes: list[Callable[[Planner], None]] = []
        self.bans: list[float] = []
        self.pauses = RateLimitPauses(
            budget.budget,
            write_in_background=self.writes.append,
            on_long_pause=lambda _, seconds: self.bans.append(seconds),
        )


@pytest.fixture
async def paused(budget: BudgetOnAClock) -> PausesOnAClock:
    return PausesOnAClock(budget)


async def test_a_pause_is_recorded_once_however_many_workers_report_it(
    paused: PausesOnAClock,
) -> None:
    for seconds in (30, 30, 29.5, 30.5):
        paused.pauses.begin(seconds)
    assert len(paused.writes) == 1

    paused.pauses.begin(45)

    assert len(paused.writes) == 2


async def test_only_a_pause_of_more_than_a_minute_is_a_ban(paused: PausesOnAClock) -> None:
    paused.pauses.begin(WINDOW_SECONDS)
    assert paused.bans == []

    paused.pauses.begin(WINDOW_SECONDS + 1)

    assert paused.bans == [WINDOW_SECONDS + 1]


async def test_a_pause_from_before_the_start_goes_on(
    budget: BudgetOnAClock, paused: PausesOnAClock
) -> None:
    paused.pauses.restore(RememberedPause(seconds=10))
    budget.ask("waits", 1)
    assert budget.granted == []

    budget.timers.advance(10)

    assert budget.probes == ["waits"]
    assert paused.writes == []


async def test_a_pause_of_another_host_needs_only_a_probe(
    budget: BudgetOnAClock, paused: PausesOnAClock
) -> None:
    paused.pauses.restore(RememberedPause(elsewhere_seconds=300))

    for owner in (1, 2):
        budget.ask(f"worker {owner}", 1, owner=owner)

    assert budget.granted == budget.probes == ["worker 1"]
