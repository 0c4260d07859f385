// What both venues said for a pair, over time: every quote that came, and the trader's own fills.
import { computed, effect, signal } from "@preact/signals";
import { call, unreachableSince } from "./api";
import domain from "./generated/domain.json";
import { orient, priceOf } from "./lib/orders";
import type { Prices, Route } from "./lib/types";
import { isReady } from "./session";
import { form, openOrders } from "./state";
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

// Where the service tells what the market paid, the lines are the market's; else they are the quotes that came.
const HAS_MARKET = domain.types.length > 1;
const EVERY_MS = 2_000;
const PAST_MS = 600_000;
/** What the market pays now for the pair, as prices are told and exactly; null where nobody says. */
export const market = signal<{ pair: string; best: string } | null>(null);
const past = new Set<string>();

async function readMarket(): Promise<void> {
  if (document.hidden || !isReady.peek() || unreachableSince.peek() !== null) return;
  const { base, quote: other } = orient(form.peek().base, form.peek().quote);
  const key = `${base}/${other}`;
  if (base === other) return;
  const query: Record<string, string> = { inputToken: base, outputToken: other };
  if (!past.has(key)) {
    const now = Date.now() - 2_000;
    Object.assign(query, {
      from: new Date(now - PAST_MS).toISOString(),
      to: new Date(now).toISOString(),
      step: "5",
    });
  }
  try {
    const { body } = await call<Prices>("GET", `api/prices?${new URLSearchParams(query)}`);
    past.add(key);
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
  if (HAS_MARKET) {
    window.setInterval(() => void readMarket(), EVERY_MS);
    effect(() => {
      pair.value;
      if (isReady.value) void readMarket();
    });
    return;
  }
  let seen = 0;
  effect(() => {
    const have = quote.value;
    if (have?.state !== "here" || !have.route || have.askedAt === seen) return;
    seen = have.askedAt;
    const { route, askedAt } = have;
    queueMicrotask(() => keep(route, askedAt));
  });
}
