/* The executed quantity of an order over time, drawn by uPlot. */
(() => {
  "use strict";
  const place = document.querySelector("[data-executed]");
  if (!place) return;
  const { at, executed } = JSON.parse(place.dataset.executed);
  const { axis, clock, color } = chartParts;
  const DAY = 86400;
  const HEIGHT = 220;
  let chart = null;

  const day = (seconds) => new Date(seconds * 1000).toISOString().slice(5, 10);
  const isLong = at.at(-1) - at[0] > DAY;

  /* Within a day the clock is enough; of several days each label needs its day. */
  const labels = (_, all, __, ___, step) => all.map((one) => {
    if (!isLong) return clock(one);
    return step < DAY ? `${day(one)} ${clock(one).slice(0, 5)}` : day(one);
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
          axis({ space: isLong ? 110 : 80, values: labels }),
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
