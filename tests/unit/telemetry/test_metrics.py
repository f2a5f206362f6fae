import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog

from reconciler.domain.status import Status
from reconciler.settings import StatsdTarget
from reconciler.telemetry import metrics as metrics_module
from reconciler.telemetry import statsd_resolver
from reconciler.telemetry.metrics import (
    Counter,
    Gauge,
    Metrics,
    NoMetrics,
    StatsdMetrics,
    Timer,
    exchange_error,
    open_metrics,
    shard_breaker_state,
    transition,
)
from reconciler.telemetry.statsd_resolver import StatsdResolver


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        yield server


@pytest.fixture
def metrics(server: socket.socket) -> Iterator[Metrics]:
    metrics = open_metrics(StatsdTarget(host="127.0.0.1", port=server.getsockname()[1]))
    yield metrics
    metrics.close()


def received(server: socket.socket) -> list[str]:
    return server.recv(65_536).decode().splitlines()


def is_silent(server: socket.socket) -> bool:
    """On loopback a packet has arrived when `sendto` returns."""
    server.settimeout(0)
    try:
        server.recv(65_536)
    except BlockingIOError:
        return True
    finally:
        server.settimeout(5)
    return False


@pytest.mark.parametrize("text", ["order 4711", "unavailable.17", "", "Unavailable", "a:b|c"])
def test_a_class_that_is_not_ours_counts_as_other_and_is_logged_once(text: str) -> None:
    metrics_module._log_once.cache_clear()

    with structlog.testing.capture_logs() as logged:
        names = {exchange_error(text) for _ in range(3)}

    assert names == {"exchange.errors.other"}
    assert [line["event"] for line in logged] == ["metrics.unknown_class"]


def test_metrics_send_nothing_before_flush(metrics: Metrics, server: socket.socket) -> None:
    metrics.incr(Counter.ORDERS_RECONCILED)
    metrics.timing(Timer.CYCLE_DURATION, 12.5)
    metrics.gauge(Gauge.STALE_BACKLOG, 7)

    assert is_silent(server)


def test_flush_sends_all_kinds_in_one_packet(metrics: Metrics, server: socket.socket) -> None:
    metrics.incr(Counter.ORDERS_RECONCILED, 3)
    metrics.timing(Timer.CYCLE_DURATION, 12.5)
    metrics.gauge(Gauge.STALE_BACKLOG, 7)

    metrics.flush()

    assert received(server) == [
        "reconciler.orders.reconciled:3|c",
        "reconciler.cycle.duration:12.500000|ms",
        "reconciler.stale.backlog:7|g",
    ]


def test_adds_counters_up_and_keeps_the_last_value_of_a_gauge(
    metrics: Metrics, server: socket.socket
) -> None:
    for number in range(100):
        metrics.incr(transition(Status.NEW, Status.FILLED), 2)
        metrics.gauge(shard_breaker_state(0), number)

    metrics.flush()

    assert received(server) == [
        "reconciler.transitions.new.filled:200|c",
        "reconciler.shard.0.breaker.state:99|g",
    ]


def test_a_second_flush_repeats_nothing(metrics: Metrics, server: socket.socket) -> None:
    metrics.incr(Counter.ORDERS_ERRORS)
    metrics.flush()
    received(server)

    metrics.flush()

    assert is_silent(server)


def test_no_packet_is_larger_than_every_network_carries(
    metrics: Metrics, server: socket.socket
) -> None:
    for _ in range(200):
        metrics.timing(Timer.EXCHANGE_LATENCY, 1234.5)

    metrics.flush()

    lines = 0
    while lines < 200:
        packet = server.recv(65_536)
        assert len(packet) <= 512
        lines += len(packet.splitlines())
    assert lines == 200


def test_close_sends_the_remaining_metrics(server: socket.socket) -> None:
    metrics = open_metrics(StatsdTarget(host="127.0.0.1", port=server.getsockname()[1]))
    metrics.incr(Counter.BREAKER_OPENED)

    metrics.close()

    assert received(server) == ["reconciler.breaker.opened:1|c"]


def test_host_with_an_ipv6_address_only_is_reached() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        try:
            server.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
        metrics = open_metrics(StatsdTarget(host="::1", port=server.getsockname()[1]))
        metrics.incr(Counter.ORDERS_HELD)

        metrics.close()

        server.settimeout(5)
        assert received(server) == ["reconciler.orders.held:1|c"]


def test_metrics_without_a_listener_raise_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    metrics = open_metrics(StatsdTarget(host="127.0.0.1", port=port))

    for _ in range(3):
        metrics.incr(Counter.ORDERS_HELD)
        metrics.flush()

    metrics.close()


def test_metrics_without_a_host_are_not_sent() -> None:
    metrics = open_metrics(StatsdTarget())

    assert isinstance(metrics, NoMetrics)
    metrics.incr(Counter.ORDERS_HELD)
    metrics.timing(Timer.STORE_APPLY, 1)
    metrics.gauge(Gauge.SHARDS_RUNNING, 1)
    metrics.flush()
    metrics.close()


@pytest.mark.parametrize("host", ["not.a.host.invalid", "x" * 300, "no spaces"])
def test_unresolvable_host_is_one_warning_and_stops_nothing(host: str) -> None:
    with structlog.testing.capture_logs() as logged:
        metrics = open_metrics(StatsdTarget(host=host))
        metrics.incr(Counter.ORDERS_HELD)
        metrics.close()

    assert [(line["event"], line["log_level"]) for line in logged] == [("metrics.off", "warning")]
    assert "STATSD_HOST" in logged[0]["hint"]


class NameServer:
    """Knows a name only from the `late`th question on, and answers when it is let."""

    def __init__(self, late: int, resolver: tuple[str, int]) -> None:
        self._late = late
        self._address = resolver
        self.is_let = threading.Event()
        self.is_found = threading.Event()
        self.threads: set[int] = set()

    def __call__(self, _host: str, _port: int) -> list[tuple[Any, ...]]:
        self.is_let.wait(10)
        self.threads.add(threading.get_ident())
        self._late -= 1
        if self._late >= 0:
            raise socket.gaierror("Name or service not known")
        threading.Timer(0.05, self.is_found.set).start()
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", self._address)]


def test_name_that_resolves_late_gets_all_earlier_counts(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statsd_resolver, "FIRST_RETRY_SECONDS", 0.01)
    names = NameServer(late=3, resolver=server.getsockname())
    with structlog.testing.capture_logs() as logged:
        resolver = StatsdResolver("statsd.example", 8125, look_up=names)
        metrics = StatsdMetrics(resolver, prefix="reconciler")

        metrics.incr(Counter.ORDERS_RECONCILED, 3)
        metrics.flush()
        assert is_silent(server)
        names.is_let.set()
        assert names.is_found.wait(300)
        metrics.incr(Counter.ORDERS_RECONCILED, 4)
        metrics.gauge(Gauge.SHARDS_RUNNING, 2)
        metrics.flush()

    assert received(server) == ["reconciler.orders.reconciled:7|c", "reconciler.shards.running:2|g"]
    assert [line["event"] for line in logged] == ["metrics.off", "metrics.on"]
    assert threading.get_ident() not in names.threads
    metrics.close()


def test_changed_address_of_the_host_is_found_again(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statsd_resolver, "MAX_RETRY_SECONDS", 0.01)
    moved = threading.Event()

    def names(_host: str, _port: int) -> list[tuple[Any, ...]]:
        found = server.getsockname() if moved.is_set() else ("127.0.0.1", 9)
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", found)]

    metrics = StatsdMetrics(StatsdResolver("statsd", 8125, look_up=names), prefix="reconciler")
    moved.set()
    server.settimeout(0.05)
    lines: list[str] = []
    for _ in range(200):
        metrics.gauge(Gauge.SHARDS_RUNNING, 1)
        metrics.flush()
        with suppress(TimeoutError):
            lines = received(server)
            break

    assert lines == ["reconciler.shards.running:1|g"]
    metrics.close()


def test_slow_name_server_delays_neither_start_nor_end() -> None:
    names = NameServer(late=0, resolver=("127.0.0.1", 9))
    began = time.monotonic()

    metrics = StatsdMetrics(StatsdResolver("statsd", 8125, look_up=names), prefix="reconciler")
    metrics.incr(Counter.ORDERS_HELD)
    metrics.flush()
    metrics.close()

    assert time.monotonic() - began < 9
    names.is_let.set()
