// Asking for quotes and placing: what the button may do, and when. A click is one order.
import { computed, effect, signal } from "@preact/signals";
import { call, Refused, serverNow, Unreachable, unreachableSince } from "./api";
import domain from "./generated/domain.json";
import { bpsToPercent } from "./lib/amounts";
import { type Intent, Intents } from "./lib/intents";
import { priceOf } from "./lib/orders";
import {
  consentedBps,
  consents,
  type Errors,
  type FieldName,
  type Form,
  fieldErrors,
  inTradersWords,
  readParty,
  readResting,
  readSwap,
  type Swap,
  typeOf,
} from "./lib/ticket";
import type { Placed, Route } from "./lib/types";
import { placedHere } from "./live";
import { claims, isReady, wantsToken } from "./session";
import { announcement, form, now, selected, tokens } from "./state";

const TYPING_MS = 350;
/** A quote is asked for anew so long before it ends, while somebody is at the ticket. */
const AHEAD_MS = 3_000;
const ATTENDED_MS = 120_000;
/** After an order the same one can't be placed for so long, and not before the clicking has stopped. */
const REST_MS = 3_000;
const CLICKING_MS = 1_000;

export interface QuoteState {
  /** The swap that it answers, as text. */
  key: string;
  state: "asking" | "here" | "refused";
  route?: Route;
  askedAt: number;
  endsAt: number;
  lifeMs: number;
  problem?: string;
  /** Percent, where every venue's impact is above the limit. */
  tooHigh?: string;
}

export const quote = signal<QuoteState | null>(null);
export const consentText = signal("");
/** The impact that the trader is asked to agree to, as the refusal said it. */
const consentFor = signal<{ key: string; percent: string } | null>(null);
export const serverErrors = signal<Errors>({});
export const formProblem = signal("");
export const isPlacing = signal(false);
export const restUntil = signal(0);
export const touched = signal<ReadonlySet<FieldName>>(new Set());

function tabId(): string {
  const kept = sessionStorage.getItem("desk.tab");
  if (kept) return kept;
  const made = randomKey();
  sessionStorage.setItem("desk.tab", made);
  return made;
}
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
const intents = new Intents(localStorage, tabId(), randomKey);
/** What was sent and has no definite answer. */
export const inDoubt = signal<Intent | null>(null);

export const isMarket = computed(() => typeOf(form.value) === "market");
/** A limit or sniper order of the form, without the end that the click gives it. */
const resting = computed(() => (isMarket.value ? null : readResting(form.value, tokens.value, 0)));
const plainReading = computed(() => readSwap(form.value, tokens.value));
// Only what is traded at once is quoted.
const plainKey = computed(() =>
  isMarket.value && plainReading.value.swap ? JSON.stringify(plainReading.value.swap) : "",
);
/** The impact that has to be agreed to in words: above the trader's limit, and above the usual one whatever his limit is. */
export const consentWanted = computed(() => {
  const asked = consentFor.value;
  if (asked && asked.key === plainKey.value) return asked.percent;
  const have = quote.value;
  const impact = have?.key === plainKey.value && have.state === "here" ? impactOf(have.route) : null;
  return impact !== null && Number(impact) * 100 > domain.maxPriceImpactBps ? impact : null;
});
export const impactOf = (route: Route | undefined): string | null =>
  route?.quotes.find((each) => each.venue === route.chosenDex)?.priceImpactPct ?? null;
const isConsented = computed(() => {
  const percent = consentWanted.value;
  return percent !== null && consents(consentText.value, percent);
});
export const reading = computed(() => {
  const percent = consentWanted.value;
  return isConsented.value && percent !== null
    ? readSwap(form.value, tokens.value, consentedBps(percent))
    : plainReading.value;
});
export const swapKey = computed(() =>
  isMarket.value && reading.value.swap ? JSON.stringify(reading.value.swap) : "",
);
const wrongFields = computed<Errors>(() => ({ ...(resting.value ?? reading.value).errors, ...party.value }));
export const party = computed<Errors>(() => {
  const { user, ...others } = readParty(form.value);
  return wantsToken.value || !user ? others : { ...others, user };
});

/** The quote that may be traded on: of this very form, and not over. */
export const freshQuote = computed(() => {
  const have = quote.value;
  return have?.state === "here" && have.key === swapKey.value && now.value < have.endsAt ? have : null;
});

/** The quote that the form had: shown as old, never accepted. */
export const shownQuote = computed(() => (quote.value?.key === swapKey.value ? quote.value : null));

export const errorsShown = computed<Errors>(() => {
  const all = wrongFields.value;
  const seen = Object.fromEntries(
    Object.entries(all).filter(([name]) => touched.value.has(name as FieldName)),
  );
  return { ...serverErrors.value, ...seen };
});

// In the order in which the ticket has them.
const FIELDS: readonly FieldName[] = [
  "user",
  "target",
  "amount",
  "tokens",
  "limit",
  "rests",
  "slippage",
  "liquidity",
  "age",
  "impact",
  "wallet",
];

let asking: AbortController | null = null;

export async function askQuote(): Promise<void> {
  const swap = reading.peek().swap;
  const key = swapKey.peek();
  if (!swap || !isReady.peek()) return;
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  const askedAt = Date.now();
  const before = quote.peek();
  // While it is asked for anew, one that still holds stays.
  if (!(before?.key === key && before.state === "here" && before.endsAt > askedAt))
    quote.value = { key, state: "asking", askedAt, endsAt: 0, lifeMs: 0 };
  try {
    const { body, headers } = await call<Route>("POST", "api/quotes", {
      body: swap,
      signal: mine.signal,
      timeoutMs: 10_000,
    });
    const chosen = body.quotes.find((each) => each.venue === body.chosenDex);
    // Counted from when it was asked for: what the way back took is not life any more. Never longer than half a minute.
    const lifeMs =
      Math.min(Math.max(Date.parse(chosen?.expiresAt ?? "") - serverNow(headers), 0), 60_000) || 0;
    quote.value = { key, state: "here", route: body, askedAt, endsAt: askedAt + lifeMs, lifeMs };
    now.value = Date.now();
  } catch (error) {
    if (mine.signal.aborted) return;
    quote.value = { key, state: "refused", askedAt, endsAt: 0, lifeMs: 0, ...explain(error, key) };
  }
}

function explain(error: unknown, key: string): { problem: string; tooHigh?: string } {
  if (!(error instanceof Refused))
    return { problem: error instanceof Error ? error.message : "No quote came." };
  const { problem } = error;
  if (problem.code === "price_impact_too_high" && problem.priceImpactPct) {
    if (plainKey.peek() === key) {
      consentFor.value = { key, percent: problem.priceImpactPct };
      consentText.value = "";
    } else if (plainKey.peek()) consentFor.value = { key: plainKey.peek(), percent: problem.priceImpactPct };
    return { problem: "", tooHigh: problem.priceImpactPct };
  }
  if (problem.errors?.length) {
    const { errors, rest } = fieldErrors(problem.errors);
    serverErrors.value = errors;
    return { problem: rest.join(" ") };
  }
  if (error.status === 401) return { problem: "" };
  return { problem: inTradersWords(problem.detail) };
}

export type Action =
  | "fix"
  | "asking"
  | "requote"
  | "consent"
  | "place"
  | "placing"
  | "again"
  | "resting"
  | "offline"
  | "token";
/** What a click on the button does now. */
export const action = computed<Action>(() => {
  if (isPlacing.value) return "placing";
  if (!isReady.value) return "token";
  if (inDoubt.value) return unreachableSince.value === null ? "again" : "offline";
  if (unreachableSince.value !== null) return "offline";
  if (Object.keys({ ...wrongFields.value, ...serverErrors.value }).length) return "fix";
  if (now.value < restUntil.value) return "resting";
  if (!isMarket.value) return "place";
  if (consentWanted.value && !isConsented.value) return "consent";
  if (freshQuote.value) return "place";
  return quote.value?.key === swapKey.value && quote.value.state === "asking" ? "asking" : "requote";
});

function bodyOf(swap: Swap | Record<string, unknown>, value: Form): string {
  const sub = claims.peek()?.sub;
  return JSON.stringify({
    ...(sub !== undefined ? {} : { userId: value.user.trim() }),
    walletAddress: value.wallet.trim(),
    ...swap,
  });
}

/** The click. Returns which field needs the trader's attention, if one does. */
export async function submitTicket(): Promise<FieldName | "consent" | null> {
  now.value = Date.now();
  const doing = action.peek();
  if (doing === "resting") {
    restUntil.value = Math.max(restUntil.peek(), Date.now() + CLICKING_MS);
    return null;
  }
  if (doing === "fix") {
    touched.value = new Set(FIELDS);
    const wrong = { ...wrongFields.peek(), ...serverErrors.peek() };
    return FIELDS.find((name) => wrong[name]) ?? null;
  }
  if (doing === "consent") return "consent";
  if (doing === "requote") {
    await askQuote();
    return null;
  }
  const unsettled = inDoubt.peek();
  if (doing === "again" && unsettled) await place(unsettled);
  else if (doing === "place") {
    const swap = isMarket.peek()
      ? reading.peek().swap
      : readResting(form.peek(), tokens.peek(), Date.now()).order;
    if (swap) await place(intents.begin(bodyOf(swap, form.peek())));
  }
  return null;
}

async function place(intent: Intent): Promise<void> {
  if (isPlacing.peek()) return;
  isPlacing.value = true;
  formProblem.value = "";
  try {
    const { body, headers } = await call<Placed>("POST", "api/orders/execute", {
      body: intent.body,
      headers: { "Idempotency-Key": intent.key },
      timeoutMs: 20_000,
    });
    intents.settle();
    inDoubt.value = null;
    quote.value = null;
    consentText.value = "";
    restUntil.value = Date.now() + REST_MS;
    now.value = Date.now();
    announcement.value = headers.get("Idempotent-Replayed")
      ? "The order had been placed: this is it, there is no second one."
      : "The order is placed.";
    placedHere.add(body.orderId);
    location.hash = `#/orders/${body.orderId}`;
    selected.value = body.orderId;
  } catch (error) {
    if (error instanceof Refused && error.isDefinite) showRefusal(error);
    else {
      inDoubt.value = intent;
      announcement.value = "No answer came. The order may have been placed.";
    }
    if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
  } finally {
    isPlacing.value = false;
  }
}

function showRefusal(error: Refused): void {
  // A token that ran out, or too many requests, say nothing about the order: the same intent can be sent again.
  if (error.status !== 401 && error.status !== 429) {
    intents.settle();
    inDoubt.value = null;
  }
  const { problem } = error;
  const { errors, rest } = fieldErrors(problem.errors ?? []);
  serverErrors.value = errors;
  formProblem.value = problem.errors?.length ? rest.join(" ") : inTradersWords(problem.detail);
  announcement.value = formProblem.value || Object.values(errors).join(" ");
}

/** A changed form is another intent. */
export function change(changes: Partial<Form>): void {
  if (isPlacing.peek()) return;
  form.value = { ...form.peek(), ...changes };
  serverErrors.value = {};
  formProblem.value = "";
  restUntil.value = 0;
  attendedAt = Date.now();
  intents.settle();
  inDoubt.value = null;
}

let attendedAt = Date.now();

export function start(): void {
  const left = intents.unsettled();
  if (left) {
    inDoubt.value = left;
    form.value = { ...form.peek(), ...formOf(left.body, form.peek()) };
  }
  for (const kind of ["pointerdown", "keydown"])
    document.addEventListener(
      kind,
      () => {
        attendedAt = Date.now();
      },
      { passive: true },
    );
  let typing = 0;
  let before = "";
  effect(() => {
    const key = swapKey.value;
    const ready = isReady.value && unreachableSince.value === null;
    clearTimeout(typing);
    if (!key || !ready) return;
    typing = window.setTimeout(() => void askQuote(), before === "" ? 0 : TYPING_MS);
    before = key;
  });
  effect(() => {
    const at = now.value;
    const have = quote.peek();
    if (
      document.hidden ||
      at - attendedAt > ATTENDED_MS ||
      unreachableSince.peek() !== null ||
      !isReady.peek()
    )
      return;
    if (isPlacing.peek() || inDoubt.peek()) return;
    if (!have && swapKey.peek() && at >= restUntil.peek()) void askQuote();
    else if (
      have?.state === "here" &&
      have.key === swapKey.peek() &&
      at > have.endsAt - Math.min(AHEAD_MS, have.lifeMs / 2)
    ) {
      if (at - have.askedAt > 2_000) void askQuote();
    }
  });
  // What the other tab settled is settled.
  window.addEventListener("storage", (event) => {
    if (event.key === "desk.intents" && inDoubt.peek() && !isPlacing.peek())
      inDoubt.value = intents.unsettled();
  });
}

/** The form that a body was made from: what is in doubt is what the ticket shows. */
function formOf(body: string, present: Form): Partial<Form> {
  const order = JSON.parse(body) as Swap & {
    userId?: string;
    walletAddress: string;
    orderType?: string;
    limitPrice?: string;
    launch?: {
      event: Form["event"];
      minimumLiquidityUsd: string;
      maxAgeSeconds: number;
      requireSafe: boolean;
    };
  };
  const shared = {
    ...(order.userId === undefined ? {} : { user: order.userId }),
    wallet: order.walletAddress,
    amount: order.amount,
    type: order.orderType ?? "market",
    impact: bpsToPercent(order.maxPriceImpactBps),
    ...(order.slippageBps === undefined ? {} : { slippage: bpsToPercent(order.slippageBps) }),
  };
  const limit = order.limitPrice
    ? { limit: priceOf(order.limitPrice, order.inputToken, order.outputToken).exact }
    : {};
  if (order.launch)
    return {
      ...shared,
      ...limit,
      quote: order.inputToken,
      target: order.outputToken,
      event: order.launch.event,
      liquidity: order.launch.minimumLiquidityUsd,
      age: String(order.launch.maxAgeSeconds),
      safe: order.launch.requireSafe,
    };
  const isSell = order.inputToken === present.base || order.outputToken === present.quote;
  const base = isSell ? order.inputToken : order.outputToken;
  const counted = order.side === "sell" ? order.inputToken : order.outputToken;
  return {
    ...shared,
    base,
    quote: isSell ? order.outputToken : order.inputToken,
    action: isSell ? "sell" : "buy",
    exact: counted === base ? "base" : "quote",
    ...limit,
  };
}
