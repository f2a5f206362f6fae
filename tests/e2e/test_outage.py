import signal
from pathlib import Path

from psycopg import sql

from reconciler.demo import Demo

from .commands import EndedCommand
from .conftest import Start, settings_of
from .rows import Connection, connected, listening_for_changes

END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    " AND application_name SIMILAR TO 'reconciler (supervisor|worker)%%'"
)


def test_database_outage_costs_no_process_and_no_order(
    demo: Demo, reconcile: Start, postgres_url: str
) -> None:
    name = demo.database_url.split("/")[3].split("?")[0]
    demo.fill(orders=1000, symbols=12, seed=8)
    demo.exchange.set_faults(latency_ms=60)

    with listening_for_changes(demo.database_url) as changes, connected(postgres_url) as server:
        run = reconcile(RECONCILIATION_INTERVAL_MS=100, RECONCILIATION_BATCH_SIZE=20)
        changes.wait_for_change()
        allow_connections(server, name, allowed=False)
        server.execute(END_SESSIONS, (name,))
        run.wait_for("worker.in_trouble")
        allow_connections(server, name, allowed=True)
        demo.exchange.clear_faults()
        while demo.mismatches():
            changes.wait_for_change()

    assert run.is_running
    run.send(signal.SIGTERM)
    assert run.end().exit_code == 0
    assert not run.logged("worker.died")
    assert run.logged("supervisor.ended")[0]["restarts"] == 0


def allow_connections(server: Connection, name: str, *, allowed: bool) -> None:
    """Allow or refuse connections to the database."""
    statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    server.execute(statement.format(sql.Identifier(name), sql.Literal(allowed)))


def test_read_only_database_costs_no_order_and_no_restart(
    demo: Demo, reconcile: Start, postgres_url: str
) -> None:
    name = demo.database_url.split("/")[3].split("?")[0]
    demo.fill(orders=600, symbols=12, seed=9)
    demo.exchange.set_faults(latency_ms=60)

    with listening_for_changes(demo.database_url) as changes, connected(postgres_url) as server:
        run = reconcile(RECONCILIATION_INTERVAL_MS=100, RECONCILIATION_BATCH_SIZE=20)
        changes.wait_for_change()
        make_read_only(server, name, on=True)
        server.execute(END_SESSIONS, (name,))
        run.wait_for("worker.in_trouble")
        make_read_only(server, name, on=False)
        demo.exchange.clear_faults()
        while demo.mismatches():
            changes.wait_for_change()

    assert run.is_running
    assert not run.logged("worker.died")


def test_health_reports_a_database_that_takes_no_writes(
    demo: Demo, start: Start, reconcile: Start, postgres_url: str, tmp_path: Path
) -> None:
    name = demo.database_url.split("/")[3].split("?")[0]
    demo.fill(orders=60, symbols=6, seed=9)
    socket = {"RECONCILIATION_CONTROL_SOCKET": tmp_path / "control.sock"}

    def health() -> EndedCommand:
        return start("health", "--json", **settings_of(demo), **socket).end()

    with listening_for_changes(demo.database_url) as changes, connected(postgres_url) as server:
        run = reconcile(RECONCILIATION_INTERVAL_MS=100, **socket)
        while demo.mismatches():
            changes.wait_for_change()
        make_read_only(server, name, on=True)
        server.execute(END_SESSIONS, (name,))
        run.wait_for("supervisor.waits_for_store")
        during = health()
        make_read_only(server, name, on=False)
        while is_in_trouble(health()):
            pass

    assert (during.exit_code in {1, 2}, during.report["source"]) == (True, "supervisor")
    assert is_in_trouble(during)


def is_in_trouble(health: EndedCommand) -> bool:
    """Return True if the verdict says that the database is."""
    grades: dict[str, str] = {row["slug"]: row["grade"] for row in health.report["rows"]}
    return grades["database"] != "healthy"


def make_read_only(server: Connection, name: str, *, on: bool) -> None:
    """Make new sessions read-only, or let them write again."""
    statement = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
    server.execute(statement.format(sql.Identifier(name), sql.SQL("on" if on else "off")))


def test_a_right_that_goes_missing_ends_nothing_and_is_told_by_health(
    demo: Demo, start: Start, postgres_url: str, tmp_path: Path
) -> None:
    with connected(demo.database_url) as owner, connected(postgres_url) as server:
        server.execute("DROP ROLE IF EXISTS outage_clerk; CREATE ROLE outage_clerk LOGIN")
        owner.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO outage_clerk")
        demo.fill(orders=300, symbols=6, seed=10)
        owner.execute("REVOKE UPDATE ON orders FROM outage_clerk")
        settings = settings_of(demo) | {
            "DATABASE_URL": demo.database_url.replace("//postgres:@", "//outage_clerk:@"),
            "RECONCILIATION_CONTROL_SOCKET": tmp_path / "control.sock",
        }
        refused = start("run", "--once", **settings).end()
        owner.execute("GRANT UPDATE ON orders TO outage_clerk")
        owner.execute(REVOKE_AT_THE_FIRST_CHANGE)
        run = start("run", **settings)
        fault = run.wait_for("worker.in_trouble")
        health = start("health", "--json", **settings).end()
        owner.execute("DROP TRIGGER revoke_update ON activity_log")
        with listening_for_changes(demo.database_url) as changes:
            owner.execute("GRANT UPDATE ON orders TO outage_clerk")
            while demo.mismatches():
                changes.wait_for_change()
        run.send(signal.SIGTERM)
        ended = run.end()
        owner.execute("DROP OWNED BY outage_clerk")
        server.execute("DROP ROLE outage_clerk")

    assert (refused.exit_code, ended.exit_code) == (78, 0), refused.err
    assert "GRANT UPDATE" in refused.err
    assert fault["kind"] == "rights"
    assert health.exit_code == 2
    assert "database" in [row["name"] for row in health.report["reasons"]]
    assert not run.logged("worker.died")


REVOKE_AT_THE_FIRST_CHANGE = """
    CREATE FUNCTION revoke_update() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN REVOKE UPDATE ON orders FROM outage_clerk; RETURN NULL; END $$;
    CREATE TRIGGER revoke_update AFTER INSERT ON activity_log EXECUTE FUNCTION revoke_update();
"""
