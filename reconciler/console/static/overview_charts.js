/* The charts of the overview, drawn by uPlot from JSON of the console. */
(() => {
  "use strict";
  const place = document.querySelector("[data-history]");
  if (!place) return;
  const { axis, clock, color } = chartParts;
  const HOUR = 3600;
  const HEIGHT = 200;
  const SHORTEST = 300;
  const AGES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 172800];
  const charts = new Map();
  let seen = { at: [], backlog: [], oldest_seconds: [] };
  let minutes = null;
  let isLoading = false;

  const age = (seconds) => {
    if (seconds === null) return "–";
    if (seconds >= HOUR) return `${+(seconds / HOUR).toFixed(1)} h`;
    return seconds >= 60 ? `${+(seconds / 60).toFixed(1)} min` : `${Math.round(seconds)} s`;
  };
  const count = (value) => (value === null ? "–" : value.toLocaleString("en"));

  const time = () => axis({ values: (_, ats) => ats.map((at) => clock(at).slice(0, 5)), space: 60 });
  const upward = (_, __, max) => [0, Math.max(1, (max ?? 0) * 1.1)];

  const line = (label, scale, stroke, value, more) => ({
    label, scale, stroke: color(stroke), width: 2, value: (chart, it, series, at) => value(shown(chart, it, series, at)), ...more,
  });

  /* The newest value, while the pointer is elsewhere. */
  const shown = (chart, it, series, at) => (at == null ? chart.data[series].at(-1) ?? null : it);

  /* A minute without a neighbour would be a line without a length. */
  const dots = (name) => ({ show: true, size: 5, fill: color(name) });

  const options = {
    backlog: () => ({
      scales: { x: { time: true, range: lastHour }, orders: { range: upward }, age: { range: upward } },
      axes: [
        time(),
        axis({ scale: "orders", size: 56, values: (_, all) => all.map(count) }),
        axis({ scale: "age", side: 1, size: 56, incrs: AGES, grid: { show: false }, values: (_, all) => all.map(age) }),
      ],
      series: [
        { label: "at", value: (chart, it, series, at) => { const time = shown(chart, it, series, at); return time ? `${clock(time)} UTC` : "–"; } },
        line("stale orders", "orders", "--series-1", count),
        line("oldest", "age", "--series-2", age, { dash: [6, 4] }),
      ],
    }),
    work: () => ({
      scales: { x: { time: true, range: lastHour }, orders: { range: upward } },
      axes: [time(), axis({ scale: "orders", size: 56, values: (_, all) => all.map(count) })],
      series: [
        { label: "at", value: (chart, it, series, at) => { const time = shown(chart, it, series, at); return time ? `${clock(time).slice(0, 5)} UTC` : "–"; } },
        line("looked at", "orders", "--series-1", count, { points: dots("--series-1") }),
        line("changed", "orders", "--series-2", count, { dash: [6, 4], points: dots("--series-2") }),
        line("failed", "orders", "--series-3", count, { dash: [2, 3], points: dots("--series-3") }),
      ],
    }),
  };

  /* As much of the last hour as there is, but five minutes at least. */
  const lastHour = (_, first) => {
    const now = Date.now() / 1000;
    return [Math.max(now - HOUR, Math.min(first ?? now, now - SHORTEST)), now];
  };

  const dataOf = {
    backlog: () => [seen.at, seen.backlog, seen.oldest_seconds],
    work: () => [minutes.at, minutes.scanned, minutes.changed, minutes.failed],
  };

  const draw = () => {
    for (const target of place.querySelectorAll("[data-chart]")) {
      const name = target.dataset.chart;
      const width = target.clientWidth;
      let chart = charts.get(name);
      if (!chart) {
        target.replaceChildren();
        chart = new uPlot(
          { width, height: HEIGHT, cursor: { drag: { x: false, y: false } }, ...options[name]() },
          dataOf[name](),
          target,
        );
        charts.set(name, chart);
      } else {
        if (chart.width !== width) chart.setSize({ width, height: HEIGHT });
        chart.setData(dataOf[name]());
      }
    }
  };

  const drawAgain = () => {
    for (const chart of charts.values()) chart.destroy();
    charts.clear();
    if (minutes) draw();
  };

  const load = async () => {
    if (isLoading) return;
    isLoading = true;
    const last = seen.at.at(-1) ?? 0;
    try {
      const answer = await fetch(`${place.dataset.history}?after=${last}`, { cache: "no-store" });
      if (!answer.ok) return;
      const news = await answer.json();
      minutes = news.minutes;
      const begin = Date.now() / 1000 - HOUR;
      const first = seen.at.findIndex((at) => at >= begin);
      for (const name of Object.keys(seen)) {
        seen[name] = [...(first < 0 ? [] : seen[name].slice(first)), ...news.seen[name]];
      }
      draw();
    } catch {
      /* The next event tries again. */
    } finally {
      isLoading = false;
    }
  };

  document.addEventListener("refreshed", load);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAgain);
  let resizing = 0;
  addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => minutes && draw(), 100);
  });
  load();
})();
