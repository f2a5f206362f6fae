"""The HTTP interface of graphite-web."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

REQUEST_SECONDS = 120.0
"""Only for a server that hangs."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One series of a rendering: its values by their times in Unix seconds; None: no value."""

    name: str
    values: Sequence[tuple[int, float | None]]

    @property
    def known(self) -> list[float]:
        """The values that there are, in order."""
        return [value for _, value in self.values if value is not None]


class GraphiteClient:
    """graphite-web at an address, for the length of a `with`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=REQUEST_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def render(self, *targets: str, since: str = "-1h", until: str = "now") -> list[Series]:
        """Evaluate expressions over a time; return their series, each value of it."""
        answer = self._post(
            "/render", target=targets, **{"from": since}, until=until, format="json"
        )
        return [
            Series(
                name=series["target"],
                values=[(time, value) for value, time in series["datapoints"]],
            )
            for series in answer.json()
        ]

    def picture(self, *targets: str, since: str = "-1h", **options: str | int) -> bytes:
        """Draw expressions as PNG; `options` are those of the render API: width, title, ..."""
        return self._post("/render", target=targets, **{"from": since}, **options).content

    def totals(self, prefix: str, *, since: str = "-1h") -> dict[str, float]:
        """Return what was counted since a time by each counter below `prefix`."""
        start, end = f"stats.counters.{prefix}.", ".count"
        counters = [name for name in self.names() if name.startswith(start) and name.endswith(end)]
        # One value for all the time, from Carbon's finest steps that reach back so far.
        expressions = [f"alias(summarize({name},'10y','sum',true),'{name}')" for name in counters]
        return {
            series.name.removeprefix(start).removesuffix(end): sum(series.known)
            for series in (self.render(*expressions, since=since) if expressions else ())
        }

    def names(self) -> list[str]:
        """Return the names of all series."""
        names: list[str] = self._client.get("/metrics/index.json").raise_for_status().json()
        return names

    def save_dashboard(self, name: str, state: dict[str, Any]) -> str:
        """Store a dashboard, in place of the one with this name; return its address."""
        answer = self._post(f"/dashboard/save/{quote(name)}", state=json.dumps(state))
        if "error" in answer.json():
            raise ValueError(f"graphite-web refused {name}: {answer.json()['error']}")
        return f"{self.url}/dashboard/{quote(name)}"

    def _post(self, path: str, **form: Any) -> httpx.Response:
        return self._client.post(path, data=form).raise_for_status()
