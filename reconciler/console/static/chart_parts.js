/* What all charts have in common: the colours of the style, axes, and times in UTC. */
const chartParts = (() => {
  "use strict";
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const axis = (more) => ({
    stroke: color("--muted"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { stroke: color("--line"), width: 1, size: 4 },
    font: "12px system-ui, sans-serif",
    ...more,
  });

  const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

  return { axis, clock, color };
})();
