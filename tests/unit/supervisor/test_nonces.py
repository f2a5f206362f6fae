import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from reconciler.errors import StoreUnavailable
from reconciler.resilience.nonces import RANGE
from reconciler.supervisor import nonces as module
from reconciler.supervisor.nonces import SharedNonces
from reconciler.workload import Backlog, Page, Planner

NOON = 1_800_000_000_000


class ReservingPlanner(Planner):
    """Reserves as the database does, which may be away."""

    def __init__(self) -> None:
        self.next = 0
        self.failures = 0
        self.reservations: list[int] = []

    def plan(self, limit: int, after: object) -> Page:
        raise NotImplementedError

    def measure_backlog(self) -> Backlog:
        raise NotImplementedError

    def reserve_nonces(self, least: int, count: int) -> int:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")
        first = max(self.next, least)
        self.next = first + count
        self.reservations.append(first)
        return first


class Turns:
    """The turns that were given and denied, in order."""

    def __init__(self) -> None:
        self.planner = ReservingPlanner()
        self.now = NOON
        self.writes: list[Callable[[Planner], None]] = []
        self.waits_for_budget: set[object] = set()
        self.nonces = SharedNonces(
            write_in_background=self._add,
            waits_for_budget=self.waits_for_budget.__contains__,
            clock_ms=lambda: self.now,
        )
        self.given: list[tuple[str, int]] = []
        self.denied: list[str] = []
        self.has_changed = asyncio.Event()

    def _add(self, write: Callable[[Planner], None]) -> None:
        self.writes.append(write)
        self.has_changed.set()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.given]

    def ask(self, name: str, *, owner: int, number: int = 0) -> None:
        self.nonces.request(owner, number, lambda nonce: self._record(name, nonce))

    def _record(self, name: str, nonce: int | None) -> None:
        if nonce is None:
            self.denied.append(name)
        else:
            self.given.append((name, nonce))
        self.has_changed.set()

    async def write(self) -> None:
        """Run the waiting write, in a thread as the supervisor does, and what follows from it."""
        write = self.writes.pop(0)
        with suppress(StoreUnavailable):
            await asyncio.to_thread(write, self.planner)
        await asyncio.sleep(0)

    async def until_given(self, count: int) -> None:
        while len(self.given) < count:
            await self.has_changed.wait()
            self.has_changed.clear()

    async def until_written(self) -> None:
        while not self.writes:
            await self.has_changed.wait()
            self.has_changed.clear()
        await self.write()


@pytest.fixture
async def turns() -> Turns:
    return Turns()


async def with_range(turns: Turns) -> None:
    """Let a worker have a turn, and end it, so that a range is reserved."""
    turns.ask("first", owner=9)
    await turns.write()
    turns.nonces.end_turn(9, 0)


async def test_first_turn_waits_for_a_reserved_range(turns: Turns) -> None:
    turns.ask("first", owner=1)
    assert turns.given == []

    await turns.write()

    assert turns.given == [("first", NOON)]


async def test_next_turn_begins_when_the_one_before_has_ended(turns: Turns) -> None:
    await with_range(turns)
    turns.ask("a", owner=1)
    turns.ask("b", owner=2)
    assert turns.names == ["first", "a"]

    turns.nonces.end_turn(1, 0)

    assert turns.names == ["first", "a", "b"]
    assert turns.given[-1][1] > turns.given[-2][1]


async def test_the_end_of_another_turn_ends_nothing(turns: Turns) -> None:
    await with_range(turns)
    turns.ask("a", owner=1)
    turns.ask("b", owner=2)

    turns.nonces.end_turn(1, 7)
    turns.nonces.end_turn(2, 7)

    assert turns.names == ["first", "a"]


async def test_withdrawn_request_gets_no_turn(turns: Turns) -> None:
    await with_range(turns)
    turns.ask("a", owner=1)
    turns.ask("given up", owner=2)
    turns.ask("c", owner=3)

    turns.nonces.end_turn(2, 0)
    turns.nonces.end_turn(1, 0)

    assert turns.names == ["first", "a", "c"]


async def test_after_a_death_during_a_turn_its_request_may_still_arrive(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOST_REQUEST_SECONDS", 0.05)
    await with_range(turns)
    turns.ask("dies", owner=1)
    turns.ask("waits", owner=1, number=1)
    turns.ask("next", owner=2)
    loop = asyncio.get_running_loop()

    turns.nonces.withdraw(1)
    died_at = loop.time()
    assert turns.names == ["first", "dies"]
    await turns.until_given(3)

    assert turns.names == ["first", "dies", "next"]
    assert loop.time() - died_at >= 0.05


async def test_successor_of_a_dead_worker_does_not_end_its_turn(turns: Turns) -> None:
    await with_range(turns)
    turns.ask("dies", owner=1)
    turns.nonces.withdraw(1)

    turns.nonces.end_turn(1, 0)
    turns.ask("successor", owner=1)

    assert turns.names == ["first", "dies"]


async def test_turn_that_never_ends_is_given_up(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_range(turns)
    monkeypatch.setattr(module, "TURN_SECONDS", 0.02)
    turns.ask("never ends", owner=1)
    turns.ask("next", owner=2)

    await turns.until_given(3)

    assert turns.names == ["first", "never ends", "next"]


async def test_turn_whose_owner_waits_for_the_budget_is_not_given_up(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []

    def waits_for_budget(owner: object) -> bool:
        looks.append(owner)
        turns.has_changed.set()
        return len(looks) <= 3

    turns.nonces = SharedNonces(
        write_in_background=turns.writes.append,
        waits_for_budget=waits_for_budget,
        clock_ms=lambda: turns.now,
    )
    await with_range(turns)
    monkeypatch.setattr(module, "TURN_SECONDS", 0.001)
    turns.ask("waits for the budget", owner=1)
    turns.ask("next", owner=2)

    await turns.until_given(3)

    # It is given up a whole turn's time after it was last seen waiting, at the fifth look.
    assert looks[:5] == [1] * 5
    assert turns.names == ["first", "waits for the budget", "next"]


async def test_turns_wait_while_the_database_is_away(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    turns.planner.failures = 3
    turns.ask("patient", owner=1)
    for _ in range(3):
        await turns.until_written()
        assert turns.given == []

    await turns.until_written()

    assert turns.given == [("patient", NOON)]


async def test_further_nonces_are_reserved_before_the_range_ends(turns: Turns) -> None:
    await with_range(turns)
    turns.now += RANGE * 2 // 3

    turns.ask("goes on", owner=1)
    assert turns.names == ["first", "goes on"]
    await turns.write()

    assert turns.planner.reservations == [NOON, NOON + RANGE]


async def test_after_a_pause_longer_than_the_range_a_new_one_is_reserved_first(
    turns: Turns,
) -> None:
    await with_range(turns)
    turns.now += 10 * RANGE
    turns.ask("later", owner=1)
    assert turns.names == ["first"]

    await turns.write()

    assert turns.given[-1] == ("later", turns.now)


async def test_after_a_refused_nonce_the_next_is_from_a_range_that_nobody_used(
    turns: Turns,
) -> None:
    await with_range(turns)
    used_elsewhere = turns.planner.reserve_nonces(0, RANGE) + RANGE - 1
    turns.ask("refused", owner=1)
    turns.ask("next", owner=2)

    turns.nonces.end_turn(1, 0, is_refused=True)
    assert turns.names == ["first", "refused"]
    await turns.write()

    assert turns.names == ["first", "refused", "next"]
    assert turns.given[-1][1] > used_elsewhere


async def test_nonces_that_are_refused_again_and_again_do_not_run_away(turns: Turns) -> None:
    await with_range(turns)
    for number in range(10):
        turns.ask(f"refused {number}", owner=1, number=number)
        while turns.writes:
            await turns.write()
        turns.nonces.end_turn(1, number, is_refused=True)

    assert len(turns.given) == 11
    assert turns.given[-1][1] < NOON + 3 * RANGE


async def test_clock_that_is_set_back_does_not_set_the_nonces_back(turns: Turns) -> None:
    await with_range(turns)
    turns.now -= 3_600_000
    turns.ask("later", owner=1)

    assert turns.given[-1] == ("later", NOON + 1)


async def test_worker_that_is_to_end_waits_for_no_turn(turns: Turns) -> None:
    await with_range(turns)
    turns.ask("goes on", owner=1)
    turns.ask("waits", owner=2)
    turns.ask("other", owner=3)

    turns.nonces.stop_waiting(2)
    turns.ask("asks later", owner=2, number=1)
    turns.nonces.end_turn(1, 0)

    assert turns.denied == ["waits", "asks later"]
    assert turns.names == ["first", "goes on", "other"]


async def test_successor_of_a_worker_that_had_to_end_may_wait(turns: Turns) -> None:
    await with_range(turns)
    turns.ask("goes on", owner=1)
    turns.nonces.stop_waiting(2)
    turns.nonces.withdraw(2)
    turns.ask("successor", owner=2)

    turns.nonces.end_turn(1, 0)

    assert turns.names == ["first", "goes on", "successor"]


async def test_closed_source_denies_everything_but_the_turn_that_is_on(turns: Turns) -> None:
    await with_range(turns)
    turns.ask("goes on", owner=1)
    turns.ask("waits", owner=2)

    turns.nonces.close()
    turns.ask("asks", owner=3)
    turns.nonces.end_turn(1, 0)

    assert turns.denied == ["waits", "asks"]
    assert turns.names == ["first", "goes on"]
