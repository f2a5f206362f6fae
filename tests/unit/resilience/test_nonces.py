import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ClockSkew
from reconciler.resilience.nonces import RANGE, LocalNonces, NonceRange

NOON = 1_800_000_000_000


class ClockMs:
    """A clock in milliseconds that a test sets."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Reserved:
    """What all processes of all times have reserved, as the database keeps it."""

    def __init__(self) -> None:
        self.next = 0
        self.asked: list[int] = []

    def take(self, least: int, count: int) -> int:
        first = max(self.next, least)
        self.next = first + count
        return first

    async def __call__(self, least: int, count: int) -> int:
        self.asked.append(least)
        return self.take(least, count)


def test_nonce_is_the_time_in_milliseconds() -> None:
    clock = ClockMs()
    nonces = NonceRange(clock)
    nonces.extend(NOON, RANGE)
    taken = [nonces.take()]

    clock.now += 250
    taken.append(nonces.take())

    assert taken == [NOON, NOON + 250]


def test_nonces_within_one_millisecond_still_grow() -> None:
    nonces = NonceRange(ClockMs())
    nonces.extend(NOON, RANGE)

    assert [nonces.take() for _ in range(4)] == [NOON, NOON + 1, NOON + 2, NOON + 3]


def test_nothing_is_given_that_was_not_reserved_before() -> None:
    clock = ClockMs()
    nonces = NonceRange(clock)
    assert nonces.take() is None
    nonces.extend(NOON, 3)
    assert [nonces.take() for _ in range(4)] == [NOON, NOON + 1, NOON + 2, None]

    clock.now += 3_600_000

    assert nonces.take() is None


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.integers(-10_000_000, 100_000)),
        st.tuples(st.just("take"), st.integers(1, 20)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("refuse"), st.just(0)),
        st.tuples(st.just("other"), st.integers(1, 5)),
    ),
    max_size=60,
)


@given(steps=_STEPS)
def test_nonces_grow_whatever_the_clock_does_and_however_often_the_process_dies(
    steps: list[tuple[str, int]],
) -> None:
    clock, reserved = ClockMs(), Reserved()
    nonces, taken = NonceRange(clock), []
    for what, amount in steps:
        if what == "tick":
            clock.now += amount
        elif what == "restart":
            nonces = NonceRange(clock)
        elif what == "refuse":
            nonces.refuse()
        elif what == "other":
            # Another process uses the range that it reserves; the exchange then refuses ours.
            first = reserved.take(clock.now, RANGE)
            taken.append(first + amount)
            nonces.refuse()
        else:
            for _ in range(amount):
                while (nonce := nonces.take()) is None:
                    nonces.extend(reserved.take(nonces.least, RANGE), RANGE)
                taken.append(nonce)

    assert all(earlier < later for earlier, later in pairwise(taken))
    assert all(nonce < reserved.next for nonce in taken)


def test_range_that_follows_goes_on_without_a_gap() -> None:
    nonces = NonceRange(ClockMs())
    nonces.extend(NOON, 2)
    nonces.take()

    nonces.extend(NOON + 2, 5)

    assert [nonces.take() for _ in range(3)] == [NOON + 1, NOON + 2, NOON + 3]


def test_range_above_that_of_another_process_skips_what_is_left() -> None:
    nonces = NonceRange(ClockMs())
    nonces.extend(NOON, 100)
    nonces.take()

    nonces.extend(NOON + 500, 100)

    assert nonces.take() == NOON + 500


def test_more_is_wanted_before_the_reserved_ones_end() -> None:
    clock = ClockMs()
    nonces = NonceRange(clock)
    nonces.extend(NOON, RANGE)
    low = [nonces.is_low]

    clock.now += RANGE // 2 + 1
    low.append(nonces.is_low)

    assert low == [False, True]
    assert nonces.take() is not None


async def test_local_nonces_give_one_turn_at_a_time() -> None:
    nonces, events = LocalNonces(clock_ms=ClockMs()), list[str]()

    async def send(name: str) -> int:
        async with nonces.turn() as nonce:
            events.append(f"begin {name}")
            await asyncio.sleep(0)
            events.append(f"end {name}")
        return nonce

    sent = await asyncio.gather(send("a"), send("b"), send("c"))

    assert events == ["begin a", "end a", "begin b", "end b", "begin c", "end c"]
    assert list(sent) == sorted(set(sent))


async def test_local_nonces_reserve_once_for_many_requests() -> None:
    reserved = Reserved()
    nonces = LocalNonces(reserved, clock_ms=ClockMs())

    for _ in range(20):
        async with nonces.turn():
            pass

    assert reserved.asked == [NOON]


async def test_refused_nonce_is_followed_by_one_that_nobody_has_used() -> None:
    reserved = Reserved()
    nonces = LocalNonces(reserved, clock_ms=ClockMs())
    async with nonces.turn():
        pass
    highest_elsewhere = reserved.take(0, 100) + 99

    with pytest.raises(ClockSkew):
        async with nonces.turn():
            raise ClockSkew("EAPI:Invalid nonce")

    async with nonces.turn() as nonce:
        assert nonce > highest_elsewhere
