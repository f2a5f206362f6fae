"""What a person must know before anything else on the overview: states that change what is done.

Pure, but for the ages.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from reconciler.console.poller import Snapshot
from reconciler.formatting import duration
from reconciler.supervisor.status import SupervisorStatus
from reconciler.telemetry.health import Grade, Slug
from reconciler.telemetry.shadow import Mode


@dataclass(frozen=True, kw_only=True, slots=True)
class Banner:
    """A state, what it means, and what to type; `command` is None if there is nothing to do.

    `slug` is the row of the verdict that says the same; None if none does.
    """

    grade: Grade
    slug: Slug | None
    title: str
    text: str
    command: str | None = None


def banners_of(snapshot: Snapshot, named: Collection[Slug]) -> list[Banner]:
    """Return the banners, the worst first, without those that `named` rows of the verdict say."""
    found = [*_of_sources(snapshot)]
    found += _of_vitals(snapshot)
    if snapshot.status.value is not None and snapshot.status.fault is None:
        found += _of_status(snapshot.status.value)
    order = (Grade.CRITICAL, Grade.WARNING, Grade.UNKNOWN, Grade.HEALTHY)
    unsaid = [banner for banner in found if banner.slug is None or banner.slug not in named]
    return sorted(unsaid, key=lambda banner: order.index(banner.grade))


def _of_sources(snapshot: Snapshot) -> Iterator[Banner]:
    status, work, health = snapshot.status, snapshot.work, snapshot.health.value
    if status.fault is not None:
        seen = (
            "It has not answered since this console started."
            if status.value is None
            else f"What is shown of it is {duration(status.age_seconds)} old."
        )
        yield Banner(
            grade=Grade.WARNING,
            slug=Slug.SUPERVISOR,
            title="No supervisor answers",
            text=f"{status.fault[:1].upper()}{status.fault[1:]}. {seen}"
            + (" The verdict comes from the database." if health and health.source else ""),
            command="reconciler run",
        )
    if work.fault is not None:
        seen = (
            "It has not answered since this console started."
            if work.value is None
            else f"Cycles and changes are those of {duration(work.age_seconds)} ago."
        )
        yield Banner(
            grade=Grade.CRITICAL,
            slug=Slug.DATABASE,
            title="The database does not answer this console",
            text=f"{work.fault}. {seen}",
            command="reconciler check",
        )


def _of_vitals(snapshot: Snapshot) -> Iterator[Banner]:
    vitals = None if snapshot.health.value is None else snapshot.health.value.vitals
    if vitals is not None and vitals.last_hour.is_first_sync and vitals.last_hour.scanned:
        yield Banner(
            grade=Grade.UNKNOWN,
            slug=None,
            title="First sync of this table",
            text="No order has been compared before, so that any may differ or be late: that is no"
            " alarm.",
        )


def _of_status(status: SupervisorStatus) -> Iterator[Banner]:
    if status.halted is not None:
        yield Banner(
            grade=Grade.CRITICAL,
            slug=Slug.HALT,
            title="Halted: no order is written",
            text=status.halted,
            command="reconciler halt status",
        )
    if status.shards.parked:
        parked = status.shards.parked
        yield Banner(
            grade=Grade.WARNING,
            slug=Slug.SHARDS,
            title="1 shard is parked" if parked == 1 else f"{parked} shards are parked",
            text="Their workers kept dying; the other shards do their work. The log says why:"
            " worker.died, worker.hung.",
            command="reconciler status",
        )
    if status.budget.paused_seconds > 0:
        yield Banner(
            grade=Grade.WARNING,
            slug=Slug.PAUSE,
            title="Rate-limit pause",
            text="The exchange wants no requests for another"
            f" {duration(status.budget.paused_seconds)}. A restart does not end the pause.",
        )
    if status.mode is Mode.SHADOW:
        yield Banner(
            grade=Grade.UNKNOWN,
            slug=None,
            title="Shadow",
            text="This supervisor writes nothing: it only shows what it would change.",
        )
