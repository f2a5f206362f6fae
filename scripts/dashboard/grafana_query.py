"""Grafana's query of Graphite, which grafana-foundation-sdk has no class for.

Source: `GraphiteQuery` in public/app/plugins/datasource/graphite/types.ts of Grafana 11.6.
"""

from dataclasses import dataclass
from typing import Any, Self

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import DataqueryConfig
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

DATASOURCE = DataSourceRef(type_val="graphite", uid="${datasource}")
"""The data source that is chosen at the top of the dashboard."""


@dataclass(frozen=True, kw_only=True)
class GraphiteQuery(Dataquery):
    """One target of a panel.

    Attributes:
        target: The expression.
        ref_id: Its letter in the panel.
        datasource: Whom to ask.
    """

    target: str
    ref_id: str
    datasource: DataSourceRef = DATASOURCE

    def to_json(self) -> dict[str, object]:
        """Return it as Grafana stores it. As text: Grafana's editor knows no negative nodes."""
        return {
            "datasource": self.datasource,
            "refId": self.ref_id,
            "target": self.target,
            "textEditor": True,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what Grafana stores."""
        return cls(
            target=data["target"],
            ref_id=data["refId"],
            datasource=DataSourceRef.from_json(data["datasource"]),
        )


@dataclass(frozen=True)
class GraphiteQueryBuilder(Builder[Dataquery]):
    """What the builders of panels take as a target."""

    query: GraphiteQuery

    def build(self) -> Dataquery:
        """Return the query."""
        return self.query


def variant_config() -> DataqueryConfig:
    """Return what the SDK needs to read such queries."""
    return DataqueryConfig(identifier="graphite", from_json_hook=GraphiteQuery.from_json)
