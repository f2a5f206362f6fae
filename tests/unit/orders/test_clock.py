"""The database's clock goes on between two syncs and is never ahead of the database."""

from datetime import UTC, datetime, timedelta

from reconciler.orders.clock import DatabaseClock

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class ManualClock:
    """A monotonic clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_clock_adds_the_time_since_the_last_sync() -> None:
    monotonic = ManualClock()
    clock = DatabaseClock(monotonic=monotonic)
    clock.sync(NOON)

    monotonic.seconds += 2.5

    assert clock() == NOON + timedelta(seconds=2.5)


def test_clock_follows_the_last_sync_even_backwards() -> None:
    monotonic = ManualClock()
    clock = DatabaseClock(monotonic=monotonic)
    clock.sync(NOON)
    monotonic.seconds += 60

    clock.sync(NOON + timedelta(seconds=1))

    assert clock() == NOON + timedelta(seconds=1)


def test_clock_returns_this_hosts_time_before_the_first_sync() -> None:
    before = datetime.now(UTC)

    now = DatabaseClock(monotonic=ManualClock())()

    assert before <= now <= datetime.now(UTC)


def test_clock_ignores_a_wrong_wall_clock_of_this_host() -> None:
    clock = DatabaseClock(monotonic=ManualClock())
    long_ago = NOON - timedelta(days=365)

    clock.sync(long_ago)

    assert clock() == long_ago
