"""A whole sweep, HTTP included: the supervisor looks at orders of which none has changed.

The processor time of each part is that from when all workers are ready to the end of the sweep:
starting them is not part of it.
"""

import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

from pydantic import SecretStr

from reconciler.orders.workload import OrderWorkload
from reconciler.paper.listing import OrderSpec
from reconciler.paper.process import PaperProcess
from reconciler.settings import Settings
from reconciler.supervisor.halt import HaltPolicy
from reconciler.supervisor.summary import StopReason
from reconciler.telemetry.logs import configure_logs
from reconciler.trial.scratch_database import ScratchDatabase
from reconciler.trial.sweep import options_of, sweep
from scripts.benchmark.figures import BenchFailed
from scripts.benchmark.process_group import ProcessGroup, WorkerConfig, worker_configs
from scripts.benchmark.processor_time import own_seconds, server_process, tree_seconds
from scripts.benchmark.rounds import Progress
from scripts.benchmark.rows import Rows
from scripts.benchmark.size import Size

SYMBOLS = 50
_NO_LIMIT = 10**9
_DAY_MS = 86_400_000

PARENT, WORKERS, POSTGRES, EXCHANGE = "supervisor", "workers", "PostgreSQL", "paper exchange"
OURS = (PARENT, WORKERS, POSTGRES)
TOGETHER = "ours together"


@dataclass(frozen=True, kw_only=True)
class WholeSweep:
    """The seconds of a sweep, and the processor seconds of each part."""

    seconds: float
    processor: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """The addresses of what takes part, and its processes."""

    exchange_url: str
    api_key: SecretStr
    api_secret: SecretStr
    exchange: int
    server: int
    shards: int


def whole_sweeps(
    scratch: ScratchDatabase, size: Size, orders: int, on_progress: Progress
) -> Iterator[WholeSweep]:
    """Sweep `orders` unchanged orders in each round.

    Raises:
        BenchFailed: not every order was confirmed, or one was changed.
    """
    rows = Rows(orders=orders, symbols=SYMBOLS, changed_share=0)
    on_progress(f"writing {rows.total:,} orders")
    rows.make(scratch.database)
    rows.put_back(scratch.database)
    configs = worker_configs(scratch.url, size)
    with (
        _open_exchange(scratch, rows, shards=len(configs)) as setting,
        ProcessGroup(partial(_Supervisor, setting), configs[:1]) as group,
    ):
        for number in range(size.rounds):
            on_progress(f"round {number + 1} of {size.rounds}: whole sweep")
            rows.put_back(scratch.database)
            measured: list[WholeSweep] = []
            group.run(lambda pipes, found=measured: found.append(pipes[0].recv()))  # type: ignore[misc]
            rows.require_done(scratch.database, "the supervisor", orders)
            yield measured[0]


@contextmanager
def _open_exchange(scratch: ScratchDatabase, rows: Rows, *, shards: int) -> Iterator[_Setting]:
    """Start the exchange with the open orders of `rows`, as the rows say; end it with the block."""
    api_key, api_secret = secrets.token_hex(16), secrets.token_hex(32)
    options = ("--weight-limit", str(_NO_LIMIT))
    with PaperProcess(api_key=api_key, api_secret=api_secret, options=options) as exchange:
        placed_at = round(time.time() * 1000) - _DAY_MS
        exchange.replace_orders(
            OrderSpec(
                symbol=rows.symbol_of(id_),
                order_id=id_,
                client_order_id=f"client-{id_}",
                qty=str(rows.qty_of(id_)),
                created_at=placed_at,
            )
            for id_ in rows.open_ids
        )
        yield _Setting(
            exchange_url=exchange.url,
            api_key=SecretStr(api_key),
            api_secret=SecretStr(api_secret),
            exchange=exchange.pid,
            server=server_process(scratch.database),
            shards=shards,
        )


class _Supervisor:
    """A process that is a supervisor, round after round."""

    def __init__(self, setting: _Setting, config: WorkerConfig) -> None:
        self._setting = setting
        self._settings = Settings.load(
            database_url=config.url,
            exchange_name="paper",
            exchange_base_url=setting.exchange_url,
            exchange_api_key=setting.api_key,
            exchange_api_secret=setting.api_secret,
            shards=setting.shards,
            batch_size=config.batch_size,
        )
        self._quiet = partial(configure_logs, "ERROR", "json", secrets=(setting.api_secret,))
        self._quiet()

    def close(self) -> None:
        """Do nothing: each round closes what it opens."""

    def run(self, pipe: Connection) -> float:
        """Sweep; send what it took."""
        before: dict[str, float] = {}
        done = sweep(
            OrderWorkload(settings=self._settings),
            options_of(self._settings, halt=HaltPolicy()),
            set_up_worker=lambda _: self._quiet,
            on_ready=lambda: before.update(self._processor_seconds()),
        )
        if done.summary.ending is not StopReason.COMPLETED:
            raise BenchFailed(
                f"the supervisor ended early: {done.summary.ending} {done.summary.fault}"
            )
        after = self._processor_seconds()
        processor = {part: after[part] - before[part] for part in after}
        pipe.send(WholeSweep(seconds=done.seconds, processor=processor))
        return time.monotonic()

    def _processor_seconds(self) -> Mapping[str, float]:
        own = own_seconds(os.getpid())
        return {
            PARENT: own,
            WORKERS: tree_seconds(os.getpid()) - own,
            POSTGRES: tree_seconds(self._setting.server),
            EXCHANGE: tree_seconds(self._setting.exchange),
        }


def microseconds_by_part(
    sweeps: Sequence[WholeSweep], orders: int
) -> Mapping[str, tuple[float, ...]]:
    """Return the processor time of an order, for each part and for ours together, by round."""
    parts = {
        part: tuple(one.processor[part] / orders * 1e6 for one in sweeps)
        for part in sweeps[0].processor
    }
    ours = tuple(map(sum, zip(*(parts[part] for part in OURS), strict=True)))
    return {**parts, TOGETHER: ours}
