// Lines over days. The canvas is for eyes alone: whoever cannot see it has the table beside it.

import { language, words } from "/pool/assets/words.js";
import { count } from "/pool/assets/shared.js";

const HEIGHT = 240;
const charts = new Map();

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const day = new Intl.DateTimeFormat(language, { month: "short", day: "numeric", timeZone: "UTC" });

/** Draws `lines` (`{label, color, values}`, one value a day) over days like "2026-11-26". */
export function draw(place, days, lines) {
  const data = [
    days.map((text) => Date.parse(`${text}T00:00:00Z`) / 1000),
    ...lines.map(({ values }) => values),
  ];
  const same = JSON.stringify([data, place.clientWidth, color("--ink")]);
  if (charts.get(place)?.same === same) return;
  charts.get(place)?.chart.destroy();
  place.replaceChildren();
  const chart = new uPlot(options(place, lines), data, place);
  chart.root.setAttribute("aria-hidden", "true");
  charts.set(place, { chart, days, lines, same });
}

function options(place, lines) {
  const axis = { stroke: color("--soft"), grid: { stroke: color("--line") }, ticks: { stroke: color("--line") } };
  const dates = (_, splits) => splits.map((at) => day.format(new Date(at * 1000)));
  return {
    width: Math.max(place.clientWidth, 200),
    height: HEIGHT,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"),
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_, least, most) => [0, Math.max(most, 1) * 1.05] } },
    axes: [
      { ...axis, values: dates, space: 70, incrs: [1, 2, 5, 7, 14, 30].map((n) => n * 86_400) },
      { ...axis, size: 64, incrs: [1, 2, 5].flatMap((n) => [1, 10, 100, 1e3, 1e4, 1e5, 1e6].map((ten) => n * ten)),
        values: (_, splits) => splits.map(count) },
    ],
    series: [
      { label: words.day, value: (_, at) => (at ? day.format(new Date(at * 1000)) : "") },
      ...lines.map(({ label, color: name }) => ({
        label, stroke: color(name), width: 2, points: { size: 6 },
        value: (_, value) => (value === null || value === undefined ? "" : count(value)),
      })),
    ],
  };
}

function again() {
  for (const [place, { chart, days, lines }] of charts) {
    if (place.clientWidth > 0 && place.clientWidth !== chart.width) draw(place, days, lines);
  }
}

function inOtherColors() {
  for (const [place, { days, lines }] of charts) draw(place, days, lines);
}

addEventListener("resize", again);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", inOtherColors);
