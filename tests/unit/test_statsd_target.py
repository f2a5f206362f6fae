"""Wrong settings of the metrics are named with a hint, and names have no unsafe letters."""

import re

import pytest

from reconciler.statsd_target import StatsdSettings

LONG = "x" * 300


@pytest.mark.parametrize(
    ("prefix", "scope", "path"),
    [
        ("reconciler", "", "reconciler"),
        ("oms.live", "eu.vip_1", "oms.live.eu_vip_1"),
        ("trading desk/eu", "", "trading_desk_eu"),
        (".a..b.", "", "a.b"),
        ("börse.Zürich", "", "borse.Zurich"),
        ("a:1|c@0.1", "", "a_1_c_0.1"),
        ("oms\nx:1|c", "", "oms_x_1_c"),
        ("取引.oms", "", "oms"),
    ],
)
def test_each_segment_of_the_prefix_is_cleaned_by_itself(
    prefix: str, scope: str, path: str
) -> None:
    settings = StatsdSettings(host="statsd", prefix=prefix, scope=scope)

    assert settings.target.prefix == path
    assert re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", path)
    assert [problem.what for problem in settings.problems] == (
        [f"STATSD_PREFIX is {prefix!r}; names of metrics begin with {path!r} instead"]
        if prefix != path.removesuffix(".eu_vip_1")
        else []
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("host", host) for host in ("", "http://statsd", "statsd:8125", "a b", "x/y", LONG)),
        *(("port", port) for port in (0, 70_000, -1, "x", "81 25")),
        *(("prefix", prefix) for prefix in ("", "...", "取引", LONG)),
    ],
)
def test_a_setting_that_cannot_be_used_turns_the_metrics_off(
    setting: str, value: str | int
) -> None:
    given: dict[str, object] = {"host": "statsd"} | {setting: value}

    settings = StatsdSettings(**given)  # type: ignore[arg-type] # a table of cases

    assert settings.target.host is None
    (problem,) = settings.problems
    assert problem.what.startswith(f"STATSD_{setting.upper()}")
    assert f"set STATSD_{setting.upper()}" in problem.hint
    assert len(problem.what) < 200


@pytest.mark.parametrize(
    "host", ["statsd", "10.0.0.1", "::1", "[fe80::1%eth0]", " a_b.svc.cluster.local. "]
)
def test_names_and_addresses_are_hosts(host: str) -> None:
    settings = StatsdSettings(host=host)

    assert settings.problems == []
    assert settings.target.host == host.strip(" []")


def test_wrong_settings_do_not_matter_without_a_host() -> None:
    assert StatsdSettings(port="x", prefix="").problems == []
    assert [str(problem.what) for problem in StatsdSettings(is_required=True).problems] == [
        "STATSD_REQUIRED is set, and STATSD_HOST is not"
    ]
