"""A suspicious cycle stops all writing; a suspicious order is held alone."""

import signal

from reconciler.demo import Demo
from reconciler.scope import UNSCOPED
from reconciler.store import shared_state

from .conftest import Start, settings_of
from .rows import connected, count, listening_for_changes

ORDERS = 400


def wrong_orders(demo: Demo) -> set[str]:
    """Return the orders whose row differs from the exchange, by symbol and exchange id."""
    return {line.partition(":")[0] for line in demo.mismatches()}


def held(demo: Demo, reason: str) -> set[str]:
    """Return the orders on hold for a reason, named as by `wrong_orders`."""
    with connected(demo.database_url) as connection:
        rows = connection.execute(
            "SELECT orders.symbol, orders.external_order_id FROM orders JOIN reconciliation_holds"
            " ON order_id = orders.id::text WHERE reason = %s AND resolved_at IS NULL",
            (reason,),
        ).fetchall()
    return {f"{symbol} {external}" for symbol, external in rows}


def changes_and_holds(demo: Demo) -> tuple[int, int]:
    with connected(demo.database_url) as connection:
        return (
            count(connection, "true", "activity_log"),
            count(connection, "true", "reconciliation_holds"),
        )


def test_vanished_orders_apply_the_halt_until_they_are_back(
    demo: Demo, start: Start, reconcile: Start
) -> None:
    demo.fill(orders=ORDERS, symbols=6, seed=21)
    before = wrong_orders(demo)
    demo.exchange.set_faults(vanished_rate=0.7)

    halted = reconcile("--once").end()

    assert halted.exit_code == 75, halted.err
    assert changes_and_holds(demo) == (0, 0)
    assert wrong_orders(demo) == before
    status = start("halt", "status", "--json", **settings_of(demo)).end()
    assert (status.exit_code, status.report["is_on"]) == (1, True)
    assert "not found" in status.report["reason"]

    demo.exchange.clear_faults()
    ended = reconcile("--once").end()

    assert ended.exit_code == 0, ended.err
    assert demo.mismatches() == []
    assert start("halt", "status", **settings_of(demo)).end().exit_code == 0


def test_a_few_vanished_orders_are_held_alone(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=ORDERS, symbols=6, seed=22)
    demo.exchange.set_faults(vanished_rate=0.2)

    ended = reconcile("--once", "--json").end()

    held_orders = held(demo, "not_found")
    assert ORDERS * 0.1 < len(held_orders) < ORDERS * 0.3
    assert wrong_orders(demo) <= held_orders
    assert ended.report["reconciled"] == ORDERS - len(held_orders), ended.err


def test_orders_with_an_unknown_status_are_held_alone(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=ORDERS, symbols=6, seed=23)
    demo.exchange.set_faults(unknown_status_rate=0.2)

    ended = reconcile("--once", "--json").end()

    held_orders = held(demo, "unknown_status")
    assert ORDERS * 0.1 < len(held_orders) < ORDERS * 0.3
    assert wrong_orders(demo) <= held_orders
    assert ended.report["reconciled"] == ORDERS - len(held_orders), ended.err


def test_another_account_stops_everything_until_a_person_confirms_it(
    demo: Demo, start: Start, reconcile: Start
) -> None:
    demo.fill(orders=200, symbols=4, seed=24)
    assert start("account", "confirm", "--by", "ada", **settings_of(demo)).end().exit_code == 0
    before = wrong_orders(demo)
    demo.exchange.set_faults(account_uid=4711)

    refused = reconcile("--once").end()

    assert refused.exit_code == 78, refused.err
    assert "account confirm" in refused.err
    assert changes_and_holds(demo) == (0, 0)
    assert wrong_orders(demo) == before

    confirmed = start("account", "confirm", "--by", "ada", **settings_of(demo)).end()
    assert confirmed.exit_code == 0, confirmed.err
    assert reconcile("--once").end().exit_code == 0
    assert demo.mismatches() == []


def test_unnamed_account_is_refused_until_a_person_confirms(
    demo: Demo, start: Start, reconcile: Start
) -> None:
    demo.fill(orders=60, symbols=3, seed=26)
    before = wrong_orders(demo)
    demo.exchange.set_faults(without_fields=["uid"], route="account")

    refused = reconcile("--once").end()
    checked = start("check", **settings_of(demo)).end()
    confirmed = start("account", "confirm", "--by", "ada", **settings_of(demo)).end()

    assert (refused.exit_code, checked.exit_code, confirmed.exit_code) == (78, 78, 78)
    for ended in (refused, checked, confirmed):
        output = f"{ended.out}{ended.err}"
        assert "the exchange names no account" in output
        assert "RECONCILIATION_UNNAMED_ACCOUNT=accept" in output
    assert changes_and_holds(demo) == (0, 0)
    assert wrong_orders(demo) == before

    accepted = reconcile("--once", RECONCILIATION_UNNAMED_ACCOUNT="accept").end()
    checked = start("check", **settings_of(demo), RECONCILIATION_UNNAMED_ACCOUNT="accept").end()

    assert (accepted.exit_code, checked.exit_code) == (0, 0), accepted.err
    assert demo.mismatches() == []
    assert "account.unnamed" in accepted.err


def test_that_everything_was_truly_canceled_is_no_anomaly(demo: Demo, reconcile: Start) -> None:
    canceled = 80
    demo.fill(orders=1, symbols=1, seed=25)
    with connected(demo.database_url) as connection:
        connection.execute("TRUNCATE orders")
        for number in range(1, canceled + 1):
            demo.exchange.place_order(
                symbol="BTCUSDT", order_id=9_000_000 + number, status="CANCELED"
            )
        connection.execute(
            "INSERT INTO orders (symbol, external_order_id, status, qty, executed_qty, created_at,"
            " updated_at) SELECT 'BTCUSDT', (9000000 + n)::text, 'new', 1, 0,"
            " now() - interval '1 hour', now() - interval '1 hour'"
            " FROM generate_series(1, %s) AS n",
            (canceled,),
        )

        ended = reconcile("--once", "--json").end()

        assert ended.exit_code == 0, ended.err
        assert count(connection, "status = 'canceled'") == canceled
        assert ended.report["discrepancies"] == canceled


def rename_symbols(demo: Demo, names: dict[str, str]) -> None:
    """Rename the symbols of rows."""
    with connected(demo.database_url) as connection:
        for before, after in names.items():
            connection.execute("UPDATE orders SET symbol = %s WHERE symbol = %s", (after, before))


def test_order_errors_in_most_symbols_apply_the_halt(
    demo: Demo, start: Start, reconcile: Start
) -> None:
    demo.fill(orders=ORDERS, symbols=6, seed=26)
    names = {order.symbol: f"{order.symbol}X" for order in demo.exchange.orders()}
    rename_symbols(demo, names)

    halted = reconcile("--once").end()

    assert halted.exit_code == 75, halted.err
    assert changes_and_holds(demo) == (0, 0)
    status = start("halt", "status", "--json", **settings_of(demo)).end()
    assert "were answered with an error of their own" in status.report["reason"]
    assert "of 6 symbols" in status.report["reason"]

    rename_symbols(demo, {after: before for before, after in names.items()})
    ended = reconcile("--once").end()

    assert ended.exit_code == 0, ended.err
    assert demo.mismatches() == []


def test_one_large_delisted_symbol_does_not_apply_the_halt(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=200, symbols=4, seed=27)
    with connected(demo.database_url) as connection:
        connection.execute(
            "INSERT INTO orders (symbol, external_order_id, status, qty, executed_qty, created_at,"
            " updated_at) SELECT 'GONEUSDT', n::text, 'new', 1, 0, now() - interval '1 hour',"
            " now() - interval '1 hour' FROM generate_series(1, 600) AS n"
        )

    ended = reconcile("--once", "--json").end()

    with connected(demo.database_url) as connection:
        assert count(connection, "reason = 'error'", "reconciliation_holds") == 600
    assert ended.exit_code == 1, ended.err
    assert ended.report["ending"] == "completed"
    assert {name for name in wrong_orders(demo) if not name.startswith("GONEUSDT")} == set()


RECORD_BEGINNINGS = """
CREATE TABLE beginnings (began timestamptz);
CREATE FUNCTION record_beginning() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO beginnings VALUES (transaction_timestamp()); RETURN NULL; END $$;
CREATE TRIGGER on_order AFTER UPDATE ON orders EXECUTE FUNCTION record_beginning();
CREATE TRIGGER on_hold AFTER INSERT ON reconciliation_holds EXECUTE FUNCTION record_beginning();
"""


def test_a_halt_that_another_host_applies_stops_a_running_supervisor(
    demo: Demo, reconcile: Start
) -> None:
    demo.fill(orders=1500, symbols=60, seed=26)
    demo.exchange.set_faults(latency_ms=40)

    with (
        listening_for_changes(demo.database_url) as changes,
        connected(demo.database_url) as other,
    ):
        other.execute(RECORD_BEGINNINGS)
        run = reconcile(RECONCILIATION_BATCH_SIZE=20)
        changes.wait_for_change()
        with demo.database.transaction() as connection:
            shared_state.apply_halt(connection, UNSCOPED, "another host saw orders vanish")
        halted_at = other.execute("SELECT clock_timestamp()").fetchone()
        found = run.wait_for("halt.found")
        run.send(signal.SIGTERM)
        ended = run.end()

        assert ended.exit_code == 0, ended.err
        assert found["reason"] == "another host saw orders vanish"
        late = other.execute("SELECT count(*) FROM beginnings WHERE began > %s", halted_at)
        assert late.fetchone() == (0,)
        assert count(other, "began IS NOT NULL", "beginnings") > 0
        assert count(other, "last_synced_at IS NULL OR last_synced_at < now() - '1 h'::interval")


def test_idle_supervisor_sees_the_halt_and_its_release(
    demo: Demo, start: Start, reconcile: Start
) -> None:
    run = reconcile(RECONCILIATION_INTERVAL_MS=100)
    run.wait_for("supervisor.started")

    with demo.database.transaction() as connection:
        shared_state.apply_halt(connection, UNSCOPED, "another host saw orders vanish")
    run.wait_for("halt.found")
    start("halt", "release", "--by", "ada", **settings_of(demo)).end()
    released = run.wait_for("halt.released")

    assert released["why"] == "released by a person"
