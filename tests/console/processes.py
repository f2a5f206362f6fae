"""The real console as a process, and clients of it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Page

_COMMAND = (sys.executable, "-m", "reconciler", "console", "--port", "0", "--json")
TOKEN = re.compile(r'name="token" value="([^"]+)"')


class RunningConsole:
    """`reconciler console` on a free port, until the block ends."""

    def __init__(self, *arguments: str, environment: Mapping[str, str], folder: Path) -> None:
        self._arguments = arguments
        self._environment = environment
        self._folder = folder

    def __enter__(self) -> Self:
        self._log = (self._folder / "console.log").open("w")
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*_COMMAND, *self._arguments],
            env={**os.environ, **self._environment},
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.announced = self.read_announcement()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def url(self) -> str:
        """The printed address, with a slash at its end."""
        return str(self.announced["url"])

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return (self._folder / "console.log").read_text()

    def read_announcement(self) -> dict[str, object]:
        """Wait for the JSON that it prints once it answers."""
        assert self._process.stdout is not None
        lines = []
        while line := self._process.stdout.readline():
            lines.append(line)
            if line.rstrip() == "}":
                announced: dict[str, object] = json.loads("".join(lines))
                return announced
        raise AssertionError(f"it ended: {self._process.wait()}\n{self.log}")

    def end(self) -> int:
        """Send SIGTERM, unless it has ended; return the exit code."""
        self._process.terminate()
        exit_code = self._process.wait(300)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()
        return exit_code

    def new_sign_in_url(self) -> str:
        """Ask for another address with a one-time key."""
        self._process.send_signal(signal.SIGUSR1)
        return str(self.read_announcement()["sign_in_url"])

    def client(self) -> httpx.Client:
        """Return a client that has not signed in; it follows no redirect."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=300)

    @contextmanager
    def signed_in(self) -> Iterator[httpx.Client]:
        """Yield a client that has signed in, with a one-time key of its own."""
        with self.client() as client:
            answer = sign_in(client, self.new_sign_in_url())
            assert answer.status_code == 303, answer.text
            yield client

    def sign_in(self, page: Page) -> None:
        """Sign a browser's page in; it then shows the overview."""
        page.goto(self.new_sign_in_url())
        page.wait_for_url(self.url)


def sign_in(client: httpx.Client, address: str) -> httpx.Response:
    """Send the one-time key of a printed address, as the form of its page does."""
    shown = client.get(address)
    form = shown.text.partition('id="once"')[2]
    token, once = (re.search(f'name="{name}" value="([^"]+)"', form) for name in ("token", "once"))
    if token is None or once is None:
        return shown
    return post(client, urlsplit(address).path, {"once": once[1]}, token=token[1])


def post(
    client: httpx.Client,
    path: str,
    fields: Mapping[str, str] | None = None,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Send a form as a browser does from one of our pages; `token` "" sends none."""
    token = token_of(client) if token is None else token
    given = {**({"token": token} if token else {}), **(fields or {})}
    return client.post(
        path, data=given, headers={"Sec-Fetch-Site": "same-origin", **(headers or {})}
    )


def token_of(client: httpx.Client) -> str:
    """Return the token that the session's forms have."""
    found = TOKEN.search(client.get("./").text)
    assert found is not None
    return found[1]
