"""The command itself: help, suggestions, exit codes, and the message of a bug."""

import subprocess
import sys

import click
import pytest

from reconciler import __version__
from reconciler.cli import app
from reconciler.cli.exit_codes import Exit, exit_code_of
from reconciler.errors import (
    BreakerOpen,
    ClockSkew,
    ConfigurationError,
    Malformed,
    Problem,
    RateLimited,
    ReconcilerError,
    Refused,
    SchemaMismatch,
    StoreRejected,
    StoreUnavailable,
    Unavailable,
)

from .conftest import Invoke

PROBLEM = Problem(what="it is broken", hint="fix it")
WIDTH = 80
COMMANDS = [
    [],
    ["run"],
    ["demo"],
    ["check"],
    ["db"],
    ["db", "upgrade"],
    ["db", "current"],
    ["db", "sql"],
    ["status"],
    ["top"],
    ["scale"],
    ["health"],
    ["explain"],
    ["audit"],
    ["paper"],
]


def command_of(path: list[str]) -> click.Command:
    command: click.Command = app.cli
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return command


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_help_fits_80_columns_and_h_shows_it_too(invoke: Invoke, path: list[str]) -> None:
    long, short = invoke(*path, "--help", COLUMNS="80"), invoke(*path, "-h", COLUMNS="80")

    assert long.exit_code == 0
    assert long.stdout == short.stdout
    assert max(map(len, long.stdout.splitlines())) <= WIDTH


@pytest.mark.parametrize("path", COMMANDS[1:], ids=" ".join)
def test_help_shows_the_variable_of_each_option(invoke: Invoke, path: list[str]) -> None:
    options = [
        parameter
        for parameter in command_of(path).params
        if isinstance(parameter, click.Option) and not parameter.is_eager
    ]
    shown = " ".join(invoke(*path, "-h").stdout.split())

    assert [option.name for option in options if not option.envvar] == []
    assert [option.envvar for option in options if str(option.envvar) not in shown] == []


@pytest.mark.parametrize(
    "path",
    [path for path in COMMANDS if path not in (["db", "sql"], ["db", "current"])],
    ids=" ".join,
)
def test_each_help_ends_with_an_example(invoke: Invoke, path: list[str]) -> None:
    assert "  reconciler" in invoke(*path, "-h").stdout.split("Options:")[1]


def test_every_command_that_is_listed_can_be_imported_by_its_name() -> None:
    assert {name: command_of([name]).name for name in app._COMMANDS} == {
        name: name for name in app._COMMANDS
    }


@pytest.mark.parametrize(
    ("wrong", "right"), [("chekc", "check"), ("demos", "demo"), ("adit", "audit")]
)
def test_a_mistyped_command_gets_a_suggestion_of_the_right_one(
    invoke: Invoke, wrong: str, right: str
) -> None:
    result = invoke(wrong)

    assert result.exit_code == Exit.USAGE
    assert f"No such command '{wrong}'. Did you mean '{right}'?" in result.stderr


def test_an_unknown_command_unlike_any_gets_no_suggestion(invoke: Invoke) -> None:
    result = invoke("xyzzy")

    assert result.exit_code == Exit.USAGE
    assert "Error: No such command 'xyzzy'.\n" in result.stderr


def test_an_unknown_option_gets_a_suggestion_of_the_right_one(invoke: Invoke) -> None:
    result = invoke("run", "--shard", "3")

    assert result.exit_code == Exit.USAGE
    assert "No such option '--shard'" in result.stderr.replace("--shard.", "'--shard'")
    assert "--shards" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError([PROBLEM]), 78),
        (SchemaMismatch([PROBLEM]), 78),
        (Refused("bad key", hint="check it"), 78),
        (StoreUnavailable("away"), 69),
        (Unavailable("away"), 69),
        (Malformed("garbled"), 69),
        (RateLimited("too much", retry_after_seconds=3), 75),
        (ClockSkew("early"), 75),
        (BreakerOpen(retry_after_seconds=3), 75),
        (StoreRejected("no"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_error_has_its_code_a_hint_and_no_traceback(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, error: ReconcilerError, code: int
) -> None:
    monkeypatch.setattr(app, "_COMMANDS", {"fail": (_module_that_raises(error), "Fail.")})

    result = invoke("fail")

    assert (exit_code_of(error), result.exit_code) == (code, code)
    assert result.stderr.startswith("error: ")
    assert "\n  hint: " in result.stderr
    assert "Traceback" not in result.output


def test_every_problem_of_an_error_is_shown_with_its_hint(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ConfigurationError([PROBLEM, Problem(what="[bold]so is this", hint="x" * 200)])
    monkeypatch.setattr(app, "_COMMANDS", {"fail": (_module_that_raises(error), "Fail.")})

    result = invoke("fail")

    assert result.stderr == (
        f"error: it is broken\n  hint: fix it\nerror: [bold]so is this\n  hint: {'x' * 200}\n"
    )


def test_a_bug_is_two_lines_code_70_and_a_logged_traceback(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug = KeyError("the password is secret-word")
    monkeypatch.setattr(app, "_COMMANDS", {"fail": (_module_that_raises(bug), "Fail.")})

    result = invoke("fail", EXCHANGE_API_SECRET="secret-word")

    log_line, *output = result.stderr.splitlines()
    assert result.exit_code == 70
    assert "Traceback" in log_line
    assert output == [
        "error: this should not have happened: KeyError: 'the password is ***'",
        "  hint: run it again with LOG_LEVEL=DEBUG, and report the traceback that it then logs",
    ]
    assert "secret-word" not in result.stderr


@pytest.mark.parametrize(("level", "is_shown"), [("INFO", False), ("DEBUG", True)])
def test_a_terminal_shows_a_bugs_traceback_at_debug_only(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, level: str, *, is_shown: bool
) -> None:
    monkeypatch.setattr(app, "_COMMANDS", {"fail": (_module_that_raises(KeyError("x")), "Fail.")})
    monkeypatch.setattr("reconciler.cli.errors._is_terminal", lambda: True)

    result = invoke("fail", LOG_LEVEL=level, LOG_FORMAT="console")

    assert ("Traceback" in result.stderr) is is_shown


def test_an_interruption_is_one_line_and_code_130(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    interruption = _module_that_raises(KeyboardInterrupt())
    monkeypatch.setattr(app, "_COMMANDS", {"fail": (interruption, "Fail.")})

    result = invoke("fail")

    assert result.exit_code == 130
    assert result.stderr == "interrupted\n"


def test_the_version_option_prints_the_version(invoke: Invoke) -> None:
    assert invoke("--version").stdout == f"reconciler, version {__version__}\n"


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_what_needs_no_command_imports_none(argument: str) -> None:
    program = (
        "import sys\n"
        "from reconciler.cli.app import cli\n"
        f"cli(['{argument}'], standalone_mode=False)\n"
        "heavy = {'sqlalchemy', 'psycopg', 'httpx', 'pydantic', 'rich', 'alembic', 'structlog'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
        "print(sorted(n for n in sys.modules if n.startswith('reconciler.')), file=sys.stderr)\n"
    )

    output = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stderr

    heavy, ours = output.splitlines()
    assert heavy == "[]"
    assert ours == str(
        [
            "reconciler.cli",
            "reconciler.cli.app",
            "reconciler.cli.errors",
            "reconciler.cli.exit_codes",
            "reconciler.error_hints",
            "reconciler.errors",
        ]
    )


def test_what_asks_the_running_supervisor_imports_no_database_library() -> None:
    program = (
        "import sys\n"
        "from reconciler.cli import health, scale, status, top\n"
        "unneeded = ('sqlalchemy', 'psycopg', 'alembic', 'httpx', 'reconciler.store')\n"
        "print(*(name for name in unneeded if name in sys.modules))\n"
    )

    imported = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert imported.split() == []


def _module_that_raises(error: BaseException) -> str:
    """Return the name of a module with a command `fail` that raises `error`."""

    @click.command()
    def fail_command() -> None:
        raise error

    name = "reconciler_tests_failing_command"
    module = type(sys)(name)
    module.fail_command = fail_command  # type: ignore[attr-defined]  # a module's attributes are its own
    sys.modules[name] = module
    return name
