// The price lines, drawn by uPlot; loaded when the page stands, for it is half of all script.
import uPlot from "uplot";
import type { PricePoint } from "./prices";

export interface PriceChart {
  set(
    venues: readonly string[],
    prices: readonly PricePoint[],
    fills: readonly PricePoint[],
    limits: readonly number[],
  ): void;
  destroy(): void;
}

const HEIGHT = 240;
const COLOURS = ["--line-1", "--line-2", "--line-3", "--line-4"];

/** One row of times, and beside it one row a line; null where a line has nothing at that time. */
export function aligned(
  venues: readonly string[],
  prices: readonly PricePoint[],
  fills: readonly PricePoint[],
): [number[], ...(number | null)[][]] {
  // Older ones, of yesterday say, would press the prices into the last pixel.
  const shown = fills.filter((fill) => fill.at >= (prices[0]?.at ?? 0));
  const times = [...new Set([...prices, ...shown].map((point) => point.at))].sort((a, b) => a - b);
  const place = new Map(times.map((at, index) => [at, index]));
  const rows = [...venues, "fills"].map(() => times.map((): number | null => null));
  const put = (row: (number | null)[] | undefined, point: PricePoint) => {
    const index = place.get(point.at);
    if (row && index !== undefined) row[index] = point.price;
  };
  for (const point of prices) put(rows[venues.indexOf(point.venue)], point);
  for (const point of shown) put(rows[venues.length], point);
  return [times, ...rows];
}

/** A cross for each fill, so that it is told apart by form as well as by colour. */
function drawFills(plot: uPlot, series: number): uPlot.Series.Points.Filter | undefined {
  const data = plot.data[series] ?? [];
  const { ctx } = plot;
  const size = 5 * devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = colour(plot.root, "--ink");
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  data.forEach((value, index) => {
    if (value === null || value === undefined) return;
    const x = plot.valToPos(plot.data[0][index] ?? 0, "x", true);
    const y = plot.valToPos(value, "y", true);
    ctx.moveTo(x - size, y - size);
    ctx.lineTo(x + size, y + size);
    ctx.moveTo(x - size, y + size);
    ctx.lineTo(x + size, y - size);
  });
  ctx.stroke();
  ctx.restore();
  return undefined;
}

/** What a variable comes to in the present theme: a canvas can't resolve light-dark(). */
function colour(node: HTMLElement, name: string): string {
  const probe = node.ownerDocument.createElement("i");
  probe.style.color = `var(${name})`;
  node.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Where the trader's own orders rest: lines across. */
function drawLimits(plot: uPlot, limits: readonly number[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colour(plot.root, "--line-3");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const limit of limits) {
    const y = plot.valToPos(limit, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}

export function draw(node: HTMLElement, venues: readonly string[]): PriceChart {
  let resting: readonly number[] = [];
  const axis = {
    stroke: () => colour(node, "--soft"),
    grid: { stroke: () => colour(node, "--line"), width: 1 },
    ticks: { show: false },
  };
  const plot = new uPlot(
    {
      width: Math.max(node.clientWidth, 200),
      height: HEIGHT,
      legend: { show: false },
      hooks: { draw: [(plot) => drawLimits(plot, resting)] },
      cursor: { y: false, drag: { x: false, y: false } },
      axes: [
        axis,
        {
          ...axis,
          size: 64,
          values: (_plot, values) => values.map((value) => String(Number(value.toPrecision(6)))),
        },
      ],
      series: [
        {},
        ...venues.map((venue, index) => ({
          label: venue,
          stroke: () => colour(node, COLOURS[index % COLOURS.length] ?? "--ink"),
          width: 2,
          dash: index ? [6, 4] : [],
          spanGaps: true,
          points: { show: false },
        })),
        {
          label: "fills",
          paths: () => null,
          points: {
            show: (plot, series) => {
              drawFills(plot, series);
              return false;
            },
          },
        },
      ],
    },
    [[], ...venues.map(() => []), []],
    node,
  );
  const watcher = new ResizeObserver(() =>
    plot.setSize({ width: Math.max(node.clientWidth, 200), height: HEIGHT }),
  );
  watcher.observe(node);
  const themed = new MutationObserver(() => plot.redraw());
  themed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  return {
    set: (names, prices, fills, limits) => {
      resting = limits;
      plot.setData(aligned(names, prices, fills) as uPlot.AlignedData);
    },
    destroy: () => {
      watcher.disconnect();
      themed.disconnect();
      plot.destroy();
    },
  };
}
