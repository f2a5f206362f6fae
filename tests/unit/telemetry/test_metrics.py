import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog

from reconciler.domain.status import Status
from reconciler.statsd_target import StatsdTarget
from reconciler.telemetry import metrics as metrics_module
from reconciler.telemetry import statsd_resolver
from reconciler.telemetry.metrics import (
    Counter,
    Gauge,
    Metrics,
    NoMetrics,
    Timer,
    exchange_error,
    open_metrics,
    shard_breaker_state,
    shard_queued,
    transition,
)
from reconciler.telemetry.statsd_client import MOST_TIMINGS, StatsdMetrics
from reconciler.telemetry.statsd_resolver import ResolvedAddress, StatsdResolver


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
        "reconciler.cycle.duration:12.500|ms",
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
    for shard in range(60):
        metrics.gauge(shard_queued(shard), 1234.5)

    metrics.flush()

    packets: list[bytes] = []
    while sum(len(packet.splitlines()) for packet in packets) < 60:
        packets.append(server.recv(65_536))
    assert all(len(packet) <= 512 for packet in packets)
    assert len(packets) <= 60 * len("reconciler.shard.59.queued:1234.5|g\n") / 512 + 2


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


def test_a_refusal_is_one_warning_and_metrics_go_on_as_soon_as_something_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as later:
        later.bind(("127.0.0.1", 0))
        address = later.getsockname()
    metrics = open_metrics(StatsdTarget(host="127.0.0.1", port=address[1]))

    with structlog.testing.capture_logs() as logged:
        for _ in range(4):
            metrics.incr(Counter.ORDERS_HELD)
            metrics.flush()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(address)
            server.settimeout(5)
            for held in (5, 6, 7):
                metrics.incr(Counter.ORDERS_HELD, held)
                metrics.flush()
            metrics.close()
            lines = [received(server) for _ in range(3)]

    assert lines == [[f"reconciler.orders.held:{held}|c"] for held in (5, 6, 7)]
    assert [line["event"] for line in logged] == ["metrics.refused", "metrics.on"]
    assert "STATSD_HOST" in logged[0]["hint"]


def test_without_a_way_to_the_address_nothing_is_lost(server: socket.socket) -> None:
    no_way = StatsdTarget(host="255.255.255.255")
    resolver = StatsdResolver("255.255.255.255", 8125)
    metrics = StatsdMetrics(no_way, resolver=resolver)

    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            metrics.incr(Counter.ORDERS_HELD)
            metrics.flush()
        host, port = server.getsockname()
        resolver.current = ResolvedAddress(host=host, port=port, is_ipv6=False)
        metrics.close()

    assert received(server) == ["reconciler.orders.held:3|c"]
    assert [line["event"] for line in logged] == ["metrics.refused", "metrics.on"]


def test_a_black_hole_delays_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as full:
        full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        full.bind(("127.0.0.1", 0))
        metrics = open_metrics(StatsdTarget(host="127.0.0.1", port=full.getsockname()[1]))
        began = time.monotonic()

        with structlog.testing.capture_logs() as logged:
            for _ in range(10_000):
                metrics.incr(Counter.ORDERS_HELD)
                metrics.flush()
            metrics.close()

    assert time.monotonic() - began < 60
    assert logged == []


def test_of_many_durations_a_sample_is_sent_with_its_rate(
    metrics: Metrics, server: socket.socket
) -> None:
    for ms in range(1000):
        metrics.timing(Timer.ORDERS_TIME_TO_CORRECT, ms)

    metrics.flush()

    lines: list[str] = []
    while len(lines) < MOST_TIMINGS:
        lines += received(server)
    found = [
        re.fullmatch(r"reconciler.orders.time_to_correct:(\d+)\.0+\|ms\|@(.+)", x) for x in lines
    ]
    values = [int(match[1]) for match in found if match]
    assert len(values) == MOST_TIMINGS
    assert (min(values), max(values)) == (0, 999)
    assert sum(1 / float(match[2]) for match in found if match) == pytest.approx(1000)
    assert statistics.mean(values) == pytest.approx(499.5, abs=1)


def test_a_duration_recorded_by_another_thread_is_never_lost(
    metrics: Metrics, server: socket.socket
) -> None:
    def record() -> None:
        for _ in range(2000):
            metrics.incr(Counter.ORDERS_HELD)
            metrics.timing(Timer.STORE_APPLY, 1)

    threads = [threading.Thread(target=record) for _ in range(3)]
    for thread in threads:
        thread.start()
    total = 0
    while any(thread.is_alive() for thread in threads):
        metrics.flush()
        total += held_in(server)
    metrics.flush()

    assert total + held_in(server) == 6000


def held_in(server: socket.socket) -> int:
    """Return the total of the counter in all packets that have arrived."""
    server.settimeout(0)
    total = 0
    with suppress(BlockingIOError):
        while True:
            lines = received(server)
            total += sum(int(line.split(":")[1][:-2]) for line in lines if line.endswith("|c"))
    server.settimeout(5)
    return total


def test_no_gauge_is_sent_with_a_sign(metrics: Metrics, server: socket.socket) -> None:
    metrics.gauge(Gauge.STALE_OLDEST_AGE_SECONDS, -3)
    metrics.gauge(Gauge.BUDGET_USED, float("nan"))

    metrics.flush()

    assert received(server) == ["reconciler.stale.oldest_age_seconds:0|g"]


def test_other_settings_take_the_metrics_elsewhere(server: socket.socket) -> None:
    metrics = StatsdMetrics(StatsdTarget())
    metrics.incr(Counter.ORDERS_HELD)
    metrics.flush()

    metrics.retarget(StatsdTarget(host="127.0.0.1", port=server.getsockname()[1], prefix="oms.eu"))
    metrics.incr(Counter.ORDERS_HELD, 2)
    metrics.retarget(StatsdTarget())
    metrics.incr(Counter.ORDERS_HELD, 4)
    metrics.close()

    assert received(server) == ["oms.eu.orders.held:2|c"]
    assert is_silent(server)


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
        self.threads: set[int] = set()

    def __call__(self, _host: str, _port: int) -> list[tuple[Any, ...]]:
        self.is_let.wait(10)
        self.threads.add(threading.get_ident())
        self._late -= 1
        if self._late >= 0:
            raise socket.gaierror("Name or service not known")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", self._address)]


def test_name_that_resolves_late_gets_all_earlier_counts(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statsd_resolver, "FIRST_RETRY_SECONDS", 0.01)
    names = NameServer(late=3, resolver=server.getsockname())
    with structlog.testing.capture_logs() as logged:
        resolver = StatsdResolver("statsd.example", 8125, look_up_name=names)
        metrics = StatsdMetrics(StatsdTarget(host="statsd.example"), resolver=resolver)

        metrics.incr(Counter.ORDERS_RECONCILED, 3)
        metrics.flush()
        assert is_silent(server)
        names.is_let.set()
        metrics.incr(Counter.ORDERS_RECONCILED, 4)
        metrics.gauge(Gauge.SHARDS_RUNNING, 2)
        lines = received_once_known(metrics, server)

    assert lines == ["reconciler.orders.reconciled:7|c", "reconciler.shards.running:2|g"]
    assert [line["event"] for line in logged] == ["metrics.off", "metrics.on"]
    assert threading.get_ident() not in names.threads
    metrics.close()


def received_once_known(metrics: Metrics, server: socket.socket) -> list[str]:
    """Flush until the address is known and a packet arrives; return its lines."""
    server.settimeout(0.05)
    for _ in range(6000):
        metrics.flush()
        with suppress(TimeoutError):
            return received(server)
    raise AssertionError("nothing arrived")


def test_changed_address_of_the_host_is_found_again(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statsd_resolver, "MAX_RETRY_SECONDS", 0.01)
    moved = threading.Event()

    def names(_host: str, _port: int) -> list[tuple[Any, ...]]:
        found = server.getsockname() if moved.is_set() else ("127.0.0.1", 9)
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", found)]

    resolver = StatsdResolver("statsd", 8125, look_up_name=names)
    metrics = StatsdMetrics(StatsdTarget(host="statsd"), resolver=resolver)
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

    resolver = StatsdResolver("statsd", 8125, look_up_name=names)
    metrics = StatsdMetrics(StatsdTarget(host="statsd"), resolver=resolver)
    metrics.incr(Counter.ORDERS_HELD)
    metrics.flush()
    metrics.close()

    assert time.monotonic() - began < 9
    names.is_let.set()
