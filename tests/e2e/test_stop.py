import signal
import time

import pytest

from reconciler.demo import Demo

from ..supervisor.processes import EndWatch, family  # noqa: TID252 - tests are no package
from .conftest import Start
from .rows import changes_not_logged, connected, listening_for_changes, sessions_end

DRAIN_SECONDS = 120


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT], ids=["TERM to the parent", "INT from a terminal"]
)
def test_a_stop_leaves_no_process_no_session_and_nothing_half_done(
    demo: Demo, reconcile: Start, postgres_url: str, number: signal.Signals
) -> None:
    demo.fill(orders=1000, symbols=12, seed=7)
    demo.exchange.set_faults(latency_ms=100)

    with listening_for_changes(demo.database_url) as changes:
        run = reconcile(
            RECONCILIATION_BATCH_SIZE=20,
            RECONCILIATION_DRAIN_SECONDS=DRAIN_SECONDS,
            RECONCILIATION_RATE_SHARE=0.05,  # a page is several cycles: there is more to come
        )
        changes.wait_for_change()
        processes = EndWatch({run.pid, *family(run.pid)})
        sent = time.monotonic()
        (run.send if number is signal.SIGTERM else run.send_as_terminal)(number)
        ended = run.end()

    assert ended.exit_code == 0, ended.err
    assert time.monotonic() - sent < DRAIN_SECONDS
    assert not run.logged("worker.killed")
    assert not processes.left_after(1.0)
    assert demo.mismatches(), "it was stopped too late to prove anything"
    with connected(demo.database_url) as connection:
        assert not changes_not_logged(connection)
    demo.database.close()
    sessions_end(postgres_url, database_name(demo))


def database_name(demo: Demo) -> str:
    """Return the name of the demo's database."""
    return demo.database_url.split("/")[3].split("?")[0]
