from collections.abc import Sequence
from types import ModuleType

import pytest

from reconciler.paper.request_log import ANSWERED, DISCONNECTED, LoggedRequest

from ..scripts import load_script, run_script  # noqa: TID252 - tests are no package

OPENED = (0.0, 0.02, 0.06, 0.1, 0.12)
"""The arrivals of the failures that open a breaker."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("fault-timeline")


def a_request(
    at: float, *, status: str = ANSWERED, retry_after: int | None = None
) -> LoggedRequest:
    return LoggedRequest(
        number=1,
        at_ms=round(at * 1000),
        address="127.0.0.1",
        route="order",
        symbol="BTCUSDT",
        weight=4,
        status=status,
        retry_after_seconds=retry_after,
    )


@pytest.mark.long
def test_a_short_hour_of_faults_ends_without_complaint() -> None:
    ended = run_script("fault-timeline", "--short")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 complaints" in ended.stdout


@pytest.mark.parametrize(
    ("later", "complaint"),
    [
        pytest.param((2.13, 4.14), None, id="one probe a period"),
        pytest.param((2.13, 2.14, 4.15, 4.16), None, id="two probes at once"),
        pytest.param((0.13, 0.14, 2.13, 4.14), None, id="others in flight as it opened"),
        pytest.param((0.13, 0.14, 0.15, 0.16, 2.2, 4.3), "5 requests at once", id="too many"),
        pytest.param((1.12, 2.13, 4.14), "1.000 s after", id="while open"),
        pytest.param((2.13, 3.13, 4.14), "1.000 s after", id="while open again"),
        pytest.param((2.13, 2.14, 2.15, 4.16), "3 requests at once", id="a third probe"),
        pytest.param((), "opened only 1 times", id="an outage that was over too soon"),
    ],
)
def test_requests_of_a_worker_with_an_open_breaker_are_named(
    script: ModuleType, later: Sequence[float], complaint: str | None
) -> None:
    failed = [a_request(at, status=DISCONNECTED) for at in (*OPENED, *later)]
    answered = [a_request(at) for at in (-1.0, 6.2)]

    found = list(script.sent_while_open([*answered, *failed]))

    assert len(found) == (complaint is not None)
    assert complaint is None or complaint in found[0]


@pytest.mark.parametrize(
    ("retry_after", "others", "complaint"),
    [
        pytest.param(30, (-1.0, 30.0), None, id="kept"),
        pytest.param(30, (0.2,), None, id="in flight"),
        pytest.param(30, (29.9,), "came in a rate-limit pause", id="broken at its end"),
        pytest.param(1, (2.0,), "no pause of 30 s", id="never asked for"),
        pytest.param(None, (2.0,), "no pause of 30 s", id="never limited"),
    ],
)
def test_a_request_in_a_rate_limit_pause_is_named(
    script: ModuleType, retry_after: int | None, others: Sequence[float], complaint: str | None
) -> None:
    recording = script.Recording(scenario=script.hour_of_faults(script.AT_60X), started=0.0)
    recording.requests = [a_request(0.0, retry_after=retry_after), *map(a_request, others)]

    found = list(script.requests_in_pauses(recording, 30))

    assert len(found) == (complaint is not None)
    assert complaint is None or complaint in found[0]
