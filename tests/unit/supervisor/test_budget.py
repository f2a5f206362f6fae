import asyncio
from collections.abc import Callable

import pytest

from reconciler.resilience.budget import WINDOW_SECONDS, WeightWindow
from reconciler.supervisor.budget import SharedBudget


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Timers:
    """The running loop's `call_later`, on the fake clock: nothing happens before `advance`."""

    def __init__(self, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self._clock = clock
        self._due: list[tuple[float, asyncio.TimerHandle]] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "call_later", self._call_later)

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        due = self._clock.now + seconds
        handle = asyncio.TimerHandle(due, callback, (), asyncio.get_running_loop())
        self._due.append((due, handle))
        return handle

    def advance(self, seconds: float) -> None:
        until = self._clock.now + seconds
        while due := [entry for entry in self._due if entry[0] <= until]:
            self._due.remove(first := min(due, key=lambda entry: entry[0]))
            self._clock.now = max(self._clock.now, first[0])
            if not first[1].cancelled():
                first[1]._run()
        self._clock.now = until


class Desk:
    """A budget of 100 a minute, and who was granted what, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = FakeClock()
        self.timers = Timers(clock, monkeypatch)
        self.budget = SharedBudget(WeightWindow(200, 0.5, clock=clock))
        self.granted: list[str] = []

    def ask(self, name: str, weight: int, *, owner: int = 0) -> None:
        self.budget.request(owner, weight, lambda: self.granted.append(name))


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


async def test_grants_at_once_what_there_is_room_for(desk: Desk) -> None:
    desk.ask("first", 60)
    desk.ask("second", 40)

    assert desk.granted == ["first", "second"]


async def test_a_light_request_does_not_overtake_a_heavy_one(desk: Desk) -> None:
    desk.ask("spent", 90)
    desk.ask("heavy", 20)
    desk.ask("light", 1)
    assert desk.granted == ["spent"]

    desk.timers.advance(WINDOW_SECONDS)

    assert desk.granted == ["spent", "heavy", "light"]


async def test_grants_to_several_workers_in_the_order_in_which_they_asked(desk: Desk) -> None:
    desk.ask("spent", 100)
    for number in range(4):
        desk.ask(f"worker {number}", 50, owner=number)

    desk.timers.advance(WINDOW_SECONDS)
    assert desk.granted == ["spent", "worker 0", "worker 1"]
    desk.timers.advance(WINDOW_SECONDS)

    assert desk.granted == ["spent", "worker 0", "worker 1", "worker 2", "worker 3"]


async def test_a_pause_holds_back_what_there_would_be_room_for(desk: Desk) -> None:
    desk.budget.pause(7)
    desk.ask("patient", 1)
    desk.timers.advance(6.9)
    assert desk.granted == []

    desk.timers.advance(0.1)

    assert desk.granted == ["patient"]


async def test_a_pause_that_comes_while_somebody_waits_holds_him_back_too(desk: Desk) -> None:
    desk.ask("spent", 100)
    desk.ask("patient", 1)
    desk.budget.pause(WINDOW_SECONDS + 30)

    desk.timers.advance(WINDOW_SECONDS + 29)
    assert desk.granted == ["spent"]
    desk.timers.advance(1)

    assert desk.granted == ["spent", "patient"]


async def test_an_account_that_others_have_nearly_used_up_pauses_us(desk: Desk) -> None:
    desk.budget.observe(190)
    desk.ask("patient", 1)

    assert desk.granted == []
    assert desk.budget.paused_seconds == WINDOW_SECONDS


async def test_a_dead_worker_spends_nothing_that_it_was_still_waiting_for(desk: Desk) -> None:
    desk.ask("spent", 90)
    desk.ask("dead", 100, owner=1)
    desk.ask("alive", 10, owner=2)

    desk.budget.withdraw(1)

    assert desk.granted == ["spent", "alive"]


async def test_workers_are_served_in_turn_however_much_one_of_them_asks_for(desk: Desk) -> None:
    desk.ask("spent", 100)
    for number in range(3):
        desk.ask(f"greedy {number}", 10, owner=1)
    desk.ask("modest", 10, owner=2)

    desk.timers.advance(WINDOW_SECONDS)

    assert desk.granted == ["spent", "greedy 0", "modest", "greedy 1", "greedy 2"]
