"""The paper exchange as a child process, for the demo and the end-to-end tests.

The child watches a pipe that only we hold. So it ends with this process, even if we are killed.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from reconciler import safe_path
from reconciler.paper.listing import ListedOrder, OrderSpec
from reconciler.paper.new_keys import NewKey
from reconciler.paper.request_log import LoggedRequest

COMMAND = (*safe_path.COMMAND, "paper")
_STOP_SECONDS = 10
_REQUEST_SECONDS = 120
_PAGE = 10_000

Line = TypeVar("Line")


class PaperDidNotStart(RuntimeError):
    """The child ended before it was ready."""


class ReadyLine(msgspec.Struct, frozen=True, kw_only=True):
    """The line that the child prints once it answers requests."""

    url: str
    pid: int


class PaperProcess:
    """A paper exchange on a free port of this machine, for the duration of a `with` block.

    Secrets go through the child's environment, never onto its command line, where every user of the
    machine could read them.
    """

    url: str
    pid: int

    def __init__(
        self,
        *,
        api_key: str | None = None,
        api_secret: str | None = None,
        jwt_secret: str | None = None,
        dialect: str | None = None,
        key: NewKey | None = None,
        options: Sequence[str] = (),
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Prepare an exchange that accepts the credentials given; `key` stands for three of them.

        `dialect` defaults to the command's.
        """
        self._jwt_secret = jwt_secret
        self._public_pem = None if key is None else key.public_pem
        if dialect is not None:
            options = ["--dialect", dialect, *options]
        if key is not None:
            api_key = key.api_key
            api_secret = key.api_secret if key.public_pem is None else None
        self._command = [*command, "--port", "0", "--json", "--die-with-parent", *options]
        self._environment = _child_environment(
            {
                "PAPER_API_KEY": api_key,
                "PAPER_API_SECRET": api_secret,
                "PAPER_API_PASSPHRASE": None if key is None else key.passphrase,
                "PAPER_JWT_SECRET": jwt_secret,
            }
        )

    def __enter__(self) -> Self:
        with ExitStack() as files:
            ready = self._start(self._public_key_file(files))
        self.url, self.pid = ready.url, ready.pid
        self._client = httpx.Client(base_url=self.url, timeout=_REQUEST_SECONDS, trust_env=False)
        return self

    def _public_key_file(self, files: ExitStack) -> Sequence[str]:
        """Write the public key to a file that the child reads while it starts."""
        if self._public_pem is None:
            return ()
        folder = files.enter_context(tempfile.TemporaryDirectory(prefix="reconciler-key-"))
        file = Path(folder, "public.pem")
        file.write_bytes(self._public_pem)
        return ("--public-key-file", str(file))

    def _start(self, more_options: Sequence[str]) -> ReadyLine:
        self._child = subprocess.Popen(  # noqa: S603  # our own command
            [*self._command, *more_options],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C must reach only us: we end the child when we are done
        )
        try:
            return self._await_ready()
        except BaseException:
            self._stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()
        self._stop()

    @property
    def exit_code(self) -> int | None:
        """The child's exit code once it has ended."""
        return self._child.poll()

    def seed(
        self, *, orders: int, symbols: int = 12, seed: int = 1, hot_share: float | None = None
    ) -> Mapping[str, Any]:
        """Replace all orders with generated ones.

        The same arguments give the same orders, apart from their times.
        """
        body = {"orders": orders, "symbols": symbols, "seed": seed, "hot_share": hot_share}
        return self._post("/paper/seed", body)

    def orders(self) -> Iterator[ListedOrder]:
        """Read every order, by symbol and id, a page at a time."""
        after = ""
        while True:
            page = self._page("/paper/orders", after, ListedOrder)
            yield from page
            if len(page) < _PAGE:
                return
            after = f"{page[-1].symbol}:{page[-1].order_id}"

    def get_order(self, symbol: str, order_id: int) -> ListedOrder:
        """Read one order."""
        params: dict[str, str | int] = {"symbol": symbol, "order_id": order_id}
        answer = self._client.get("/paper/truth", params=params).raise_for_status()
        return msgspec.json.decode(answer.content, type=ListedOrder)

    def place_order(self, **order: Any) -> ListedOrder:
        """Place an order; keyword arguments are the fields of `OrderSpec`."""
        answer = self._client.post("/paper/orders", json=order).raise_for_status()
        return msgspec.json.decode(answer.content, type=ListedOrder)

    def replace_orders(self, orders: Iterable[OrderSpec]) -> None:
        """Replace all orders with `orders`."""
        lines = msgspec.json.Encoder().encode_lines(orders)
        answer = self._client.put("/paper/orders", content=lines)
        if answer.is_client_error:
            raise ValueError(f"/paper/orders refused an order: {answer.text}")
        answer.raise_for_status()

    def remove_order(self, symbol: str, order_id: int) -> None:
        """Remove one order, as if the exchange had never had it."""
        params: dict[str, str | int] = {"symbol": symbol, "order_id": order_id}
        self._client.delete("/paper/orders", params=params).raise_for_status()

    def advance_orders(self, steps: int = 1) -> int:
        """Move every order on by `steps` states; return how many moved."""
        return int(self._post("/paper/advance", {"steps": steps})["moved"])

    def set_faults(self, **rule: Any) -> None:
        """Activate a fault rule; keyword arguments are the fields of `FaultRule`."""
        self._post("/paper/faults", rule)

    def set_timeline(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Clear all faults and start a timeline; each step holds the fields of a `TimelineStep`."""
        self._post("/paper/timeline", steps)

    def clear_faults(self) -> None:
        """Clear all faults, including scheduled ones."""
        self._client.delete("/paper/faults").raise_for_status()

    def stats(self) -> Mapping[str, Any]:
        """Read the counts of requests since the start."""
        answer: Mapping[str, Any] = self._client.get("/paper/stats").raise_for_status().json()
        return answer

    def requests(self, after: int = 0) -> Iterator[LoggedRequest]:
        """Read the requests after the number `after`, oldest first, a page at a time."""
        while True:
            page = self._page("/paper/requests", str(after), LoggedRequest)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].number

    def mint_token(self, lifetime: timedelta = timedelta(days=1)) -> str:
        """Mint a bearer token that this exchange accepts.

        Raises:
            ValueError: the exchange was started without a JWT secret.
        """
        if self._jwt_secret is None:
            raise ValueError("this exchange has no JWT secret: start it with jwt_secret=...")
        from reconciler.paper.tokens import mint  # noqa: PLC0415  # needs the extra "demo"

        return mint(self._jwt_secret, subject="paper", now=datetime.now(UTC), lifetime=lifetime)

    def _page(self, path: str, after: str, kind: type[Line]) -> list[Line]:
        answer = self._client.get(path, params={"after": after, "limit": _PAGE}).raise_for_status()
        return msgspec.json.Decoder(kind).decode_lines(answer.content)

    def _post(self, path: str, body: object) -> Mapping[str, Any]:
        answer = self._client.post(path, json=body)
        if answer.is_client_error:
            raise ValueError(f"{path} refused {body}: {answer.text}")
        decoded: Mapping[str, Any] = answer.raise_for_status().json()
        return decoded

    def _await_ready(self) -> ReadyLine:
        assert self._child.stdout is not None  # noqa: S101  # asked for above
        line = self._child.stdout.readline()
        if not line:
            raise PaperDidNotStart(
                f"the paper exchange ended with code {self._child.wait()} before it was ready;"
                " its reason is above, on standard error"
            )
        return msgspec.json.decode(line, type=ReadyLine)

    def _stop(self) -> None:
        """End the child: close its input and send SIGTERM; kill it if it does not end.

        The signal is needed where a forked process of ours holds the pipe to its standard input.
        """
        assert self._child.stdin is not None  # noqa: S101  # asked for above
        assert self._child.stdout is not None  # noqa: S101  # asked for above
        self._child.stdin.close()
        self._child.terminate()
        try:
            self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()


def _child_environment(secrets: Mapping[str, str | None]) -> Mapping[str, str]:
    """Return the child's environment: ours, with every `PAPER_*` variable replaced by `secrets`."""
    given = {name: value for name, value in secrets.items() if value is not None}
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PAPER_")}
    return {**ours, **given}
