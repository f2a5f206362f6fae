"""The supervisors of one table as one: which of them run, and what they say together. Pure.

A supervisor records its state every few seconds. If it is killed, its last state stays: after
`GONE_SECONDS` of silence it counts as gone, and what it said is said to be old. A supervisor that
started on the same host since takes its place at once. While others run, a gone one is forgotten
after `FORGOTTEN_SECONDS`; a stop removes the state.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reconciler.telemetry.health.vitals import HostState

GONE_SECONDS = 60.0
FORGOTTEN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class MergedHosts:
    """The supervisors that run, and those that are gone without a stop, the last heard first."""

    live: tuple[HostState, ...]
    gone: tuple[HostState, ...]

    @property
    def known(self) -> tuple[HostState, ...]:
        """The supervisors whose word counts: those that run; if none does, those that are gone."""
        return self.live or self.gone

    @property
    def is_old(self) -> bool:
        """True if what is known is the word of supervisors that are gone."""
        return not self.live and bool(self.gone)

    @property
    def shards(self) -> int:
        """The number of wanted shards on all hosts."""
        return sum(host.shards for host in self.known)

    @property
    def shards_parked(self) -> int:
        """The number of parked shards on all hosts."""
        return sum(host.shards_parked for host in self.known)

    @property
    def breakers_open(self) -> int:
        """The number of shards whose breaker is open, on all hosts."""
        return sum(host.breakers_open for host in self.known)

    @property
    def breakers_half_open(self) -> int:
        """The number of shards whose breaker is half-open, on all hosts."""
        return sum(host.breakers_half_open for host in self.known)

    @property
    def paused_seconds(self) -> float:
        """How long the longest rate-limit pause lasts; it does not end with its supervisor."""
        return max((host.paused_seconds for host in (*self.live, *self.gone)), default=0.0)

    @property
    def is_database_away(self) -> bool:
        """True if one of those that run cannot work with the database."""
        return any(host.store_away or host.store_refusal for host in self.live)

    @property
    def budget_per_minute(self) -> int | None:
        """The weight that the supervisors may use in a minute; None if one has no limit."""
        limits = [host.budget_per_minute for host in self.live]
        known = [limit for limit in limits if limit is not None]
        return sum(known) if len(known) == len(limits) else None

    def texts(self, of: Callable[[HostState], str | None]) -> str | None:
        """Return what the supervisors say, one after another; None if none says anything.

        If there are several supervisors, each text names the host.
        """
        said = [(host.host, text) for host in self.known if (text := of(host)) is not None]
        if not said:
            return None
        if len(self.known) == 1:
            return said[0][1]
        return "; ".join(dict.fromkeys(f"on {host}: {text}" for host, text in said))

    def names(self, where: Callable[[HostState], object]) -> str:
        """Return " on HOST, HOST" for the hosts where it is so; nothing if there is only one."""
        hosts = dict.fromkeys(host.host for host in self.known if where(host))
        return "" if len(self.known) == 1 else f" on {', '.join(hosts)}"


def merge_hosts(hosts: Iterable[HostState]) -> MergedHosts:
    """Return the supervisors as one, whatever their order."""
    found = sorted(hosts, key=lambda host: (host.host, host.instance))
    present = [host for host in found if not _is_superseded(host, found)]
    live = tuple(host for host in present if host.silent_seconds <= GONE_SECONDS)
    gone = [host for host in present if host.silent_seconds > GONE_SECONDS]
    if live:
        gone = [host for host in gone if host.silent_seconds <= FORGOTTEN_SECONDS]
    gone.sort(key=lambda host: host.silent_seconds)
    return MergedHosts(live, tuple(gone))


def _is_superseded(host: HostState, others: Iterable[HostState]) -> bool:
    """Return True if another supervisor has started on its host since it was last heard."""
    return any(
        other.host == host.host
        and other.instance != host.instance
        and other.age_seconds < host.silent_seconds
        for other in others
    )
