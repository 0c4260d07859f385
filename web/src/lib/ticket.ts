// What the ticket says, as the order that it means, or the sentence beside each field that is wrong.
import domain from "../generated/domain.json";
import { divide, parseAmount, percentToBps, readDecimal } from "./amounts";
import { orient } from "./orders";
import { visible } from "./text";
import type { FieldError, Side, Token } from "./types";

export interface Form {
  user: string;
  wallet: string;
  base: string;
  quote: string;
  action: "sell" | "buy";
  /** Which token `amount` counts: exactly so much of it is paid, or received. */
  exact: "base" | "quote";
  amount: string;
  slippage: string;
  impact: string;
  type: string;
  /** In the money of the pair for one of the other, as prices are told. */
  limit: string;
  timeInForce: "gtc" | "fok";
  /** Seconds that it rests; empty for the service's own 30 days. */
  rests: string;
  /** A sniper's token, which has not launched. */
  target: string;
  event: "any" | "launch" | "migration";
  liquidity: string;
  /** Seconds that the launch may be old. */
  age: string;
  safe: boolean;
}

/** The slippage, in percent, that the service takes where an order of the type names none. */
const usualSlippage = (type: string): string =>
  String((type === "sniper" ? domain.launchSlippageBps : domain.slippageBps) / 100);

export const EMPTY: Form = {
  user: "demo",
  wallet: "wallet_12345",
  base: "SOL",
  quote: "USDC",
  action: "sell",
  exact: "base",
  amount: "1.5",
  slippage: usualSlippage("market"),
  impact: String(domain.maxPriceImpactBps / 100),
  type: "market",
  limit: "",
  timeInForce: "gtc",
  rests: "",
  target: "",
  event: "any",
  liquidity: "5000",
  age: String(domain.launchMaxAgeSeconds),
  safe: true,
};

/** The type of the form, where the service offers it. */
export const typeOf = (form: Form): string => (domain.types.includes(form.type) ? form.type : "market");

/** What changes with the type: a slippage that nobody chose becomes the other type's; a price is of one pair. */
export const changesForType = (form: Form, type: string): Partial<Form> => ({
  type,
  ...(form.slippage === usualSlippage(form.type) ? { slippage: usualSlippage(type) } : {}),
  ...((form.type === "sniper") !== (type === "sniper") ? { limit: "" } : {}),
});

export type FieldName =
  | "user"
  | "wallet"
  | "amount"
  | "tokens"
  | "slippage"
  | "impact"
  | "limit"
  | "rests"
  | "target"
  | "liquidity"
  | "age";
export type Errors = Partial<Record<FieldName, string>>;

export interface Swap {
  inputToken: string;
  outputToken: string;
  side: Side;
  amount: string;
  slippageBps: number;
  maxPriceImpactBps: number;
}

export type Reading = { swap: Swap; errors: Errors } | { swap: null; errors: Errors };

export const inputOf = (form: Form): string => (form.action === "sell" ? form.base : form.quote);
export const outputOf = (form: Form): string => (form.action === "sell" ? form.quote : form.base);
export const amountToken = (form: Form): string => (form.exact === "base" ? form.base : form.quote);

const MAX_SLIPPAGE_BPS = 5_000;
const MAX_AGE_SECONDS = 300;

/** The swap of the form; `impactBps` is what the trader agreed to beyond the form's own limit. */
export function readSwap(form: Form, tokens: readonly Token[], impactBps?: number): Reading {
  const errors: Errors = {};
  const inputToken = inputOf(form);
  const outputToken = outputOf(form);
  const mint = (symbol: string) => tokens.find((token) => token.symbol === symbol)?.mint;
  if (mint(inputToken) === undefined || mint(outputToken) === undefined) errors.tokens = "Choose two tokens.";
  else if (mint(inputToken) === mint(outputToken))
    errors.tokens =
      inputToken === outputToken
        ? "Choose two different tokens."
        : "SOL and WSOL are one asset: choose another token.";
  const counted = tokens.find((token) => token.symbol === amountToken(form));
  const amount = parseAmount(form.amount, amountToken(form), counted?.decimals ?? 9);
  if ("error" in amount) errors.amount = amount.error;
  const slippage = percentToBps(form.slippage);
  if ("error" in slippage)
    errors.slippage = form.slippage.trim() ? slippage.error : "Enter a percentage, such as 0.5";
  else if (slippage.bps > MAX_SLIPPAGE_BPS) errors.slippage = "At most 50 %.";
  const impact = percentToBps(form.impact);
  if ("error" in impact) errors.impact = form.impact.trim() ? impact.error : "Enter a percentage, such as 15";
  else if (impact.bps > 10_000) errors.impact = "At most 100 %.";
  if ("error" in amount || "error" in slippage || "error" in impact || Object.keys(errors).length)
    return { swap: null, errors };
  return {
    swap: {
      inputToken,
      outputToken,
      side: amountToken(form) === inputToken ? "sell" : "buy",
      amount: amount.text,
      slippageBps: slippage.bps,
      maxPriceImpactBps: Math.max(impact.bps, impactBps ?? 0),
    },
    errors,
  };
}

export type RestingOrder =
  | { order: Record<string, unknown>; errors: Errors }
  | { order: null; errors: Errors };

/** A limit or sniper order as it is sent now: its end is counted from `at`, in milliseconds since 1970. */
export function readResting(form: Form, tokens: readonly Token[], at: number): RestingOrder {
  const isSniper = typeOf(form) === "sniper";
  // A sniper spends exactly so much of the quote token.
  const swapped: Form = isSniper ? { ...form, action: "buy", exact: "quote" } : form;
  const { errors, swap } = readSwap(swapped, tokens);
  const mine: Errors = { ...errors };
  if (isSniper) {
    if (!form.target.trim()) mine.target = "Name the token, such as LNCH-1.";
    const liquidity = readDecimal(form.liquidity);
    if ("error" in liquidity) mine.liquidity = liquidity.error;
    if (!/^\d{1,3}$/.test(form.age.trim()) || Number(form.age) < 1 || Number(form.age) > MAX_AGE_SECONDS)
      mine.age = `Whole seconds, 1 to ${MAX_AGE_SECONDS}.`;
  }
  const price = form.limit.trim() ? readDecimal(form.limit) : null;
  if (price && "error" in price) mine.limit = price.error;
  else if (price && /^0*(\.0*)?$/.test(price.text)) mine.limit = "Enter more than zero.";
  else if (!price && !isSniper) mine.limit = "Enter the price, such as 170";
  if (!isSniper) delete mine.slippage;
  if (!swap || Object.keys(mine).length) {
    if (!swap && !Object.keys(mine).length)
      return readResting({ ...form, slippage: EMPTY.slippage }, tokens, at);
    return { order: null, errors: mine };
  }
  const { slippageBps, ...exact } = swap;
  const ends =
    form.rests && (isSniper || form.timeInForce === "gtc")
      ? { expiresAt: new Date(at + Number(form.rests) * 1000).toISOString() }
      : {};
  const told = price && "text" in price ? price.text : "";
  if (isSniper) {
    const outputToken = form.target.trim();
    return {
      order: {
        ...exact,
        outputToken,
        slippageBps,
        orderType: "sniper",
        ...(told ? { limitPrice: limitPriceOf(told, exact.inputToken, outputToken) } : {}),
        ...ends,
        launch: {
          event: form.event,
          minimumLiquidityUsd: form.liquidity.trim(),
          maxAgeSeconds: Number(form.age),
          requireSafe: form.safe,
        },
      },
      errors: {},
    };
  }
  return {
    order: {
      ...exact,
      orderType: "limit",
      limitPrice: limitPriceOf(told, exact.inputToken, exact.outputToken),
      timeInForce: form.timeInForce,
      ...ends,
    },
    errors: {},
  };
}

/** Output per input of a price as it is told; turned around it is rounded in the trader's favour. */
export function limitPriceOf(told: string, input: string, output: string): string {
  return orient(input, output).inverted ? divide("1", told, 18, true) : told;
}

export function readParty(form: Form): Errors {
  const errors: Errors = {};
  const check = (text: string) =>
    !text.trim() ? "Enter a name." : [...text].length > 128 ? "At most 128 characters." : undefined;
  const user = check(form.user);
  const wallet = check(form.wallet);
  if (user) errors.user = user;
  if (wallet) errors.wallet = wallet;
  return errors;
}

const FIELDS: Readonly<Record<string, FieldName>> = {
  userId: "user",
  walletAddress: "wallet",
  amount: "amount",
  inputToken: "tokens",
  outputToken: "tokens",
  slippageBps: "slippage",
  maxPriceImpactBps: "impact",
  limitPrice: "limit",
  expiresAt: "rests",
  timeInForce: "rests",
  launch: "liquidity",
  "launch.minimumLiquidityUsd": "liquidity",
  "launch.maxAgeSeconds": "age",
};
const LABELS: Readonly<Record<FieldName, string>> = {
  user: "The user",
  wallet: "The wallet",
  amount: "The amount",
  tokens: "The tokens",
  slippage: "The slippage",
  impact: "The price impact",
  limit: "The price",
  rests: "The time",
  target: "The token",
  liquidity: "The liquidity",
  age: "The age",
};
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/maxPriceImpactBps/g, "your price impact limit"],
  [/slippageBps/g, "slippage"],
  [/inputToken/g, "the token you pay"],
  [/outputToken/g, "the token you get"],
  [/walletAddress/g, "the wallet"],
  [/userId/g, "the user"],
  [/clientOrderId/g, "your own order id"],
  [/limitPrice/g, "the price"],
  [/expiresAt/g, "the end"],
  [/timeInForce/g, "how it rests"],
];

/** The service's words with the API's names put as a trader says them, and nothing in them that can't be seen. */
export const inTradersWords = (text: string): string =>
  WORDS.reduce((said, [name, word]) => said.replace(name, word), visible(text));

/** The service's refusals beside the fields that they are about; what belongs to none is left over. */
export function fieldErrors(refused: readonly FieldError[]): { errors: Errors; rest: string[] } {
  const errors: Errors = {};
  const rest: string[] = [];
  for (const { field, message } of refused) {
    const name = FIELDS[field];
    if (name && !errors[name]) errors[name] = `${LABELS[name]} ${inTradersWords(message)}.`;
    else if (!name) rest.push(inTradersWords(`${field} ${message}.`));
  }
  return { errors, rest };
}

export type Grade = "fine" | "amber" | "red";

/** Amber from 1 %, red from 5 %. */
export function impactGrade(percent: string): Grade {
  const value = Number(percent);
  return value >= 5 ? "red" : value >= 1 ? "amber" : "fine";
}

/** What the trader types to go on above the limit: the impact's whole percent. */
export const consentWord = (percent: string): string => `accept ${Math.ceil(Number(percent))}%`;
export const consents = (typed: string, percent: string): boolean =>
  typed.trim().toLowerCase().replace(/\s+/g, " ").replace(" %", "%") === consentWord(percent);
/** The limit that goes with a consent: the impact that was shown, rounded up to a whole percent. */
export const consentedBps = (percent: string): number => Math.min(Math.ceil(Number(percent)) * 100, 10_000);
