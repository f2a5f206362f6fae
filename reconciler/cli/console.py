"""`reconciler console`: the web console."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.listening import reporting_bind_errors
from reconciler.cli.operator_name import by_option
from reconciler.cli.ui.options import environment_option, json_option
from reconciler.errors import ConfigurationError, Problem
from reconciler.extras import install_hint
from reconciler.settings import Settings
from reconciler.small_memory import as_if_not_installed, keep_heaps_small

if TYPE_CHECKING:  # The console needs an extra, see `_requiring_extra`.
    from reconciler.console.addresses import Origin
    from reconciler.console.context import Console
    from reconciler.console.options import ConsoleOptions
    from reconciler.console.tune_report import TuneReport

EXTRA_MODULES = frozenset({"jinja2", "starlette", "uvicorn"})
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8910
SHORTEST_KEY = 16


@click.command(
    "console",
    epilog="""\b
Try it:
  reconciler console
  reconciler console --allow-actions --by ada
  reconciler console --base-path /reconciler --public-origin https://ops.example.com""",
)
@environment_option(
    "--host",
    variable="RECONCILER_CONSOLE_HOST",
    help_text="Address to listen on. One that others can reach needs RECONCILIATION_CONSOLE_KEY.",
    default=DEFAULT_HOST,
)
@environment_option(
    "--port",
    variable="RECONCILER_CONSOLE_PORT",
    help_text="Port; 0: any free one.",
    default=DEFAULT_PORT,
    type=click.IntRange(0, 65_535),
    metavar="N",
)
@environment_option(
    "--allow-actions",
    variable="RECONCILER_CONSOLE_ALLOW_ACTIONS",
    help_text="Allow to decide about holds and to scale. Without it nothing can be changed.",
    is_flag=True,
)
@by_option
@environment_option(
    "--base-path",
    variable="RECONCILER_CONSOLE_BASE_PATH",
    help_text="The path under which a proxy has the console.",
    default="",
    metavar="/PATH",
)
@environment_option(
    "--public-origin",
    variable="RECONCILER_CONSOLE_PUBLIC_ORIGIN",
    help_text="The address under which a proxy has the console, without a path.",
    metavar="URL",
)
@environment_option(
    "--tune",
    "tune_file",
    variable="RECONCILER_CONSOLE_TUNE",
    help_text="A saved report of tune --json, for the page about tuning.",
    type=click.Path(path_type=Path),
    metavar="FILE",
)
@json_option
def console_command(
    *,
    host: str,
    port: int,
    allow_actions: bool,
    by: str | None,
    base_path: str,
    public_origin: str | None,
    tune_file: Path | None,
    as_json: bool,
) -> None:
    """Show the verdict, the shards, the holds and the changes in a browser.

    Prints an address with a key that signs in one browser, once; SIGUSR1 prints another one. With
    RECONCILIATION_CONSOLE_KEY set, a browser can also sign in with that key. Nothing can be changed
    from the console unless --allow-actions is given, with your name for the audit trail.

    Exits with code 0 on SIGTERM or SIGINT, 69 if the address is taken, 78 if the extra is not
    installed or the settings do not allow it.
    """
    keep_heaps_small()
    # structlog would load them for tracebacks on a terminal: 5 MiB.
    with as_if_not_installed("pygments", "rich"):
        from reconciler.cli.logs import load_settings  # noqa: PLC0415 - imports structlog
    with _requiring_extra():
        from reconciler.console import server  # noqa: PLC0415 - needs the extra "console"
        from reconciler.console.options import ConsoleOptions  # noqa: PLC0415 - as above
        from reconciler.http_server import bind  # noqa: PLC0415 - as above

    settings = load_settings()
    options = ConsoleOptions(
        host=host,
        port=port,
        base_path=_read_base_path(base_path),
        public_origin=_read_origin(public_origin),
        operator=_required_actor(by) if allow_actions else None,
        key=settings.console_key,
        tune_report=_read_tune_report(tune_file),
    )
    _require_protection(settings, options)
    with reporting_bind_errors(host, port):
        listener = bind(host, port, backlog=server.BACKLOG)
    announce = _announce_json if as_json else _announce
    server.serve(settings, options, listener, on_ready=announce)


def _read_base_path(text: str) -> str:
    from reconciler.console.addresses import parse_base_path  # noqa: PLC0415 - as above

    try:
        return parse_base_path(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no path such as /reconciler: {error}", param_hint="'--base-path'"
        ) from None


def _read_origin(text: str | None) -> "Origin | None":
    from reconciler.console.addresses import Origin  # noqa: PLC0415 - as above

    if text is None:
        return None
    try:
        return Origin.parse(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no address such as https://ops.example.com: {error}",
            param_hint="'--public-origin'",
        ) from None


def _read_tune_report(file: Path | None) -> "TuneReport | None":
    from reconciler.console.tune_report import read_tune_report  # noqa: PLC0415 - as above

    if file is None:
        return None
    try:
        return read_tune_report(file)
    except ValueError as error:
        raise click.BadParameter(
            f"{str(file)!r} is no report of reconciler tune --json: {error}", param_hint="'--tune'"
        ) from None


def _required_actor(by: str | None) -> str:
    if by is None or not by.strip():
        raise click.UsageError(
            "--allow-actions needs a name for the audit trail: give yours with --by"
        )
    return by.strip()


def _require_protection(settings: Settings, options: "ConsoleOptions") -> None:
    """Refuse an address that others can reach, unless there is a key; and a short key.

    Raises:
        ConfigurationError: the console would not be protected.
        CannotListen: the host's name is not known.
    """
    from reconciler.console.addresses import is_loopback  # noqa: PLC0415 - as above

    key = settings.console_key
    hint = (
        "set RECONCILIATION_CONSOLE_KEY, or RECONCILIATION_CONSOLE_KEY_FILE, to a random text of"
        f" {SHORTEST_KEY} characters or more: openssl rand -hex 24"
    )
    if key is not None and len(key.get_secret_value()) < SHORTEST_KEY:
        what = f"RECONCILIATION_CONSOLE_KEY has fewer than {SHORTEST_KEY} characters"
        raise ConfigurationError([Problem(what=what, hint=hint)])
    with reporting_bind_errors(options.host, options.port):
        is_reachable = not is_loopback(options.host)
    if is_reachable and key is None:
        what = f"the console has no key, and {options.host} can be reached from other machines"
        raise ConfigurationError([Problem(what=what, hint=f"{hint}; or leave out --host")])


@contextmanager
def _requiring_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA_MODULES:
            raise
        what = f"the console needs the package {error.name!r}, which is not installed"
        raise ConfigurationError([Problem(what=what, hint=install_hint("console"))]) from None


def _announce_json(console: "Console") -> None:
    report = {
        "url": console.url,
        "port": console.origins.port,
        "sign_in_url": _sign_in_url(console),
        "pid": os.getpid(),
        "operator": console.options.operator,
    }
    click.echo(json.dumps(report, indent=2))


def _announce(console: "Console") -> None:
    click.echo(f"The console answers at\n\n  {_sign_in_url(console)}\n")
    click.echo(
        "The key in this address signs in one browser, once. For another address:"
        f" kill -USR1 {os.getpid()}"
    )
    if console.options.key is not None:
        click.echo(f"At {console.url} RECONCILIATION_CONSOLE_KEY signs in too.")
    if console.options.is_read_only:
        click.echo("Nothing can be changed from it. To allow that: --allow-actions --by NAME")
    else:
        click.echo(f"What is decided there is recorded as {console.options.operator}'s.")
    click.echo("Ctrl-C ends it.")


def _sign_in_url(console: "Console") -> str:
    return f"{console.url}sign-in?key={console.one_time_key.issue()}"
