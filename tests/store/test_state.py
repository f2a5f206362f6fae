"""The halt and the account are one truth for every host."""

from reconciler.store import state
from reconciler.store.database import Database

from .builders import Application


def test_the_halt_is_off_until_it_is_applied_and_after_it_is_released(database: Database) -> None:
    with database.transaction() as connection:
        before = state.read_halt(connection)
        state.apply_halt(connection, "all vanished")
        state.apply_halt(connection, "still all vanished")
        during = state.read_halt(connection)
        released = state.release_halt(connection)
        after = state.read_halt(connection)
        again = state.release_halt(connection)

    assert (before, during, after) == (None, "still all vanished", None)
    assert (released, again) == (True, False)


def test_who_released_the_halt_last_is_kept(database: Database) -> None:
    with database.transaction() as connection:
        state.apply_halt(connection, "all vanished")
        state.release_halt(connection, by="ann")
        kept = connection.exec_driver_sql(
            "SELECT changed_by, value->>'reason' FROM reconciliation_state WHERE key = %s",
            (state.LAST_RELEASE,),
        ).one()

    assert tuple(kept) == ("ann", "all vanished")


def test_the_first_account_is_remembered_and_no_later_one_replaces_it(database: Database) -> None:
    with database.transaction() as connection:
        before = state.read_account(connection, "paper")
        first = state.remember_account(connection, "paper", "7")
        second = state.remember_account(connection, "paper", "8")

    assert (before, first, second) == (None, "7", "7")


def test_each_exchange_has_an_account_of_its_own(database: Database) -> None:
    with database.transaction() as connection:
        state.remember_account(connection, "paper", "7")
        state.remember_account(connection, "binance", "8")

        assert state.read_account(connection, "paper") == "7"
        assert state.read_account(connection, "binance") == "8"


def test_a_person_may_confirm_another_account_and_is_written_down(
    application: Application, database: Database
) -> None:
    with database.transaction() as connection:
        state.remember_account(connection, "paper", "7")
    with database.transaction() as connection:
        state.confirm_account(connection, "paper", "8", by="Ada")

    row = application.execute("SELECT value, changed_by FROM reconciliation_state").fetchone()
    assert row == {"value": {"identity": "8"}, "changed_by": "Ada"}
