// What an order says to a trader: its sentence, its price the way round that people quote it, and how well it was filled.
import domain from "../generated/domain.json";
import { bpsApart, divide, formatAmount, formatPrice, subtract } from "./amounts";
import { capitalize } from "./text";
import type { Order, Quote, Side } from "./types";

const OVER = new Set<string>(domain.over);
const CANCELLABLE = new Set<string>(domain.cancellable);
export const STEPS: readonly string[] = domain.steps;
export const OPEN: readonly string[] = domain.open;
/** Ends without a fill that nobody asked for: the tab "failed". */
export const FAILED: readonly string[] = domain.over.filter(
  (end) => end !== "confirmed" && end !== "cancelled",
);
export const ADVICE: Readonly<Record<string, string>> = domain.failures;

export const isOver = (status: string): boolean => OVER.has(status);
export const isResting = (order: Order): boolean => order.status === "waiting";

/** Until its transaction is signed. */
export const isCancellable = (order: Order): boolean => CANCELLABLE.has(order.status) && !order.txHash;

/** Those of the orders known as open that a snapshot of the open ones shows further on, or not at all. */
export function missedIn(known: readonly Order[], snapshot: readonly Order[]): string[] {
  const shown = new Map(snapshot.map((order) => [order.id, order.sequence]));
  return known.filter((order) => (shown.get(order.id) ?? Infinity) > order.sequence).map((order) => order.id);
}

// Prices are told in the one of two tokens that stands first here.
const QUOTED_IN = ["USDC", "USDT", "SOL", "WSOL"];

/** base/quote of a pair, whichever way round it is traded. */
export function orient(input: string, output: string): { base: string; quote: string; inverted: boolean } {
  const rank = (symbol: string) => {
    const place = QUOTED_IN.indexOf(symbol);
    return place < 0 ? QUOTED_IN.length : place;
  };
  const inverted = rank(input) < rank(output) || (rank(input) === rank(output) && input < output);
  return inverted ? { base: output, quote: input, inverted } : { base: input, quote: output, inverted };
}

/** "USDC per SOL", whatever is sold for which. */
export function priceOf(
  price: string,
  input: string,
  output: string,
): { text: string; unit: string; exact: string } {
  const { base, quote, inverted } = orient(input, output);
  const exact = inverted && price !== "0" ? divide("1", price, 12) : price;
  return { text: formatPrice(exact), unit: `${quote} per ${base}`, exact };
}

export function sentence(order: Order): string {
  const { side, inputToken, outputToken } = order;
  const amount = formatAmount(order.amount, 9);
  if (side === "sell") {
    const got = order.executedOutput?.amount ?? null;
    return got
      ? `Sell ${amount} ${inputToken} → ${formatAmount(got)} ${outputToken}`
      : `Sell ${amount} ${inputToken} for ${outputToken}`;
  }
  const paid = order.executedInput?.amount ?? null;
  return paid
    ? `Buy ${amount} ${outputToken} for ${formatAmount(paid)} ${inputToken}`
    : `Buy ${amount} ${outputToken} with ${inputToken}`;
}

/** How far the fill is from the quote, in hundredths of a percent: negative is worse for the trader. */
export function slippageBps(order: Order): number | null {
  if (order.side === "sell") {
    if (!order.executedOutput || !order.expectedOutputBaseUnits) return null;
    return bpsApart(BigInt(order.executedOutput.baseUnits), BigInt(order.expectedOutputBaseUnits));
  }
  if (!order.executedInput || !order.expectedInput) return null;
  const apart = bpsApart(BigInt(order.executedInput.baseUnits), BigInt(order.expectedInput.baseUnits));
  return apart ? -apart : 0;
}

export function fillSentence(order: Order): string | null {
  const bps = slippageBps(order);
  if (bps === null) return null;
  const limit = `(limit ${order.slippageBps})`;
  if (bps === 0) return `Filled at the quote ${limit}`;
  return `Filled ${Math.abs(bps)} bps ${bps < 0 ? "below" : "above"} the quote ${limit}`;
}

/** What the choice of the venue was worth against the next best one; null where there was no choice. */
export function saving(order: Order): { amount: string; token: string; venue: string } | null {
  const quotes = order.route?.quotes ?? [];
  const chosen = quotes.find((quote) => quote.venue === order.route?.chosenDex);
  const others = quotes.filter((quote) => quote !== chosen);
  if (!chosen || !others.length) return null;
  const gain = (other: Quote) => savedAgainst(chosen, other, order.side);
  const best = others.reduce((least, other) =>
    BigInt(gain(other).units) < BigInt(gain(least).units) ? other : least,
  );
  return { amount: gain(best).amount, token: gain(best).token, venue: capitalize(best.venue) };
}

export function savedAgainst(
  chosen: Quote,
  other: Quote,
  side: Side,
): { amount: string; token: string; units: bigint } {
  const [more, less] =
    side === "sell" ? [chosen.amountOut, other.amountOut] : [other.amountIn, chosen.amountIn];
  return {
    amount: subtract(more.amount, less.amount),
    token: more.token,
    units: BigInt(more.baseUnits) - BigInt(less.baseUnits),
  };
}

export function savingSentence(order: Order): string | null {
  const saved = saving(order);
  if (!saved) return null;
  if (saved.amount.startsWith("-")) return null;
  const decimals = /^\d{2,}/.test(saved.amount) ? 1 : 4;
  return `routing saved ${formatAmount(saved.amount, decimals)} ${saved.token} against ${saved.venue}`;
}

/** The other side's amount: received when selling, paid when buying; what the quote says until it has settled. */
export function counterAmount(order: Order): { amount: string; token: string; settled: boolean } | null {
  const { executedOutput, executedInput, expectedOutput, expectedInput } = order;
  if (order.side === "sell") {
    if (executedOutput) return { ...executedOutput, settled: true };
    return expectedOutput ? { amount: expectedOutput, token: order.outputToken, settled: false } : null;
  }
  if (executedInput) return { ...executedInput, settled: true };
  return expectedInput ? { ...expectedInput, settled: false } : null;
}
