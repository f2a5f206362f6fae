"""Say why an address is not available, for the commands that listen on one."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import click

from reconciler.cli.exit_codes import Exit


class CannotListen(click.ClickException):
    """The address is not available."""

    exit_code = Exit.UNAVAILABLE


@contextmanager
def reporting_bind_errors(host: str, port: int) -> Iterator[None]:
    """Say what is wrong with `--host` and `--port` if the block cannot listen there.

    Raises:
        CannotListen: it cannot.
    """
    try:
        yield
    except OSError as error:
        raise CannotListen(_bind_problem(error, host, port)) from None


def _bind_problem(error: OSError, host: str, port: int) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host {host!r} is not known: choose an address of this machine with --host"
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is already in use: end the program that listens there,"
            " or choose another with --port (0 picks a free one)"
        )
    if error.errno == errno.EACCES:
        return f"port {port} on {host} is not allowed: choose one above 1023 with --port"
    return (
        f"cannot listen on {host} port {port}: {error.strerror or error};"
        " choose an address of this machine with --host"
    )
