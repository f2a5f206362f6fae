"""The rows about the supervisors: breakers, the pause, accounts, shards, and whether they run."""

from collections.abc import Iterator

from reconciler.formatting import duration
from reconciler.telemetry.health.grading import grade_above
from reconciler.telemetry.health.merge import GONE_SECONDS, MergedHosts
from reconciler.telemetry.health.rows import Grade, HealthRow, Slug
from reconciler.telemetry.health.vitals import HostState
from reconciler.telemetry.rounding import duration_on_same_side

PAUSE_SECONDS = 60.0

_NOT_KNOWN = "not known: no supervisor has recorded its state"


def host_rows(hosts: MergedHosts) -> Iterator[HealthRow]:
    """Yield the rows that the supervisors know, each said to be old if they are gone."""
    rows = (
        _breakers(hosts),
        _accounts(hosts),
        _shards(hosts),
        _database(hosts),
        _exchange(hosts),
    )
    yield _pause(hosts)
    yield _supervisor(hosts)
    for row in rows:
        if hosts.is_old and row.slug is not Slug.DATABASE:
            age = hosts.gone[0].silent_seconds
            value = f"{row.value.rstrip('.')}, as last recorded {duration(age)} ago"
            yield HealthRow.of(row.slug, value, Grade.UNKNOWN)
        else:
            yield row


def _breakers(hosts: MergedHosts) -> HealthRow:
    if not hosts.known:
        return HealthRow.of(Slug.BREAKERS, _NOT_KNOWN, Grade.UNKNOWN)
    if open_ := hosts.breakers_open:
        where = hosts.names(lambda host: host.breakers_open)
        return HealthRow.of(Slug.BREAKERS, f"{open_} open{where}", Grade.CRITICAL)
    if half_open := hosts.breakers_half_open:
        where = hosts.names(lambda host: host.breakers_half_open)
        return HealthRow.of(Slug.BREAKERS, f"{half_open} half-open{where}", Grade.WARNING)
    return HealthRow.of(Slug.BREAKERS, "all closed", Grade.HEALTHY)


def _pause(hosts: MergedHosts) -> HealthRow:
    seconds = hosts.paused_seconds
    if seconds <= 0:
        return HealthRow.of(Slug.PAUSE, "none", Grade.HEALTHY)
    shown = duration_on_same_side(seconds, lambda left: (left > 0, _grade_of_pause(left)))
    value = f"the exchange wants no requests for {shown}"
    return HealthRow.of(Slug.PAUSE, value, _grade_of_pause(seconds))


def _grade_of_pause(seconds: float) -> Grade:
    return grade_above(seconds, PAUSE_SECONDS, float("inf"))


def _accounts(hosts: MergedHosts) -> HealthRow:
    """Grade the refused accounts. Each supervisor has one: its key may differ from the others'."""
    if not hosts.known:
        return HealthRow.of(Slug.ACCOUNTS, _NOT_KNOWN, Grade.UNKNOWN)
    fault = hosts.texts(lambda host: host.account_fault)
    if fault is None:
        return HealthRow.of(Slug.ACCOUNTS, "none refused", Grade.HEALTHY)
    are_all = all(host.account_fault is not None for host in hosts.known)
    return HealthRow.of(Slug.ACCOUNTS, fault, Grade.CRITICAL if are_all else Grade.WARNING)


def _shards(hosts: MergedHosts) -> HealthRow:
    if not hosts.known:
        return HealthRow.of(Slug.SHARDS, _NOT_KNOWN, Grade.UNKNOWN)
    parked, shards = hosts.shards_parked, hosts.shards
    if not parked:
        return HealthRow.of(Slug.SHARDS, f"none of {shards} parked", Grade.HEALTHY)
    where = hosts.names(lambda host: host.shards_parked)
    value = f"{parked} of {shards} parked{where}: their workers kept dying"
    return HealthRow.of(Slug.SHARDS, value, Grade.CRITICAL if parked >= shards else Grade.WARNING)


def _database(hosts: MergedHosts) -> HealthRow:
    """Grade what the running supervisors say; who reads this from the database has its answer."""
    if hosts.live and (refusal := hosts.texts(lambda host: host.store_refusal)) is not None:
        return HealthRow.of(Slug.DATABASE, refusal, Grade.CRITICAL)
    if hosts.live and (reason := hosts.texts(lambda host: host.store_away)) is not None:
        value = f"{reason.rstrip('.')}. What is said of orders was measured before."
        return HealthRow.of(Slug.DATABASE, value, Grade.WARNING)
    return HealthRow.of(Slug.DATABASE, "answers", Grade.HEALTHY)


def _exchange(hosts: MergedHosts) -> HealthRow:
    """Grade what keeps us from asking; critical as soon as it has opened a breaker."""
    if not hosts.known:
        return HealthRow.of(Slug.EXCHANGE, _NOT_KNOWN, Grade.UNKNOWN)
    fault = hosts.texts(lambda host: host.exchange_fault)
    if fault is None:
        return HealthRow.of(Slug.EXCHANGE, "no fault", Grade.HEALTHY)
    has_opened = any(host.exchange_fault and host.breakers_open for host in hosts.known)
    return HealthRow.of(Slug.EXCHANGE, fault, Grade.CRITICAL if has_opened else Grade.WARNING)


def _supervisor(hosts: MergedHosts) -> HealthRow:
    """Say which supervisors run, and which are gone without a stop.

    That none runs is no alarm by itself: `run --once` may be started from time to time. The last
    run tells.
    """
    if not hosts.known:
        return HealthRow.of(Slug.SUPERVISOR, "none runs", Grade.UNKNOWN)
    if not hosts.gone:
        return HealthRow.of(Slug.SUPERVISOR, _running(hosts), Grade.HEALTHY)
    if hosts.live:
        value = f"{_gone(hosts.gone)}; {_running(hosts)}"
        return HealthRow.of(Slug.SUPERVISOR, value, Grade.WARNING)
    value = f"{_gone(hosts.gone)}; none runs now"
    return HealthRow.of(Slug.SUPERVISOR, value, Grade.CRITICAL)


def _gone(hosts: tuple[HostState, ...]) -> str:
    """Return a sentence that names the hosts, and when each was last heard."""
    names = " and ".join(host.host for host in hosts)
    ages = ", ".join(f"{_age(host.silent_seconds)} ago" for host in hosts)
    who = f"the supervisor on {names} is" if len(hosts) == 1 else f"the supervisors on {names} are"
    return f"{who} gone without a stop: last heard {ages}"


def _running(hosts: MergedHosts) -> str:
    return f"{len(hosts.live)} running: {_heard(hosts.live)}"


def _heard(hosts: tuple[HostState, ...]) -> str:
    """Return the hosts, each with the age of its last word on its side of the limit."""
    return ", ".join(f"{host.host} (heard {_age(host.silent_seconds)} ago)" for host in hosts)


def _age(seconds: float) -> str:
    return duration_on_same_side(seconds, lambda value: value > GONE_SECONDS)
