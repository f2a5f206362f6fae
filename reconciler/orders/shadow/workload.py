"""The workload of a shadow."""

from dataclasses import dataclass

from reconciler.orders.dry_run import DryRunWorkload
from reconciler.orders.shadow.follower import Follower
from reconciler.orders.shadow.planner import ShadowPlanner
from reconciler.orders.shadow.state import Shadow
from reconciler.settings import Settings
from reconciler.store.database import Database
from reconciler.telemetry.metrics import open_metrics
from reconciler.telemetry.shadow import ShadowFigures


@dataclass(frozen=True, kw_only=True)
class ShadowWorkload(DryRunWorkload):
    """The order workload in a dry run that goes on; `shadow` keeps what it has looked at."""

    shadow: Shadow

    def __getstate__(self) -> dict[str, object]:
        """Leave out what only the supervisor's process needs."""
        return {**super().__getstate__(), "shadow": None}

    @classmethod
    def of(cls, settings: Settings, shadow: Shadow) -> "ShadowWorkload":
        """Return the workload; a reload makes another one with the same `shadow`."""
        return cls(settings=settings, take=shadow.take, shadow=shadow)

    @property
    def shadow_figures(self) -> ShadowFigures:
        """What was found so far."""
        return self.shadow.figures()

    def open_planner(self) -> ShadowPlanner:
        """Open the planner, which raises as that of `OrderWorkload`, and begin to follow rows."""
        planner = self.orders.open_planner()
        follower = Follower(
            self.shadow,
            open_shadow_database(self.settings),
            planner.orders,
            open_metrics(self.settings.statsd, log_failures=False),
        )
        follower.start()
        return ShadowPlanner(planner, self.shadow, follower)


def open_shadow_database(settings: Settings) -> Database:
    """Return a connection that follows rows: it can only read."""
    return Database(
        settings.required_database_url, role="shadow", scope=settings.scope, only_reads=True
    )
