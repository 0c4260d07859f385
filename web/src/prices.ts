// What each venue paid for a pair, second by second, and the trader's own fills.
import { computed, effect, signal } from "@preact/signals";
import { call, unreachableSince } from "./api";
import { orient, priceOf } from "./lib/orders";
import type { Prices } from "./lib/types";
import { isReady } from "./session";
import { form, openOrders } from "./state";
import { stats } from "./stats";

export interface PricePoint {
  /** Seconds since 1970. */
  at: number;
  venue: string;
  price: number;
}

const KEPT = 2_000;
const points = signal<ReadonlyMap<string, readonly PricePoint[]>>(new Map());

export const pairKey = (a: string, b: string): string => {
  const { base, quote: other } = orient(a, b);
  return `${base}/${other}`;
};

export const pair = computed(() => pairKey(form.value.base, form.value.quote));
export const unit = computed(() => priceOf("1", form.value.base, form.value.quote).unit);
export const pricesOfPair = computed(() => points.value.get(pair.value) ?? []);
export const fillsOfPair = computed(() =>
  (stats.value?.fills ?? [])
    .filter((fill) => pairKey(fill.inputToken, fill.outputToken) === pair.value)
    .map((fill) => ({
      at: Date.parse(fill.at) / 1000,
      venue: fill.venue,
      price: Number(priceOf(fill.price, fill.inputToken, fill.outputToken).exact),
    })),
);

/** Prices at which the trader's own orders of the pair rest. */
export const limitsOfPair = computed(() =>
  openOrders.value
    .filter((order) => order.limitPrice && pairKey(order.inputToken, order.outputToken) === pair.value)
    .map((order) => Number(priceOf(order.limitPrice ?? "0", order.inputToken, order.outputToken).exact)),
);

const EVERY_MS = 2_000;
const PAST_MS = 600_000;
/** What the market pays now for the pair, as prices are told and exactly; null where nobody says. */
export const market = signal<{ pair: string; best: string } | null>(null);
const pairsWithPast = new Set<string>();

async function readMarket(): Promise<void> {
  if (document.hidden || !isReady.peek() || unreachableSince.peek() !== null) return;
  const { base, quote: other } = orient(form.peek().base, form.peek().quote);
  const key = `${base}/${other}`;
  if (base === other) return;
  const query: Record<string, string> = { inputToken: base, outputToken: other };
  if (!pairsWithPast.has(key)) {
    const now = Date.now() - 2_000;
    Object.assign(query, {
      from: new Date(now - PAST_MS).toISOString(),
      to: new Date(now).toISOString(),
      step: "5",
    });
  }
  try {
    const { body } = await call<Prices>("GET", `api/prices?${new URLSearchParams(query)}`);
    pairsWithPast.add(key);
    const fresh = body.points.flatMap((point) =>
      point.venues.map((each) => ({
        at: Date.parse(point.at) / 1000,
        venue: each.venue,
        price: Number(each.price),
      })),
    );
    points.value = new Map([
      ...points.value,
      [key, [...(points.value.get(key) ?? []), ...fresh].slice(-KEPT)],
    ]);
    const best = body.points.at(-1)?.best;
    if (best) market.value = { pair: key, best };
  } catch {
    // The link says what is wrong; the next reading tries again.
  }
}

export function start(): void {
  window.setInterval(() => void readMarket(), EVERY_MS);
  effect(() => {
    pair.value;
    if (isReady.value) void readMarket();
  });
}
