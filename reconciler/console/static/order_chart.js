/* The executed quantity of an order over time, drawn by uPlot. */
(() => {
  "use strict";
  const place = document.querySelector("[data-executed]");
  if (!place) return;
  const { at, executed } = JSON.parse(place.dataset.executed);
  const HEIGHT = 220;
  let chart = null;

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const two = (number) => String(number).padStart(2, "0");
  const clock = (seconds) => {
    const time = new Date(seconds * 1000);
    return `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())}`;
  };
  const day = (seconds) => new Date(seconds * 1000).toISOString().slice(5, 10);
  const isLong = at.at(-1) - at[0] > 86400;
  const axis = (more) => ({
    stroke: color("--muted"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { stroke: color("--line"), width: 1, size: 4 },
    font: "12px system-ui, sans-serif",
    ...more,
  });

  const draw = () => {
    chart?.destroy();
    const line = color("--accent");
    chart = new uPlot(
      {
        width: place.clientWidth,
        height: HEIGHT,
        cursor: { drag: { x: false, y: false } },
        scales: { x: { time: true }, y: { range: (_, __, max) => [0, (max || 1) * 1.1] } },
        axes: [
          axis({ space: 80, values: (_, all) => all.map((one) => (isLong ? day(one) : clock(one))) }),
          axis({ size: 64 }),
        ],
        series: [
          { label: "at", value: (_, one) => (one ? `${day(one)} ${clock(one)} UTC` : "–") },
          {
            label: "executed",
            stroke: line,
            width: 2,
            paths: uPlot.paths.stepped({ align: 1 }),
            points: { show: true, size: 7, stroke: line, fill: color("--surface") },
            value: (_, one) => (one === null ? "–" : String(one)),
          },
        ],
      },
      [at, executed],
      place,
    );
  };

  addEventListener("resize", () => chart.setSize({ width: place.clientWidth, height: HEIGHT }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
