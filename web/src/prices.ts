// What both venues said for a pair, over time: every quote that came, and the trader's own fills.
import { computed, effect, signal } from "@preact/signals";
import { orient, priceOf } from "./lib/orders";
import type { Route } from "./lib/types";
import { form } from "./state";
import { stats } from "./stats";
import { quote } from "./trade";

export interface PricePoint {
  /** Seconds since 1970. */
  at: number;
  venue: string;
  price: number;
}

const KEPT = 2_000;
const points = signal<ReadonlyMap<string, readonly PricePoint[]>>(new Map());

const pairKey = (a: string, b: string): string => {
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

function keep(route: Route, at: number): void {
  const first = route.quotes[0];
  if (!first) return;
  const key = pairKey(first.amountIn.token, first.amountOut.token);
  const fresh = route.quotes.map((each) => ({
    at: at / 1000,
    venue: each.venue,
    price: Number(priceOf(each.effectivePrice, each.amountIn.token, each.amountOut.token).exact),
  }));
  points.value = new Map([...points.value, [key, [...(points.value.get(key) ?? []), ...fresh].slice(-KEPT)]]);
}

export function start(): void {
  let seen = 0;
  effect(() => {
    const have = quote.value;
    if (have?.state !== "here" || !have.route || have.askedAt === seen) return;
    seen = have.askedAt;
    const { route, askedAt } = have;
    queueMicrotask(() => keep(route, askedAt));
  });
}
