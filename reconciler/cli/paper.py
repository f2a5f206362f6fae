"""`reconciler paper`: the paper exchange as a server."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import click
import msgspec

from reconciler.cli.listening import reporting_bind_errors
from reconciler.cli.ui.options import EnvironmentOption, NumberRange
from reconciler.extras import install_hint
from reconciler.paper.dialects import DEFAULT, NAMES
from reconciler.paper.faults import FaultRule
from reconciler.paper.orders import SeedOptions

EXTRA_MODULES = frozenset({"httptools", "jwt", "starlette", "uvicorn"})
TOKEN_LIFETIME = timedelta(days=1)


PaperSettings = TypeVar("PaperSettings", FaultRule, SeedOptions)


class PaperMisconfigured(click.ClickException):
    """The paper exchange cannot run with these options."""

    exit_code = 78


class PaperOption(EnvironmentOption):
    """An option of the paper exchange, which reads no `.env` if another program started it."""

    def env_file(self, ctx: click.Context) -> Mapping[str, str | None]:
        """Return the variables in `.env`; none if another program started this one."""
        return {} if ctx.params.get("die_with_parent") else super().env_file(ctx)


def _option(*declarations: str, **settings: Any) -> Callable[[Any], Any]:
    """Make an option that is also an environment variable: `--port` is PAPER_PORT."""
    variable = "PAPER_" + declarations[0].removeprefix("--").upper().replace("-", "_")
    return click.option(
        *declarations,
        cls=PaperOption,
        envvar=variable,
        show_envvar=True,
        show_default=True,
        metavar="N" if "type" in settings else None,
        **settings,
    )


_SHARE = NumberRange(0, 1)


@click.command(
    "paper",
    epilog="""\b
Try it:
  reconciler paper --orders 2000 --symbols 12
  curl 'http://127.0.0.1:8900/api/v3/allOrders?symbol=BTCUSDT&limit=2'
  reconciler paper --dialect kraken --orders 2000

All routes, admin routes and faults: docs/reference/paper-exchange.md""",
)
@_option("--dialect", default=DEFAULT, help=f"The venue whose API it speaks: {', '.join(NAMES)}.")
@_option("--host", default="127.0.0.1", help="Address to listen on.")
@_option("--port", default=8900, type=click.IntRange(0, 65_535), help="Port; 0: any free one.")
@_option("--orders", default=0, type=click.IntRange(0), help="Number of orders at the start.")
@_option("--symbols", default=12, type=click.IntRange(1), help="Number of symbols.")
@_option("--seed", default=1, type=int, help="The same seed makes the same orders.")
@_option("--hot-share", type=_SHARE, help="Share of the orders in the first symbol.")
@_option("--latency-ms", default=0.0, type=NumberRange(0), help="Delay of every answer.")
@_option(
    "--latency-jitter-ms", default=0.0, type=NumberRange(0), help="Random extra delay, at most."
)
@_option("--error-rate", default=0.0, type=_SHARE, help="Share of requests answered 5xx.")
@_option("--disconnect-rate", default=0.0, type=_SHARE, help="Share of requests cut off.")
@_option(
    "--weight-limit",
    type=click.IntRange(1),
    help="Replaces the amount of the dialect's first limit, which is as published.",
)
@_option("--without-limits", is_flag=True, help="Count requests, but refuse none for a limit.")
@_option(
    "--account-id",
    default=8900,
    type=click.IntRange(1),
    help="Id of the account; the same at every port.",
)
@_option("--api-key", help="Require requests signed with this key; needs --api-secret.")
@_option("--api-secret", help="The key's secret. Better given as an environment variable.")
@_option("--api-passphrase", help="The key's passphrase, in dialects that have one.")
@_option(
    "--public-key-file",
    type=click.File("rb"),
    help="Instead of --api-secret: the PEM file with the public half of an Ed25519, RSA or P-256"
    " key, as the dialect uses.",
)
@_option("--jwt-secret", help="Require HS256 bearer tokens made with this secret.")
@_option("--print-jwt", is_flag=True, help="Print a token valid for a day, and exit.")
@_option("--json", "as_json", is_flag=True, help='Print only {"url": ..., "pid": ...}.')
@_option("--die-with-parent", is_flag=True, help="Exit when standard input ends.")
def paper_command(**options: Any) -> None:
    """Run the paper exchange: simulated orders behind a real HTTP server.

    It speaks the API of Binance spot, or of the venue in --dialect, so that you can try the
    reconciler, or any client of that venue, without an account and without money. Its orders go
    through a whole life cycle. For each it can also return the row of a database that has fallen
    behind.

    With an API key it requires signed requests, with a JWT secret bearer tokens, with both one of
    them, with neither nothing. Exits with code 0 on SIGTERM or SIGINT, 69 if the address is taken,
    78 if the options are wrong.
    """
    with _requiring_extra():
        from reconciler.http_server import bind  # noqa: PLC0415  # needs the extra "demo"
        from reconciler.paper import auth, server, tokens  # noqa: PLC0415  # need it too
        from reconciler.paper.public_key import PublicKey  # noqa: PLC0415  # with auth

    public_key = options["public_key_file"]
    with _reporting_wrong_options():
        access = auth.AccessPolicy(
            api_key=options["api_key"] or None,
            api_secret=options["api_secret"] or None,
            passphrase=options["api_passphrase"] or None,
            jwt_secret=options["jwt_secret"] or None,
            public_key=None if public_key is None else PublicKey.read(public_key.read()),
        )
        rule = _options_for(FaultRule, options)
        seed_options = _options_for(SeedOptions, options) if options["orders"] else None
    if options["print_jwt"]:
        secret = _require_jwt_secret(access.jwt_secret)
        now = datetime.now(UTC)
        click.echo(tokens.mint(secret, subject="paper", now=now, lifetime=TOKEN_LIFETIME))
        return
    with _reporting_wrong_options():
        exchange = server.new_exchange(
            options["dialect"],
            access=access,
            weight_limit=options["weight_limit"],
            has_limits=not options["without_limits"],
            rule=rule,
            seed_options=seed_options,
            account_id=options["account_id"],
        )
    with reporting_bind_errors(options["host"], options["port"]):
        listener = bind(options["host"], options["port"])
    server.serve(
        exchange,
        listener,
        on_ready=_announce_json
        if options["as_json"]
        else partial(_announce, exchange.dialect.public_path),
        die_with_stdin=options["die_with_parent"],
    )


def _options_for(kind: type[PaperSettings], options: Mapping[str, Any]) -> PaperSettings:
    """Make a `kind` of those options that have the names of its fields."""
    return msgspec.convert(
        {name: value for name, value in options.items() if name in kind.__struct_fields__}, kind
    )


@contextmanager
def _requiring_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA_MODULES:
            raise
        raise PaperMisconfigured(
            f"the paper exchange needs the package {error.name!r}, which is not installed:"
            f" {install_hint('demo')}"
        ) from None


@contextmanager
def _reporting_wrong_options() -> Iterator[None]:
    try:
        yield
    except (ValueError, msgspec.ValidationError) as error:
        raise PaperMisconfigured(str(error)) from None


def _require_jwt_secret(secret: str | None) -> str:
    if secret is None:
        raise click.UsageError("--print-jwt needs --jwt-secret or PAPER_JWT_SECRET")
    return secret


def _announce_json(url: str) -> None:
    click.echo(json.dumps({"url": url, "pid": os.getpid()}))


def _announce(path: str, url: str) -> None:
    click.echo(f"The paper exchange answers at {url} (Ctrl-C ends it). Try: curl {url}{path}")
