"""A program's scope is in its metrics and in its log lines, and stays while it runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import structlog

from reconciler.cli import logs
from reconciler.cli.runner import make_reload
from reconciler.config_file.orders import OrdersConfig
from reconciler.errors import ConfigurationError
from reconciler.orders.workload import OrderWorkload
from reconciler.settings import Settings


def settings_of(scope: str | None, **values: Any) -> Settings:
    return Settings(**values)._with_orders(OrdersConfig(scope=scope))


@pytest.mark.parametrize(
    ("scope", "prefix"),
    [(None, "oms"), ("binance-7", "oms.binance-7"), ("eu.vip_1", "oms.eu_vip_1")],
)
def test_metrics_of_a_scope_have_a_segment_of_their_own(scope: str | None, prefix: str) -> None:
    assert settings_of(scope, statsd_host="statsd", statsd_prefix="oms").statsd.prefix == prefix


@pytest.mark.parametrize(("scope", "named"), [(None, {}), ("vip", {"scope": "vip"})])
def test_every_log_line_of_a_program_names_its_scope(
    scope: str | None, named: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(scope, log_format="json")
    set_ups = [lambda: logs.set_up_logs(settings), logs.worker_logs_setup(settings, 3)]

    for set_up in set_ups:
        set_up()
        structlog.get_logger("of a test").warning("it.happened")

    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [{"scope": line["scope"]} if "scope" in line else {} for line in lines] == [named] * 2


def test_hup_refuses_another_scope(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    running = settings_of("vip")
    reload = make_reload(lambda settings: OrderWorkload(settings=settings), running, {})

    with pytest.raises(ConfigurationError, match=r"the scope in reconciler\.toml has changed"):
        reload()
