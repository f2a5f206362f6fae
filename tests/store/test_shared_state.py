"""All hosts share the halt, the account and the rate-limit pauses."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.scope import UNSCOPED
from reconciler.store import shared_state
from reconciler.store.database import Database

from .builders import Application


def test_the_halt_is_on_between_its_apply_and_its_release(database: Database) -> None:
    with database.transaction() as connection:
        before = shared_state.read_halt(connection, UNSCOPED)
        shared_state.apply_halt(connection, UNSCOPED, "all vanished")
        shared_state.apply_halt(connection, UNSCOPED, "still all vanished")
        during = shared_state.read_halt(connection, UNSCOPED)
        released = shared_state.release_halt(connection, UNSCOPED)
        after = shared_state.read_halt(connection, UNSCOPED)
        again = shared_state.release_halt(connection, UNSCOPED)

    assert (before, during, after) == (None, "still all vanished", None)
    assert (released, again) == (True, False)


@pytest.mark.parametrize("value", ["{}", "null", '"stop"', "[]", '{"reason": null}', '{"why": 7}'])
def test_a_halt_that_a_person_wrote_in_another_form_is_a_halt(
    database: Database, value: str
) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO reconciliation_state (key, value, changed_at, changed_by)"
            " VALUES ('halt', %s::jsonb, now(), 'ada')",
            (value,),
        )
        reason = shared_state.read_halt(connection, UNSCOPED)
        released = shared_state.release_halt(connection, UNSCOPED, by="ada")

        assert reason
        assert released
        assert shared_state.read_halt(connection, UNSCOPED) is None


def test_the_name_of_who_released_the_halt_is_kept(database: Database) -> None:
    with database.transaction() as connection:
        shared_state.apply_halt(connection, UNSCOPED, "all vanished")
        shared_state.release_halt(connection, UNSCOPED, by="ann")
        kept = connection.exec_driver_sql(
            "SELECT changed_by, value->>'reason' FROM reconciliation_state WHERE key = %s",
            (shared_state.LAST_RELEASE,),
        ).one()

    assert tuple(kept) == ("ann", "all vanished")


def test_the_first_account_is_kept_and_not_replaced_by_others(database: Database) -> None:
    with database.transaction() as connection:
        before = shared_state.read_account(connection, UNSCOPED, "paper")
        first = shared_state.remember_account(connection, UNSCOPED, "paper", "7")
        second = shared_state.remember_account(connection, UNSCOPED, "paper", "8")

    assert (before, first, second) == (None, "7", "7")


def test_each_exchange_has_an_account_of_its_own(database: Database) -> None:
    with database.transaction() as connection:
        shared_state.remember_account(connection, UNSCOPED, "paper", "7")
        shared_state.remember_account(connection, UNSCOPED, "binance", "8")

        assert shared_state.read_account(connection, UNSCOPED, "paper") == "7"
        assert shared_state.read_account(connection, UNSCOPED, "binance") == "8"


def test_a_person_may_confirm_another_account_and_is_recorded(
    application: Application, database: Database
) -> None:
    with database.transaction() as connection:
        shared_state.remember_account(connection, UNSCOPED, "paper", "7")
    with database.transaction() as connection:
        shared_state.confirm_account(connection, UNSCOPED, "paper", "8", by="Ada")

    row = application.execute("SELECT value, changed_by FROM reconciliation_state").fetchone()
    assert row == {"value": {"identity": "8"}, "changed_by": "Ada"}


def test_a_rate_limit_pause_is_kept_for_each_host_until_its_end(database: Database) -> None:
    with database.transaction() as connection:
        shared_state.write_pause(connection, UNSCOPED, "paper", "here", 300.0)
        shared_state.write_pause(connection, UNSCOPED, "paper", "there.b%_", 7.0)
        shared_state.write_pause(connection, UNSCOPED, "binance", "here", 3600.0)
        paused = shared_state.read_pauses(connection, UNSCOPED, "paper")

    assert paused.keys() == {"here", "there.b%_"}
    assert 290 < paused["here"] <= 300
    assert 0 < paused["there.b%_"] <= 7


def test_the_longest_pause_counts_and_past_ones_are_deleted(database: Database) -> None:
    with database.transaction() as connection:
        shared_state.write_pause(connection, UNSCOPED, "paper", "here", 300.0)
        shared_state.write_pause(connection, UNSCOPED, "paper", "here", 7.0)
        shared_state.write_pause(connection, UNSCOPED, "paper", "gone", -1.0)
        connection.exec_driver_sql(
            "INSERT INTO reconciliation_state (key, value, changed_at, changed_by) VALUES"
            " ('rate_limit_pause.paper.old', %s, now(), 'supervisor')",
            ('{"host": "old", "until": "2020-01-01T00:00:00+00:00"}',),
        )
        shared_state.write_pause(connection, UNSCOPED, "paper", "here", 600.0)
        paused = shared_state.read_pauses(connection, UNSCOPED, "paper")
        keys = connection.exec_driver_sql("SELECT key FROM reconciliation_state").scalars().all()

    assert 590 < paused["here"] <= 600
    assert list(keys) == ["rate_limit_pause.paper.here"]


def test_an_unreadable_or_endless_pause_stops_no_host_for_ever(
    database: Database,
) -> None:
    with database.transaction() as connection:
        for host, value in (
            ("wrong", '{"host": "wrong", "until": "tomorrow"}'),
            ("empty", "{}"),
            ("list", "[1]"),
            ("naive", '{"host": "naive", "until": "2999-01-01T00:00:00"}'),
            ("late", '{"host": "late", "until": "2999-01-01T00:00:00+00:00"}'),
        ):
            connection.exec_driver_sql(
                "INSERT INTO reconciliation_state (key, value, changed_at, changed_by)"
                " VALUES (%s, %s, now(), 'supervisor')",
                (f"rate_limit_pause.paper.{host}", value),
            )
        paused = shared_state.read_pauses(connection, UNSCOPED, "paper")

    assert paused == {"late": 259_200.0}


def test_reserved_nonces_never_overlap(database: Database) -> None:
    with database.transaction() as connection:
        firsts = [
            shared_state.reserve_nonces(connection, UNSCOPED, "kraken", least=least, count=10)
            for least in (1000, 1000, 1005, 5000, 0)
        ]
        after = shared_state.read_reserved_nonces(connection, UNSCOPED, "kraken")

    assert firsts == [1000, 1010, 1020, 5000, 5010]
    assert after == 5020


def test_each_exchange_has_nonces_of_its_own(database: Database) -> None:
    with database.transaction() as connection:
        shared_state.reserve_nonces(connection, UNSCOPED, "kraken", least=1000, count=10)

        assert shared_state.read_reserved_nonces(connection, UNSCOPED, "binance") == 0


def test_processes_that_reserve_at_once_get_different_nonces(database_url: str) -> None:
    def reserve() -> list[int]:
        own = Database(database_url, role="test")
        try:
            return [_reserve_one(own) for _ in range(20)]
        finally:
            own.close()

    with ThreadPoolExecutor(max_workers=4) as threads:
        reserving = [threads.submit(reserve) for _ in range(4)]
        firsts = [first for one in reserving for first in one.result()]

    assert sorted(firsts) == list(range(1000, 1000 + 80 * 10, 10))


def _reserve_one(database: Database) -> int:
    with database.transaction() as connection:
        return shared_state.reserve_nonces(connection, UNSCOPED, "kraken", least=1000, count=10)
