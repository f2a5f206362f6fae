import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from scripts.benchmark import suite

VERY_SHORT = ("--quick", "--orders", "300", "--rounds", "1", "--shards", "2")
PATIENCE_SECONDS = 600
"""It starts some twenty processes one after another: on a loaded machine that takes minutes."""


def bench(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "scripts.benchmark", *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def numbers(comparison: Mapping[str, Any]) -> list[float]:
    return [value for figure in comparison["figures"] for value in figure["values"]]


@pytest.mark.long
@pytest.mark.timeout(PATIENCE_SECONDS + 10)
@pytest.mark.parametrize("key", suite.COMPARISONS)
def test_every_comparison_gives_a_whole_report(key: str) -> None:
    ended = bench("--only", key, "--json", *VERY_SHORT)

    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    (comparison,) = report["comparisons"]
    assert comparison["key"] == key
    assert min(numbers(comparison)) >= 0
    assert len(comparison["figures"]) > 1
    assert comparison["targets"]
    assert all(target["reached"] >= 0 for target in comparison["targets"])
    assert report["versions"]["postgresql"]
    assert report["machine"]["cores"] >= 1
    assert f"{key}: " in ended.stderr


def test_without_json_there_are_tables() -> None:
    ended = bench("--only", "exchange-cost", *VERY_SHORT)

    assert ended.returncode == 0, ended.stderr
    assert "Machine, versions and the server's settings" in ended.stdout
    assert "at most 1.1" in ended.stdout


def test_an_unknown_comparison_is_refused_with_those_that_there_are() -> None:
    ended = bench("--only", "store,speed")

    assert ended.returncode == 2
    assert "'speed' is none of store" in ended.stderr


def test_a_database_in_use_is_refused(database_url: str) -> None:
    ended = bench("--only", "store", *VERY_SHORT, DATABASE_URL=database_url)

    assert ended.returncode == 78
    assert "no measurement of ours made" in ended.stderr
    assert "createdb reconciler_bench" in ended.stderr
    assert ended.stdout == ""
