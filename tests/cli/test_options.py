"""The source of an option: a flag, else the environment, else `.env`, else the default."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from reconciler.cli.paper import PaperOption
from reconciler.cli.ui.options import (
    environment_option,
    json_option,
    setting_option,
    shards_option,
)
from reconciler.settings import Settings


@click.command()
@shards_option
@setting_option("--stale-minutes", "stale_minutes", "Minutes.", metavar="MIN")
@environment_option(
    "--orders", variable="RECONCILER_DEMO_ORDERS", help_text="Orders.", default=2000, type=int
)
@json_option
def show(*, orders: int, as_json: bool, **flags: Any) -> None:
    """Print the options that a command gets."""
    settings = Settings.load(**flags)
    output = {
        "orders": orders,
        "json": as_json,
        "shards": settings.shards,
        "stale_minutes": settings.stale_minutes,
    }
    click.echo(json.dumps(output))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without a `.env`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(*arguments: str, **environment: str) -> dict[str, Any]:
    result = CliRunner().invoke(show, arguments, env=environment)
    assert result.exit_code == 0, result.output
    output: dict[str, Any] = json.loads(result.stdout)
    return output


@pytest.mark.parametrize(
    ("name", "flag", "variable", "values"),
    [
        ("shards", "--shards", "RECONCILIATION_SHARDS", (7, 6, 5)),
        ("stale_minutes", "--stale-minutes", "RECONCILIATION_STALE_MINUTES", (0.5, 6.5, 7.5)),
        ("orders", "--orders", "RECONCILER_DEMO_ORDERS", (7, 6, 5)),
    ],
    ids=["read by the settings", "a fraction", "read by click"],
)
def test_a_flag_beats_environment_then_file_then_default(
    folder: Path, name: str, flag: str, variable: str, values: tuple[float, float, float]
) -> None:
    by_flag, by_environment, by_file = values
    default = shown()[name]
    (folder / ".env").write_text(f"{variable}={by_file}\n", encoding="utf-8")

    assert default not in values
    assert shown()[name] == by_file
    assert shown(**{variable: str(by_environment)})[name] == by_environment
    assert shown(flag, str(by_flag), **{variable: str(by_environment)})[name] == by_flag


def test_json_can_be_set_in_the_environment_and_in_the_file(folder: Path) -> None:
    assert shown()["json"] is False
    assert shown(RECONCILER_JSON="1")["json"] is True

    (folder / ".env").write_text("RECONCILER_JSON=true\n", encoding="utf-8")
    assert shown()["json"] is True
    assert shown(RECONCILER_JSON="0")["json"] is False


def test_an_empty_variable_counts_as_not_set(folder: Path) -> None:
    (folder / ".env").write_text("RECONCILER_DEMO_ORDERS=\n", encoding="utf-8")

    assert shown(RECONCILER_DEMO_ORDERS="", RECONCILIATION_STALE_MINUTES="") == shown()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shards", "0"], "0 is not in the range 1<=x<=64"),
        (["--shards", "65"], "65 is not in the range 1<=x<=64"),
        (["--shards", "x"], "'x' is not a valid integer"),
        (["--stale-minutes", "0"], "0.0 is not in the range 0<x<=525600"),
        (["--stale-minutes", "soon"], "'soon' is not a valid float"),
    ],
    ids=" ".join,
)
def test_a_flag_out_of_bounds_is_a_usage_error_that_names_it(
    arguments: list[str], message: str
) -> None:
    result = CliRunner().invoke(show, arguments)

    assert result.exit_code == 2
    assert f"Invalid value for '{arguments[0]}'" in result.stderr
    assert message in result.stderr


def test_the_bounds_of_a_flag_are_those_of_its_setting() -> None:
    for option in show.params:
        if isinstance(option.type, click.IntRange | click.FloatRange):
            edges = [edge for edge in (option.type.min, option.type.max) if edge is not None]
            assert edges
            is_open = [option.type.min_open, option.type.max_open]
            for edge, is_beyond in zip(edges, is_open, strict=True):
                if not is_beyond:
                    assert Settings.load(**{str(option.name): edge})


def test_help_shows_variable_default_and_bounds_of_a_setting() -> None:
    output = " ".join(CliRunner().invoke(show, ["--help"]).stdout.split())

    assert "[env var: RECONCILIATION_STALE_MINUTES; default: 5; 0<x<=525600]" in output
    assert "[env var: RECONCILER_DEMO_ORDERS; default: 2000]" in output


def test_a_paper_exchange_that_is_a_child_reads_no_env_file(
    folder: Path,
) -> None:
    @click.command()
    @click.option("--error-rate", cls=PaperOption, envvar="PAPER_ERROR_RATE", default="0")
    @click.option("--die-with-parent", cls=PaperOption, envvar="PAPER_D", is_flag=True)
    def paper(*, error_rate: str, die_with_parent: bool) -> None:
        click.echo(f"{error_rate} {die_with_parent}")

    (folder / ".env").write_text("PAPER_ERROR_RATE=0.5\n", encoding="utf-8")

    assert CliRunner().invoke(paper, []).stdout == "0.5 False\n"
    assert CliRunner().invoke(paper, ["--die-with-parent"]).stdout == "0 True\n"
