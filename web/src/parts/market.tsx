import { useEffect, useRef } from "preact/hooks";
import type { PriceChart } from "../chart";
import domain from "../generated/domain.json";
import { bpsToPercent, formatPrice } from "../lib/amounts";
import { capitalize, clock, seconds } from "../lib/text";
import { fillsOfPair, limitsOfPair, pair, pricesOfPair, unit } from "../prices";
import { stats } from "../stats";
import { shownQuote } from "../trade";

export function Market() {
  const prices = pricesOfPair.value;
  const fills = fillsOfPair.value;
  const newest = (venue: string) => prices.findLast((point) => point.venue === venue);
  const route = shownQuote.value?.route;
  return (
    <section class="panel market" aria-labelledby="market-title">
      <div class="head">
        <h2 id="market-title">Market {pair.value}</h2>
        <ul class="legend">
          {domain.venues.map((venue, index) => {
            const point = newest(venue);
            return (
              <li key={venue} class={`line-${index + 1}`}>
                <span class="key" aria-hidden="true" />
                {capitalize(venue)} {point ? formatPrice(plain(point.price)) : "–"}
                {route?.chosenDex === venue && route.spreadBps !== null ? (
                  <span class="best"> best, +{bpsToPercent(route.spreadBps)} %</span>
                ) : null}
              </li>
            );
          })}
          <li>
            <span class="key cross" aria-hidden="true">
              ×
            </span>
            your fills
          </li>
        </ul>
      </div>
      <Chart />
      <p class="note">
        {unit.value} after fees; dotted: where your orders rest.
        {prices.length || fills.length ? "" : " The lines begin with the first price."}
      </p>
      <details class="as-text">
        <summary>As a table</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
        <div class="scroll" role="region" aria-label="Prices" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">What</th>
                <th scope="col" class="number">
                  {unit.value}
                </th>
              </tr>
            </thead>
            <tbody>
              {[
                ...prices.map((point) => ({ ...point, what: capitalize(point.venue) })),
                ...fills.map((point) => ({ ...point, what: `Your fill on ${capitalize(point.venue)}` })),
              ]
                .sort((a, b) => b.at - a.at)
                .slice(0, 40)
                .map((point) => (
                  <tr key={`${point.at} ${point.what}`}>
                    <td>{clock(new Date(point.at * 1000).toISOString())}</td>
                    <td>{point.what}</td>
                    <td class="number">{formatPrice(plain(point.price))}</td>
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      </details>
    </section>
  );
}

/** A float as a plain decimal: for pictures only, no amount comes this way. */
const plain = (value: number): string =>
  value.toFixed(Math.min(Math.max(0, 8 - Math.floor(Math.log10(value || 1))), 18));

function Chart() {
  const node = useRef<HTMLDivElement>(null);
  const drawn = useRef<PriceChart | null>(null);
  const prices = pricesOfPair.value;
  const fills = fillsOfPair.value;
  const limits = limitsOfPair.value;
  const latest = useRef({ prices, fills, limits });
  latest.current = { prices, fills, limits };
  useEffect(() => {
    let gone = false;
    void import("../chart").then(({ draw }) => {
      if (gone || !node.current) return;
      drawn.current = draw(node.current, domain.venues);
      drawn.current.set(domain.venues, latest.current.prices, latest.current.fills, latest.current.limits);
    });
    return () => {
      gone = true;
      drawn.current?.destroy();
    };
  }, []);
  useEffect(() => {
    drawn.current?.set(domain.venues, prices, fills, limits);
  }, [prices, fills, limits]);
  const last = prices.at(-1);
  const said = last
    ? `${prices.length} quoted prices, the newest ${formatPrice(plain(last.price))} ${unit.value}; ${fills.length} fills.`
    : "No prices yet.";
  return (
    <div class="chart" ref={node} role="img" aria-label={`Prices of ${pair.value} over time. ${said}`} />
  );
}

export function Quality() {
  const known = stats.value;
  const fills = known?.fills.length ?? 0;
  return (
    <section class="panel quality" aria-labelledby="quality-title">
      <h2 id="quality-title">
        Execution quality <span class="note">{known ? `last ${known.orders} orders` : ""}</span>
      </h2>
      {!known ? (
        <p class="empty">Reading …</p>
      ) : !known.orders ? (
        <p class="empty">Your first orders show here how well they were filled.</p>
      ) : (
        <div class="pictures">
          <Histogram fills={fills} />
          <Bars
            title="Time by stage, p50 / p95"
            rows={known.stages.map((stage) => ({
              name: stage.stage,
              value: stage.p95Ms,
              inner: stage.p50Ms,
              text: `${seconds(stage.p50Ms)} / ${seconds(stage.p95Ms)}`,
            }))}
          />
          <Bars
            title="Venue share"
            rows={known.venues.map((each) => ({
              name: capitalize(each.venue),
              value: each.fills,
              text: `${Math.round((each.fills / Math.max(fills, 1)) * 100)} % (${each.fills})`,
            }))}
          />
          <Bars
            title="Failures by reason"
            none="None failed."
            rows={known.failures.map((each) => ({
              name: each.code.replaceAll("_", " "),
              value: each.orders,
              text: String(each.orders),
            }))}
          />
        </div>
      )}
    </section>
  );
}

function Histogram({ fills }: { fills: number }) {
  const found = stats.value?.slippage;
  if (!found?.bins.length) return <Bars title="Slippage against the quote" rows={[]} none="No fills yet." />;
  const most = Math.max(...found.bins.map((bin) => bin.fills));
  const width = 100 / Math.max(found.bins.length, 9);
  const first = found.bins[0]?.fromBps ?? 0;
  const last = found.bins.at(-1)?.toBps ?? 0;
  return (
    <figure>
      <figcaption>
        Slippage against the quote, bps{" "}
        <span class="note">
          p50 {found.p50Bps}, p95 {found.p95Bps}
        </span>
      </figcaption>
      <svg
        viewBox="0 0 100 40"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${fills} fills from ${first} to ${last} bps: ${found.bins
          .filter((bin) => bin.fills)
          .map((bin) => `${bin.fills} from ${bin.fromBps} to ${bin.toBps}`)
          .join(", ")}`}
      >
        {found.bins.map((bin, index) => (
          <rect
            key={bin.fromBps}
            class={bin.fromBps < 0 ? "worse" : "better"}
            x={index * width + width * 0.06}
            width={width * 0.88}
            y={40 - (bin.fills / most) * 39}
            height={(bin.fills / most) * 39}
          />
        ))}
      </svg>
      <p class="ends" aria-hidden="true">
        <span>{first}</span>
        <span>{last}</span>
      </p>
    </figure>
  );
}

interface BarsProps {
  title: string;
  none?: string;
  rows: readonly { name: string; value: number; inner?: number; text: string }[];
}
function Bars({ title, rows, none }: BarsProps) {
  const most = Math.max(1, ...rows.map((row) => row.value));
  return (
    <figure>
      <figcaption>{title}</figcaption>
      {rows.length ? (
        <dl class="hbars">
          {rows.map((row) => (
            <div key={row.name}>
              <dt>{row.name}</dt>
              <dd>
                <span class="track" aria-hidden="true">
                  <span class="outer" style={{ width: `${(row.value / most) * 100}%` }} />
                  {row.inner === undefined ? null : (
                    <span class="inner" style={{ width: `${(row.inner / most) * 100}%` }} />
                  )}
                </span>
                <span class="value">{row.text}</span>
              </dd>
            </div>
          ))}
        </dl>
      ) : (
        <p class="note">{none ?? "Nothing yet."}</p>
      )}
    </figure>
  );
}
