"""Everything that exists is documented, and everything that is documented exists."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args, get_origin

import click
import psycopg
import pytest
from psycopg.rows import scalar_row
from pydantic.fields import FieldInfo

from reconciler.cli.app import cli
from reconciler.cli.exit_codes import Exit
from reconciler.cli.proposed_changes import ProposedChange
from reconciler.cli.run_report import RunReport
from reconciler.cli.shadow import report_as_json
from reconciler.cli.tune import BOTTLENECKS
from reconciler.domain import decide
from reconciler.domain.decide import HoldReason, Rule
from reconciler.orders.shadow.state import Shadow
from reconciler.settings import Settings
from reconciler.store import tables
from reconciler.store.side_table import side_table_ddl
from reconciler.store.user_table import DEFAULT_TABLE
from reconciler.supervisor.summary import StopReason, Summary
from reconciler.tune.bottleneck import Bottleneck
from scripts.benchmark.command import bench_command
from tests.scripts import run_script

from .documents import DOCUMENTS, ROOT, code_in, codes_in, first_cells, read, rows, section

SETTINGS = read("docs/reference/settings.md")
COMMANDS = read("docs/reference/commands.md")
PAPER = read("docs/reference/paper-exchange.md")
LOG_EVENTS = read("docs/reference/log-events.md")
TABLES = read("docs/reference/tables.md")
RULES = read("docs/reference/decision-rules.md")
DEPENDENCIES = read("docs/explanation/dependencies.md")
DEVELOP = read("docs/how-to/develop.md")

COMPUTED_DEFAULTS = {
    "RECONCILIATION_SHARDS": "min(4, cores)",
    "RECONCILIATION_CONFIG": "reconciler.toml",
}
OUR_TABLES = (*sorted(tables.metadata.tables), "reconciler_alembic_version")
LOG_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def leaf_commands(
    group: click.Group = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaf_commands(command, (*path, name))
        elif command is not None:
            yield " ".join((*path, name)), command


def options_of(command: click.Command) -> dict[str, str]:
    return {
        option.opts[0]: str(option.envvar or "")
        for option in command.params
        if isinstance(option, click.Option)
    }


BENCH = "scripts/bench"


def documented_options(name: str) -> dict[str, str]:
    if name == "paper":
        options = section(PAPER, "Options")
    else:
        heading = name if name == BENCH else f"reconciler {name}"
        options = section(COMMANDS, f"`{heading}`")
    return {
        code_in(cells[0]): code_in(cells[1])
        for cells in rows(options)
        if code_in(cells[0]).startswith("--")
    }


def events_logged(source: Path) -> Iterator[tuple[str, str]]:
    for call in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        match call:
            case ast.Call(
                func=ast.Attribute(attr=level, value=logger), args=[ast.Constant(value=str(event))]
            ) if level in LOG_LEVELS and "log" in ast.unparse(logger):
                yield event, "error" if level == "exception" else level


def allowed(field: FieldInfo) -> Iterator[str]:
    """Return the bounds of a setting, except "above 0", and the words that it may be."""
    for bound in field.metadata:
        for name in ("gt", "ge", "le"):
            if limit := getattr(bound, name, None):
                yield f"{limit:g}" if limit < MANY else str(limit)
    for choice in get_args(field.annotation):
        words = get_args(choice) if get_origin(choice) is Literal else [choice]
        yield from (str(word) for word in words if isinstance(word, str))


MANY = 100_000

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def test_every_setting_is_documented_with_its_default() -> None:
    settings = {
        field.alias: COMPUTED_DEFAULTS.get(field.alias or "", str(field.default))
        for field in Settings.model_fields.values()
    }

    documented = {code_in(cells[0]): code_in(cells[1]) for cells in rows(SETTINGS)}

    assert documented == {
        name: "-" if default == "None" else default for name, default in settings.items()
    }


def test_every_bound_and_word_of_a_setting_is_documented() -> None:
    meanings = {code_in(cells[0]): cells[2] for cells in rows(SETTINGS)}

    missing = [
        (field.alias, value)
        for field in Settings.model_fields.values()
        for value in allowed(field)
        if not re.search(rf"\b{re.escape(value)}\b", meanings[str(field.alias)])
    ]

    assert missing == []
    assert list(allowed(Settings.model_fields["shards"])) == ["64"]


def test_the_example_of_an_env_file_agrees_with_the_settings_and_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = run_script("env-example", "--check")
    monkeypatch.chdir(tmp_path)
    without = Settings.load()
    every = re.sub("^#(?=[A-Z])", "", read(".env.example"), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(every, encoding="utf-8")

    with_example = Settings.load()

    assert checked.returncode == 0, checked.stderr
    assert with_example == without


def test_every_command_has_a_section_in_the_reference() -> None:
    documented = re.findall(r"^## `reconciler ([a-z ]+)`$", COMMANDS, re.MULTILINE)

    assert sorted(documented) == sorted(name for name, _ in leaf_commands())


@pytest.mark.parametrize("name", [*(name for name, _ in leaf_commands()), BENCH])
def test_every_option_is_documented_with_its_variable(name: str) -> None:
    command = bench_command if name == BENCH else dict(leaf_commands())[name]

    assert documented_options(name) == options_of(command)


def test_the_page_of_the_help_is_what_help_says() -> None:
    checked = run_script("help-page", "--check")

    assert checked.returncode == 0, checked.stderr


def test_every_revision_of_the_tables_is_documented() -> None:
    versions = ROOT / "reconciler" / "store" / "migrations" / "versions"

    documented = first_cells(section(read("docs/explanation/migrations.md"), "The revisions"))

    assert documented == sorted(path.name[:4] for path in versions.glob("[0-9]*.py"))


def test_every_exit_code_has_a_row_in_the_reference() -> None:
    documented = [int(cell) for cell in first_cells(section(COMMANDS, "Exit codes"))]

    assert documented == sorted(Exit)


def test_every_key_of_the_report_is_documented() -> None:
    report = section(COMMANDS, "The report")

    assert first_cells(report) == [field.name for field in fields(RunReport)]
    assert {ending.value for ending in StopReason} <= set(codes_in(report))
    assert {field.name for field in fields(ProposedChange)} <= set(codes_in(report))


def test_every_key_of_the_report_of_a_shadow_is_documented() -> None:
    report = report_as_json(Shadow().report(), Summary(), 0.0, ())

    assert first_cells(section(COMMANDS, "The report of a shadow")) == list(report)


def test_the_page_of_the_metrics_agrees_with_the_catalog() -> None:
    checked = run_script("metrics-page", "--check")

    assert checked.returncode == 0, checked.stderr


def test_every_log_event_is_documented_with_its_level() -> None:
    logged = {
        entry for source in ROOT.glob("reconciler/**/*.py") for entry in events_logged(source)
    }

    documented = [(code_in(event), level) for event, level, *_ in rows(LOG_EVENTS)]

    assert set(documented) == logged
    assert len(documented) == len(set(documented)), "an event has two rows"


@pytest.mark.parametrize("table", OUR_TABLES)
def test_every_column_of_ours_is_documented_with_its_type(table: str, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        columns = connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = to_regclass(%s) AND attnum > 0 ORDER BY attnum",
            (table,),
        ).fetchall()

    documented = [(code_in(name), kind) for name, kind, _ in rows(section(TABLES, f"`{table}`"))]

    assert documented == [
        (name, kind.replace("timestamp with time zone", "timestamptz")) for name, kind in columns
    ]


def test_every_column_of_orders_that_we_touch_is_documented(database_url: str) -> None:
    with psycopg.connect(database_url, row_factory=scalar_row) as connection:
        sample = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'orders'"
        ).fetchall()

    assert sorted(first_cells(section(TABLES, "`orders`"))) == sorted(sample)


def test_every_table_and_index_of_ours_is_documented(database_url: str) -> None:
    with psycopg.connect(database_url, row_factory=scalar_row) as connection:
        connection.execute(side_table_ddl(DEFAULT_TABLE))
        made = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = {*made.fetchall()}
        indexes = connection.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"
            " AND indexname !~ '_(pkey|pkc)$'"
        ).fetchall()

    documented = set(re.findall(r"^## `(\w+)`$", TABLES, re.MULTILINE))

    assert documented == found
    assert set(indexes) <= set(codes_in(TABLES))


def test_every_page_names_the_same_number_of_tables(database_url: str) -> None:
    with psycopg.connect(database_url, row_factory=scalar_row) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'orders'"
        ).fetchone()
    named = [
        word.lower()
        for document in DOCUMENTS
        for word in re.findall(r"(\w+) tables and one index", document.read_text(encoding="utf-8"))
    ]

    assert tables is not None
    assert named
    assert set(named) == {NUMBERS[tables]}


def test_every_limit_of_a_trial_is_documented() -> None:
    documented = first_cells(section(COMMANDS, "`reconciler tune`"))

    assert set(Bottleneck) <= set(documented)
    assert set(BOTTLENECKS) == set(Bottleneck)


def test_every_decision_rule_is_documented() -> None:
    assert sorted(first_cells(section(RULES, "The rules"))) == sorted(Rule)


def test_every_hold_reason_is_documented() -> None:
    documented = first_cells(section(RULES, "Why an order is on hold"))

    assert sorted(documented) == sorted(HoldReason)


def test_every_invariant_of_decide_is_documented() -> None:
    numbered = re.compile(r"^(\d+)\. ", re.MULTILINE)

    documented = numbered.findall(section(RULES, "What always holds"))

    assert documented == numbered.findall(decide.__doc__ or "")


def test_every_dependency_is_documented() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    wanted = {
        "At run time": project["dependencies"],
        "For the demo and the paper exchange: extra `demo`": extras["demo"],
        "For exchanges without an adapter: extra `ccxt`": extras["ccxt"],
        "For development: extra `dev`": extras["dev"],
        "For measurements: extra `bench`": extras["bench"],
    }

    for heading, requirements in wanted.items():
        names = [re.split(r"[\[<>=]", requirement)[0] for requirement in requirements]
        assert sorted(first_cells(section(DEPENDENCIES, heading))) == sorted(
            name for name in names if name != project["name"]
        )


def test_every_script_of_the_project_is_documented() -> None:
    files = [path for path in (ROOT / "scripts").iterdir() if path.is_file()]
    scripts = {f"scripts/{path.name}" for path in files if not path.suffix}

    documented = {name.split()[0] for name in first_cells(DEVELOP) if name.startswith("scripts/")}

    assert documented == scripts
