"""Every command reads the configuration file, and refuses one that it cannot use."""

import json
import os
from collections.abc import Mapping
from errno import ENOENT
from pathlib import Path

import pytest

from reconciler.errors import ConfigurationError
from reconciler.settings import Settings

from .conftest import Invoke

UNUSABLE = """\
[orders]
where = "a; b"
"""

COMMANDS = [
    ["run"],
    ["run", "--once", "--dry-run"],
    ["demo", "--orders", "1"],
    ["status"],
    ["scale", "2"],
    ["db", "upgrade"],
    ["db", "current"],
    ["db", "sql"],
    ["explain", "1"],
    ["audit", "1"],
    ["holds", "list"],
    ["halt", "status"],
    ["account", "show"],
    ["tune"],
    ["check"],
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without files."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def file(folder: Path) -> Path:
    """The configuration file that is read without being named."""
    return folder / "reconciler.toml"


def problems_with(**overrides: object) -> list[tuple[str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(**overrides)
    return [(problem.what, problem.hint) for problem in caught.value.problems]


def test_a_flag_beats_environment_then_env_file_then_this_file(
    folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("[settings]\nshards = 4\n")
    assert Settings.load().shards == 4
    (folder / ".env").write_text("RECONCILIATION_SHARDS=5\n")
    assert Settings.load().shards == 5
    monkeypatch.setenv("RECONCILIATION_SHARDS", "6")
    assert Settings.load().shards == 6
    assert Settings.load(shards=7).shards == 7


def test_an_empty_value_counts_as_not_set(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[settings]\nshards = 4\nstatsd_host = ""\n')
    monkeypatch.setenv("RECONCILIATION_SHARDS", "")

    settings = Settings.load()

    assert (settings.shards, settings.statsd_host) == (4, None)


def test_every_setting_but_secrets_can_be_in_the_file(file: Path) -> None:
    keys = {
        str(field.alias).removeprefix("RECONCILIATION_").lower(): str(field.annotation)
        for field in Settings.model_fields.values()
    }
    secrets = {key for key, kind in keys.items() if "SecretStr" in kind}
    file.write_text("[settings]\n" + "".join(f"{key} = []\n" for key in keys))

    named = {what.split()[3].removeprefix("settings."): what for what, _ in problems_with()}

    assert set(named) == set(keys)
    assert secrets == {key for key, what in named.items() if "is a secret" in what}
    assert {"database_url", "exchange_api_secret"} < secrets


def test_the_environment_names_the_file(folder: Path) -> None:
    (folder / "other.toml").write_text("[settings]\ninterval_ms = 77\n")
    (folder / "reconciler.toml").write_text("[settings]\ninterval_ms = 78\n")
    (folder / ".env").write_text("RECONCILIATION_CONFIG=other.toml\n")

    settings = Settings.load()

    assert (settings.interval_ms, settings.config) == (77, "other.toml")


def test_a_secret_of_the_environment_beats_a_file_of_its_own_named_here(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('[settings]\nexchange_api_secret_file = "/nowhere"\n')
    monkeypatch.setenv("EXCHANGE_API_SECRET", "the-secret")

    secret = Settings.load().exchange_api_secret

    assert secret is not None
    assert secret.get_secret_value() == "the-secret"


def test_every_problem_has_its_line_and_hint_and_no_secret_is_shown(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILIATION_BATCH_SIZE", "0")
    file.write_text(
        "[settings]\n"
        "interval = 5\n"
        'EXCHANGE_API_SECRET = "open-sesame"\n'
        "shards = true\n"
        "RECONCILIATION_DRAIN_SECONDS = 5\n"
        'config = "other.toml"\n'
        "retry_max = 21\n"
        'database_url_file = "/url"\n'
        "[setting]\n"
    )

    found = problems_with()

    at = "reconciler.toml, line"
    assert [what for what, _ in found] == [
        f"{at} 2: there is no setting settings.interval",
        f"{at} 3: settings.EXCHANGE_API_SECRET is a secret, which this file may not have",
        f"{at} 4: settings.shards is true, but a setting is a number or a text",
        f"{at} 5: there is no setting settings.RECONCILIATION_DRAIN_SECONDS",
        f"{at} 6: settings.config is in the file that it would name",
        f"{at} 9: there is no section setting",
        f"{at} 8: DATABASE_URL_FILE names '/url', which cannot be read: {os.strerror(ENOENT)}",
        "RECONCILIATION_BATCH_SIZE is '0': input should be greater than 0",
        f"{at} 7: retry_max is '21': input should be less than or equal to 20",
    ]
    assert found[0][1] == "rename it to interval_ms, or remove it"
    assert found[3][1] == "rename it to drain_seconds, or remove it"
    assert found[5][1] == "rename it to settings, or remove it"
    assert "open-sesame" not in str(found)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"[settings]\n\nshards = four\n", "line 3: this is no valid TOML"),
        (b"[settings]\nshards = [1,\n", "line 2: this is no valid TOML"),
        (b"a = 1\na = 2\n", "line 2: this is no valid TOML"),
        (b"\xff", "cannot be read: it is not text in UTF-8"),
        (b"a = " + b"[" * 50_000, "is nested too deeply"),
        (b"#" * 1_048_577, "has more than 1,048,576 bytes"),
        (b"a = " + b"1" * 5000, "this is no valid TOML"),
        (None, "cannot be read: Is a directory"),
    ],
    ids=["a value", "the end", "twice", "binary", "deep", "large", "a large number", "a folder"],
)
def test_a_file_that_cannot_be_read_is_one_problem(
    file: Path, content: bytes | None, what: str
) -> None:
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)

    ((found, hint),) = problems_with()

    assert found.startswith("reconciler.toml")
    assert what in found
    assert hint


def test_a_named_file_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILIATION_CONFIG", "nowhere.toml")

    ((what, _),) = problems_with()

    assert what == "nowhere.toml cannot be read: No such file or directory"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_table_with_a_problem_is_refused_by_every_command(
    invoke: Invoke, file: Path, command: list[str]
) -> None:
    file.write_text(UNUSABLE)

    result = invoke(*command, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")

    assert result.exit_code == 78
    assert "reconciler.toml, line 2: orders.where has a semicolon" in result.output
    assert "CREATE" not in result.output


def test_all_problems_of_the_table_are_reported_at_once(file: Path) -> None:
    file.write_text(
        "[settings]\n"
        "shard = 1\n"
        "[orders]\n"
        "where = 'a; b'\n"
        "[orders.columns]\n"
        "created_at = { column = 'a', unit = 'naive' }\n"
    )

    found = problems_with()

    assert [what.split(": ")[0] for what, _ in found] == [
        f"reconciler.toml, line {line}" for line in (2, 4, 6)
    ]


def test_health_says_why_it_does_not_know(invoke: Invoke, file: Path) -> None:
    file.write_text(UNUSABLE)

    result = invoke("health")

    assert result.exit_code == 3
    assert "orders.where has a semicolon" in result.output


def test_check_names_the_file_and_reports_its_problems_as_json(
    invoke: Invoke, file: Path, ready_database_url: str, exchange_environment: Mapping[str, str]
) -> None:
    environment = {"DATABASE_URL": ready_database_url, **exchange_environment}

    file.write_text("[settings]\nstale_minutes = 7\n")
    good = json.loads(invoke("check", "--json", **environment).stdout)
    file.write_text("[settings]\nstale_minutes = -7\n[accounts]\n")
    bad = json.loads(invoke("check", "--json", **environment).stdout)

    assert good["checks"][0]["detail"] == "every value is valid; reconciler.toml is read"
    assert bad["exit_code"] == 78
    assert bad["checks"][0]["detail"] == "2 problems, see below; reconciler.toml is read"
    assert [sorted(problem) for problem in bad["checks"][0]["problems"]] == [["hint", "what"]] * 2
    assert bad["checks"][1]["verdict"] == "ok"
